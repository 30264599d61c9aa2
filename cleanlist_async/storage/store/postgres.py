"""A store in PostgreSQL, for processes of several machines. Needs the extra ``postgres``.

Its address may hold a password, which must not reach a repr, message, log or traceback. So it is kept as a
secret, and psycopg's errors are never chained to ours, because their frames hold it.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio

from cleanlist_async import facts
from cleanlist_async.errors import CleanlistError, ConfigurationError, StoreError, StoreUnavailableError
from cleanlist_async.redact import Secret
from cleanlist_async.storage.store.operations import Operation
from cleanlist_async.storage.store.statements import Answer, Dialect, Statement

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool

T = TypeVar("T")

DIALECT: Final = Dialect(
    now="extract(epoch FROM clock_timestamp())::float8",
    each="unnest(:{name}::text[]) AS {name}_(value)",
    pairs="unnest(:{name}_names::text[], :{name}_values::text[]) AS given(name, value)",
    real="DOUBLE PRECISION",
    blob="BYTEA",
    identity="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    size="(SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class"
    " WHERE relkind = 'r' AND starts_with(relname, 'cleanlist_') AND pg_table_is_visible(oid))",
)
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('cleanlist_store'))"
"""One transaction at a time claims and sends: what it looked at is still so when it writes. Held for some
milliseconds, and given back by the end of the transaction, so a pool in transaction mode may lie between."""
_SETTINGS: Final = f"SET LOCAL statement_timeout = {int(facts.STORE_ANSWER_S * 1_000)}"
_PARAMETER: Final = re.compile(r"(?<!:):([a-z_]+)")
_MAX_CONNECTIONS: Final = 4
_TRIES: Final = 3
"""Of a transaction that met a deadlock or a restart before its commit was asked for."""


class PostgresDatabase:
    """A store in a database that all who share it can reach.

    Raises ConfigurationError without psycopg, and for an address that is none, at once when it is made.
    """

    def __init__(self, url: str) -> None:
        try:
            self._name = _checked(url)
            self._url = Secret(url)
        finally:
            del url  # a traceback that shows local variables must not show it
        self._pool: AsyncConnectionPool[AsyncConnection[Any]] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def name(self) -> str:
        """The name of the database and its host."""
        return self._name

    async def run(self, operation: Operation[T], *, commit_unless: T | None = None) -> T:
        """Run an operation as one transaction, after all that are under way."""
        with anyio.CancelScope(shield=True):
            try:
                async with asyncio.timeout(facts.STORE_ANSWER_S):
                    return await self._run(operation, commit_unless)
            except Exception as problem:  # noqa: BLE001  # psycopg's frames hold the password
                error = self._explained(problem)
        raise error  # outside the handler, so that it is not chained

    async def aclose(self) -> None:
        """Close the connections."""
        pool, self._pool = self._pool, None
        if pool is not None and self._loop is asyncio.get_running_loop():
            with anyio.CancelScope(shield=True):
                await pool.close()

    async def _run(self, operation: Operation[T], commit_unless: T | None) -> T:
        from psycopg import Rollback  # noqa: PLC0415

        pool = await self._opened()
        async with pool.connection() as connection, connection.transaction() as transaction:
            await connection.execute(_SETTINGS)
            await connection.execute(_LOCK)
            value = await _carry_out(connection, operation)
            if commit_unless is not None and value == commit_unless:
                raise Rollback(transaction)
        return value

    async def _opened(self) -> AsyncConnectionPool[AsyncConnection[Any]]:
        from psycopg_pool import AsyncConnectionPool  # noqa: PLC0415

        loop = asyncio.get_running_loop()
        if self._pool is None or self._loop is not loop:
            self._loop = loop
            self._pool = AsyncConnectionPool(
                self._url.reveal(),
                min_size=0,
                max_size=_MAX_CONNECTIONS,
                open=False,
                timeout=facts.STORE_ANSWER_S,
                configure=_refuse_early_commits,
                # Prepared statements belong to a session, which a pool in transaction mode does not keep.
                kwargs={"autocommit": True, "prepare_threshold": None, "connect_timeout": 5},
            )
            await self._pool.open()
        return self._pool

    def _explained(self, problem: Exception) -> CleanlistError:
        import psycopg  # noqa: PLC0415
        import psycopg_pool  # noqa: PLC0415

        if isinstance(problem, CleanlistError):
            return problem
        kind = type(problem).__name__
        passing = (psycopg.OperationalError, psycopg_pool.PoolTimeout, TimeoutError, OSError)
        if isinstance(problem, passing):
            return StoreUnavailableError(
                f"The store {self._name} cannot be reached, or does not answer ({kind}).",
                fix="Nothing is sent without it. Try again when the database is back.",
            )
        code = getattr(problem, "sqlstate", None)
        return StoreError(f"The store {self._name} refused a statement ({kind}, {code}).")


async def _carry_out(connection: AsyncConnection[Any], operation: Operation[T]) -> T:
    try:
        statement = next(operation)
        while True:
            cursor = await connection.execute(_rendered(statement.text), _parameters(statement))
            rows = await cursor.fetchall() if cursor.description is not None else []
            statement = operation.send(Answer(rows, cursor.rowcount))
    except StopIteration as end:
        value: T = end.value
        return value
    finally:
        operation.close()


@lru_cache(maxsize=256)
def _rendered(text: str) -> bytes:
    return _PARAMETER.sub(r"%(\1)s", DIALECT.render(text)).encode()


def _parameters(statement: Statement) -> dict[str, Any]:
    values = dict(statement.values)
    for name, value in statement.values.items():
        if isinstance(value, dict):
            values[f"{name}_names"], values[f"{name}_values"] = list(value), list(value.values())
            del values[name]
    return values


async def _refuse_early_commits(connection: AsyncConnection[Any]) -> None:
    """Raise ConfigurationError where the server says that something is committed before it is on the disk."""
    row = await (await connection.execute("SHOW synchronous_commit")).fetchone()
    if row is not None and row[0] == "off":
        raise ConfigurationError(
            "This PostgreSQL forgets the last commits when it crashes (synchronous_commit = off).",
            fix="Set synchronous_commit = on for this database or user: what is forgotten is bought again.",
        )


def _checked(url: str) -> str:
    """Return the name of a database and its host. Raises ConfigurationError for what is no address."""
    if find_spec("psycopg") is None or find_spec("psycopg_pool") is None:
        raise ConfigurationError(
            "A store in PostgreSQL needs psycopg.", fix="Run: pip install 'cleanlist-async[postgres]'."
        )
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    with suppress(Exception):  # what it says may quote the address
        parts = conninfo_to_dict(url)
        return f"{parts.get('dbname') or 'postgres'} at {parts.get('host') or 'localhost'}"
    raise ConfigurationError(
        "store is not the address of a PostgreSQL database.",
        fix="Give one such as postgresql://user@host:5432/name.",
    )
