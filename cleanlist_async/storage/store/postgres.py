"""A store in PostgreSQL, for processes of several machines. Needs the extra ``postgres``.

Transactions that write take turns in the server. Each waits for the network while the others do, so
statements that need no answer of each other are sent together.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from pydantic_core import to_json

from cleanlist_async import facts
from cleanlist_async.errors import StoreError, StoreUnavailableError
from cleanlist_async.storage.postgres_connection import DatabaseKind, PostgresConnection, SharedPostgres
from cleanlist_async.storage.store import postgres_statistics
from cleanlist_async.storage.store.postgres_transaction import Transaction
from cleanlist_async.storage.store.reading import is_reading
from cleanlist_async.storage.store.statements import SHOWN_NUL, Dialect, Operation, Statement
from cleanlist_async.storage.store.to_end import to_end

if TYPE_CHECKING:
    from psycopg import AsyncConnection, AsyncPipeline

T = TypeVar("T")

DIALECT: Final = Dialect(
    now="extract(epoch FROM clock_timestamp())::float8",
    each="unnest(:{name}::text[]) AS {name}_(value)",
    # Not with ANY: as long as it has no statistics of a table, PostgreSQL would look at all rows of an
    # organization, and compare each of them with the whole list.
    is_in="IN (SELECT value FROM unnest(:{name}::text[]) AS {name}_(value))",
    # An array of texts with quotation marks takes psycopg several times as long to write.
    pairs="json_each_text(:{name}::json) AS given(name, value)",
    rows="jsonb_array_elements(:{name}::jsonb) AS given(value)",
    column="(given.value ->> {number})",
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
        self._writes = 0

    @property
    def name(self) -> str:
        """The name of the database and its host."""
        return self._postgres.name

    @property
    def address(self) -> str:
        """A word in place of the address, which may hold a password."""
        return "URL"

    async def run(
        self, operation: Operation[T], *, commit_unless: T | None = None, answer_s: float | None = None
    ) -> T:
        """Run an operation as one transaction: if it writes, after all of those that are under way."""
        value = await self._run(operation, commit_unless, answer_s or facts.STORE_ANSWER_S)
        if not is_reading(operation):
            self._writes += 1
            # After the write: whoever is cancelled meanwhile, or waits in vain, has made it.
            if self._writes % postgres_statistics.WRITES_BETWEEN == 0:
                with suppress(StoreError):  # which the next operation meets itself, if it lasts
                    await self._run(postgres_statistics.gather(), None, facts.STORE_ANSWER_S)
        return value

    async def _run(self, operation: Operation[T], commit_unless: T | None, answer_s: float) -> T:
        work = partial(_run, operation, commit_unless, answer_s)
        return await to_end(asyncio.create_task(self._postgres.run(work, answer_s)))

    async def aclose(self) -> None:
        """Close the connections, those of other event loops too."""
        await to_end(asyncio.create_task(self._postgres.aclose()))


async def _run(
    operation: Operation[T], commit_unless: T | None, answer_s: float, ours: PostgresConnection, until: float
) -> T:
    transaction = Transaction(operation, commit_unless, answer_s)
    try:
        work = partial(_carry_out, transaction)
        return await ours.begin(work, until, is_begun=lambda: transaction.is_begun)
    finally:
        operation.close()


async def _carry_out(transaction: Transaction[T], connection: AsyncConnection[Any]) -> T:
    async with _pipeline(connection) as pipeline:
        while True:
            cursors = [
                await connection.execute(_rendered(statement.text), _parameters(statement))
                for statement, _ in transaction.trip
            ]
            if transaction.is_ending:
                break  # leaving the pipeline waits for the answers
            await pipeline.sync()
            for (_, answer), cursor in zip(transaction.trip, cursors, strict=True):
                answer.rows = await cursor.fetchall() if cursor.description is not None else []
                answer.changed = cursor.rowcount
            transaction.go_on()
    return transaction.result()


@asynccontextmanager
async def _pipeline(connection: AsyncConnection[Any]) -> AsyncGenerator[AsyncPipeline]:
    """Use a connection in pipeline mode: statements are sent at once, and answered when that is asked for.

    psycopg would log an error that is raised in the block of a connection that broke, with its user's name.
    """
    problem: Exception | None = None
    async with connection.pipeline() as pipeline:
        try:
            yield pipeline
        except Exception as error:  # noqa: BLE001
            problem = error
    if problem is not None:
        raise problem


@lru_cache(maxsize=256)
def _rendered(text: str) -> bytes:
    return _PARAMETER.sub(r"%(\1)s", DIALECT.render(text)).encode()


def _parameters(statement: Statement) -> dict[str, Any]:
    return {name: _storable(value) for name, value in statement.values.items()}


def _storable(value: Any) -> Any:
    """Return a value as psycopg takes it: mappings as JSON, texts without NUL.

    PostgreSQL refuses that character, and a write that must not be lost would fail for good.
    """
    if isinstance(value, str):
        return value.replace("\0", SHOWN_NUL)
    if isinstance(value, dict):
        pairs = cast("dict[str, str]", value)
        return to_json({name: _storable(text) for name, text in pairs.items()}).decode()
    return value
