"""One connection of an event loop to PostgreSQL, and one transaction at a time on it.

All transactions of a store take turns in the server, so a second connection would only wait there. Each waits
for the network while the others do, so statements that need no answer of each other are sent together.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from pydantic_core import to_json

from cleanlist_async import facts
from cleanlist_async.errors import CleanlistError
from cleanlist_async.redact import Secret
from cleanlist_async.storage.store.postgres_transaction import Transaction
from cleanlist_async.storage.store.statements import Dialect, Operation, Statement

if TYPE_CHECKING:
    from psycopg import AsyncConnection, AsyncPipeline

T = TypeVar("T")

DIALECT: Final = Dialect(
    now="extract(epoch FROM clock_timestamp())::float8",
    each="unnest(:{name}::text[]) AS {name}_(value)",
    # A subquery would let PostgreSQL read the whole table as long as it has no statistics of it.
    is_in="= ANY (:{name}::text[])",
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
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
_PARAMETER: Final = re.compile(r"(?<!:):([a-z_]+)")
_SHOWN_NUL: Final = "\N{SYMBOL FOR NULL}"
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
        except CleanlistError:  # the operation's own: it is rolled back
            raise
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
        from psycopg import OperationalError  # noqa: PLC0415

        transaction = Transaction(operation, commit_unless)
        if self._connection is not None:
            try:
                return await _carry_out(transaction, self._connection)
            except OperationalError:  # the server may have closed the idle connection
                if transaction.is_begun:
                    raise
            self.close()
        self._connection = await self._connect(until)
        return await _carry_out(transaction, self._connection)

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
        return value.replace("\0", _SHOWN_NUL)
    if isinstance(value, dict):
        pairs = cast("dict[str, str]", value)
        return to_json({name: _storable(text) for name, text in pairs.items()}).decode()
    return value
