"""A store in PostgreSQL, for processes of several machines. Needs the extra ``postgres``."""

from __future__ import annotations

import asyncio
import re
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from cleanlist_async import facts
from cleanlist_async.errors import ConfigurationError, StoreError, StoreUnavailableError
from cleanlist_async.storage.postgres_connection import DatabaseKind, PostgresConnection, SharedPostgres
from cleanlist_async.storage.store.statements import Answer, Dialect, Operation, Statement
from cleanlist_async.storage.store.to_end import to_end

if TYPE_CHECKING:
    from psycopg import AsyncConnection

T = TypeVar("T")

DIALECT: Final = Dialect(
    now="extract(epoch FROM clock_timestamp())::float8",
    each="unnest(:{name}::text[]) AS {name}_(value)",
    # A subquery would let PostgreSQL read the whole table as long as it has no statistics of it.
    is_in="= ANY (:{name}::text[])",
    pairs="unnest(:{name}_names::text[], :{name}_values::text[]) AS given(name, value)",
    table_names="(SELECT relname AS name FROM pg_class WHERE pg_table_is_visible(oid)) AS tables",
    real="DOUBLE PRECISION",
    blob="BYTEA",
    identity="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    size="(SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class"
    " WHERE relkind = 'r' AND starts_with(relname, 'cleanlist_') AND pg_table_is_visible(oid))",
)
_KIND: Final = DatabaseKind(
    noun="store",
    unavailable=StoreUnavailableError,
    refused=StoreError,
    while_away="Nothing is sent without it.",
    reconnects=True,
)
_PAUSED_S: Final = 3.0
"""Seconds that a process may stand still in its transaction before it loses it: the others wait for it."""
_PARAMETER: Final = re.compile(r"(?<!:):([a-z_]+)")


class PostgresDatabase:
    """A store in a database that all who share it can reach.

    Raises ConfigurationError without psycopg, and for an address that is none, at once when it is made.
    """

    def __init__(self, url: str) -> None:
        try:
            self._postgres = SharedPostgres(url, _KIND)
        finally:
            del url  # a traceback that shows local variables must not show it

    @property
    def name(self) -> str:
        """The name of the database and its host."""
        return self._postgres.name

    async def run(self, operation: Operation[T], *, commit_unless: T | None = None) -> T:
        """Run an operation as one transaction, after all that are under way."""
        work = partial(_transaction, operation, commit_unless)
        return await to_end(asyncio.create_task(self._postgres.run(work, facts.STORE_ANSWER_S)))

    async def aclose(self) -> None:
        """Close the connections, those of other event loops too."""
        await to_end(asyncio.create_task(self._postgres.aclose()))


async def _transaction(
    operation: Operation[T], commit_unless: T | None, ours: PostgresConnection, until: float
) -> T:
    try:
        connection = await ours.begin(_begin, until)
        try:
            answer = await _execute(connection, next(operation))
            while True:
                answer = await _execute(connection, operation.send(answer))
        except StopIteration as end:
            value: T = end.value
        is_refused = commit_unless is not None and value == commit_unless
        await connection.execute("ROLLBACK" if is_refused else "COMMIT")
    finally:
        operation.close()
    return value


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
