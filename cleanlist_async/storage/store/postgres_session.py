"""One connection of an event loop to PostgreSQL, and one transaction at a time on it.

All transactions of a store take turns in the server, so a second connection would only wait there.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from cleanlist_async import facts
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.redact import Secret
from cleanlist_async.storage.store.statements import Answer, Dialect, Operation, Statement

if TYPE_CHECKING:
    from psycopg import AsyncConnection

T = TypeVar("T")

DIALECT: Final = Dialect(
    now="extract(epoch FROM clock_timestamp())::float8",
    each="unnest(:{name}::text[]) AS {name}_(value)",
    # A subquery would let PostgreSQL read the whole table as long as it has no statistics of it.
    is_in="= ANY (:{name}::text[])",
    pairs="unnest(:{name}_names::text[], :{name}_values::text[]) AS given(name, value)",
    rows="jsonb_array_elements(:{name}::jsonb) AS given(value)",
    column="(given.value ->> {number})",
    table_names="(SELECT relname AS name FROM pg_class WHERE pg_table_is_visible(oid)) AS tables",
    real="DOUBLE PRECISION",
    blob="BYTEA",
    identity="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    size="(SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class"
    " WHERE relkind = 'r' AND starts_with(relname, 'cleanlist_') AND pg_table_is_visible(oid))",
)
_PAUSED_S: Final = 3.0
"""Seconds that a process may stand still in its transaction before it loses it: the others wait for it."""
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
_PARAMETER: Final = re.compile(r"(?<!:):([a-z_]+)")
WRONG_LOGIN: Final = re.compile(
    "authentication failed|no password supplied|does not exist|no such (user|data)"
)
"""What a server says, in English, when the address is wrong rather than the server away."""


class PostgresSession:
    """Runs operations over one connection, which is opened when it is needed, and again when it broke."""

    def __init__(self, url: Secret) -> None:
        self.pid: Final = os.getpid()
        self._url = url
        self._turn = asyncio.Lock()
        self._connection: AsyncConnection[Any] | None = None

    async def run(self, operation: Operation[T], commit_unless: T | None) -> T:
        """Run an operation as one transaction, after those that are under way.

        Raises TimeoutError and errors of psycopg, with frames that hold the password.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + facts.STORE_ANSWER_S
        async with asyncio.timeout_at(until):
            await self._turn.acquire()
        watchdog = loop.call_at(until, self._cut)
        try:
            return await self._transaction(operation, commit_unless, until)
        except BaseException:
            self.close()  # the server undoes what is not committed
            raise
        finally:
            watchdog.cancel()
            operation.close()
            self._turn.release()

    async def aclose(self) -> None:
        """Close the connection after the transactions that are under way."""
        async with self._turn:
            self.close()

    def close(self) -> None:
        """Close the connection, with a transaction that is open; the next transaction opens another."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self.pid == os.getpid():
            connection.pgconn.finish()
        else:
            _of_parents.append(connection)  # closing it here would end the parent's

    def __del__(self) -> None:
        self.close()  # psycopg's warning of one that is left open names its user

    async def _transaction(self, operation: Operation[T], commit_unless: T | None, until: float) -> T:
        connection = await self._begun(until)
        try:
            answer = await _execute(connection, next(operation))
            while True:
                answer = await _execute(connection, operation.send(answer))
        except StopIteration as end:
            value: T = end.value
        is_refused = commit_unless is not None and value == commit_unless
        await connection.execute("ROLLBACK" if is_refused else "COMMIT")
        return value

    async def _begun(self, until: float) -> AsyncConnection[Any]:
        """Return the connection with a transaction begun; a new one, if the server closed the idle one."""
        from psycopg import OperationalError  # noqa: PLC0415

        if self._connection is not None:
            with suppress(OperationalError):
                return await _begin(self._connection)
            self.close()
        self._connection = await self._connect(until)
        return await _begin(self._connection)

    async def _connect(self, until: float) -> AsyncConnection[Any]:
        """Connect, again and again until it is late: a server that restarts is away for seconds."""
        from psycopg import AsyncConnection, OperationalError  # noqa: PLC0415

        pause_s = _FIRST_PAUSE_S
        async with asyncio.timeout_at(until):
            while True:
                try:
                    # Prepared statements belong to a session, which a pool in transaction mode does not keep.
                    return await AsyncConnection.connect(
                        self._url.reveal(), autocommit=True, prepare_threshold=None, connect_timeout=3
                    )
                except OperationalError as problem:
                    if WRONG_LOGIN.search(str(problem)):
                        raise
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _cut(self) -> None:
        """End a transaction that is late, as if the network had failed.

        psycopg would ask the server to cancel the statement, and wait for its answer. Closing the descriptor
        under a reader would leave the reader waiting, perhaps for another's.
        """
        if self._connection is not None and not self._connection.closed:
            with (
                suppress(OSError),
                socket.fromfd(self._connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as duplicate,
            ):
                duplicate.shutdown(socket.SHUT_RDWR)


_of_parents: Final[list[object]] = []
"""Connections that a fork brought along: kept, since to drop one may close it."""


async def _begin(connection: AsyncConnection[Any]) -> AsyncConnection[Any]:
    """Begin a transaction, after all others of the store. One round trip.

    One transaction at a time claims and sends: what it looked at is still so when it writes. The lock ends
    with the transaction, so a pool in transaction mode may lie between.
    """
    cursor = await connection.execute(_beginning())
    while cursor.nextset():
        pass
    if (row := await cursor.fetchone()) is not None and row[0] == "off":
        raise ConfigurationError(
            "This PostgreSQL forgets the last commits when it crashes (synchronous_commit = off).",
            fix="Set synchronous_commit = on for this database or user: what is forgotten is bought again.",
        )
    return connection


def _beginning() -> bytes:
    return f"""
        BEGIN;
        SET LOCAL statement_timeout = {facts.STORE_ANSWER_S * 1_000:.0f};
        SET LOCAL idle_in_transaction_session_timeout = {_PAUSED_S * 1_000:.0f};
        SELECT current_setting('synchronous_commit'), pg_advisory_xact_lock(hashtext('cleanlist_store'))
    """.encode()


async def _execute(connection: AsyncConnection[Any], statement: Statement) -> Answer:
    cursor = await connection.execute(_rendered(statement.text), _parameters(statement))
    rows = await cursor.fetchall() if cursor.description is not None else []
    return Answer(rows, cursor.rowcount)


@lru_cache(maxsize=256)
def _rendered(text: str) -> bytes:
    return _PARAMETER.sub(r"%(\1)s", DIALECT.render(text)).encode()


def _parameters(statement: Statement) -> dict[str, Any]:
    values = dict(statement.values)
    for name, value in statement.values.items():
        if isinstance(value, dict):
            pairs = cast("dict[str, str]", values.pop(name))
            values[f"{name}_names"], values[f"{name}_values"] = list(pairs), list(pairs.values())
    return values
