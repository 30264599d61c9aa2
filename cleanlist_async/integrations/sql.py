"""Contacts from a database, and results into one, through SQLAlchemy 2. Needs the extra ``sql``."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Mapping,
)
from functools import partial
from itertools import islice
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

import anyio

from cleanlist_async.checks import check_instance, check_text, optional, wrong
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.integrations import explain_missing
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store.to_end import to_end
from cleanlist_async.tables.output_choice import as_dict

try:
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql, postgresql, sqlite
    from sqlalchemy.engine import URL, Connection, Engine, make_url
    from sqlalchemy.exc import ArgumentError
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.pool import NullPool, SingletonThreadPool
except ModuleNotFoundError as missing:
    explain_missing(missing, "Databases need", "sql", "sqlalchemy")
    raise

Database: TypeAlias = str | URL | Engine | AsyncEngine
"""An engine, which stays open, or an address, for which one is made."""
T = TypeVar("T")

_ROWS_AT_ONCE: Final = 1_000
"""Rows that are fetched at once, and results that are written in one transaction."""
_COLUMNS: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("status", "email", "email_status"), sa.Text()),
    "phones": sa.JSON(),
    "credits": sa.Float(),
    **dict.fromkeys(("error", "workflow_id", "task_id"), sa.Text()),
}


def contacts_from(
    database: Database, query: str | sa.Executable, parameters: Mapping[str, object] | None = None
) -> SqlContacts:
    """Return the rows of a query as contacts, for `client.enrich`, `stream`, `plan` and `job`.

    The query is sent each time that they are read, and its rows are streamed, by a server-side cursor where
    the database has one. Name its columns as the fields of a contact, or pass ``columns=`` to the client. For
    a job the query must return the same rows in the same order: give it ORDER BY.
    """
    return SqlContacts(_engine(database), _statement(query), parameters or {})


def results_to(
    database: Database, table: str | sa.Table, *, key: str = "key", prefix: str = "cleanlist_"
) -> SqlResults:
    """Return a table to which results are written, one row for each `Contact.key`.

    The column *key* tells the rows apart; the others are called ``status``, ``email``, ``email_status``,
    ``phones`` (JSON), ``credits``, ``error``, ``workflow_id`` and ``task_id``, each with *prefix*. A table
    that is not there is made, and what it lacks of these columns is left out.
    """
    check_text("key", key)
    optional(check_instance, "prefix", prefix, str)
    check_instance("table", table, str, sa.Table)
    return SqlResults(_engine(database), table, key, prefix)


class SqlContacts:
    """The rows of a query as mappings, read anew each time."""

    def __init__(
        self, engine: Engine | AsyncEngine, statement: sa.Executable, parameters: Mapping[str, object]
    ) -> None:
        self._engine = engine
        self._statement = statement
        self._parameters = dict(parameters)

    def __iter__(self) -> Generator[dict[str, object], None, None]:
        """Read the rows; an async engine cannot."""
        engine = self._engine
        if isinstance(engine, AsyncEngine):
            raise ConfigurationError(
                "A job reads its contacts without awaiting them.", fix="Pass an engine that is not async."
            )
        options = {"stream_results": True, "yield_per": _ROWS_AT_ONCE}
        with (
            engine.connect().execution_options(**options) as connection,
            connection.execute(self._statement, self._parameters) as result,
        ):
            for row in result.mappings():
                yield dict(row)

    async def __aiter__(self) -> AsyncIterator[dict[str, object]]:
        """Read the rows without blocking the event loop."""
        if isinstance(self._engine, AsyncEngine):
            async with self._engine.connect() as connection:
                result = await connection.stream(self._statement, self._parameters)
                async for found in result.mappings():
                    yield dict(found)
            return
        rows = iter(self)
        try:
            while some := await _in_thread(self._engine, lambda: list(islice(rows, _ROWS_AT_ONCE))):
                for row in some:
                    yield row
        finally:
            # Also where the reader was cancelled: the rows hold a connection until they are closed.
            with anyio.CancelScope(shield=True):
                await _in_thread(self._engine, rows.close)


class SqlResults:
    """A table of results."""

    def __init__(self, engine: Engine | AsyncEngine, table: str | sa.Table, key: str, prefix: str) -> None:
        self._engine = engine
        self._given = table
        self._key = key
        self._prefix = prefix

    async def write(self, results: Iterable[EnrichmentResult] | AsyncIterable[EnrichmentResult]) -> int:
        """Insert or update a row for each result; return how many there were.

        Of results with one key the last counts. Raises ConfigurationError for a result without a key, and
        what stopped a stream of results once all before it are written.
        """
        count, waiting = 0, dict[object, EnrichmentResult]()
        try:
            async for result in _each(results):
                if result.key is None and result.contact == Contact():
                    continue  # the data of this person was deleted from the job
                if result.key is None:
                    fix = "Give each contact a key: columns={'id': 'key'}, or SELECT id AS key."
                    raise ConfigurationError(f"The result at index {result.index} has no key.", fix=fix)
                # By key: PostgreSQL refuses a statement that would update one row twice.
                waiting[result.key] = result
                count += 1
                if len(waiting) >= _ROWS_AT_ONCE:
                    await self._write(list(waiting.values()))
                    waiting.clear()
        finally:  # also when the run was stopped: these were bought
            if waiting:
                await self._write(list(waiting.values()))
        return count

    async def _write(self, results: list[EnrichmentResult]) -> None:
        def write(connection: Connection) -> None:
            table = self._table(connection)
            rows = [self._row(table, result) for result in results]
            _upsert(connection, table, self._key, rows)

        if isinstance(self._engine, AsyncEngine):
            async with self._engine.begin() as connection:
                await connection.run_sync(write)
            return
        await _in_thread(self._engine, partial(_write_alone, self._engine, write))

    def _table(self, connection: Connection) -> sa.Table:
        """Return the table as it is, made if it is not there."""
        if isinstance(self._given, sa.Table):
            self._given.create(connection, checkfirst=True)
            return self._given
        schema, _, name = self._given.rpartition(".")
        metadata = sa.MetaData(schema=schema or None)
        if sa.inspect(connection).has_table(name, schema=schema or None):
            table = sa.Table(name, metadata, autoload_with=connection)
        else:
            columns = [sa.Column(f"{self._prefix}{column}", kind) for column, kind in _COLUMNS.items()]
            # Of a length that every database can index.
            table = sa.Table(name, metadata, sa.Column(self._key, sa.String(255), primary_key=True), *columns)
            table.create(connection)
        if self._key not in table.columns:
            raise wrong("key", f"a column of {table.name}", self._key)
        return table

    def _row(self, table: sa.Table, result: EnrichmentResult) -> dict[str, Any]:
        found = as_dict(result)
        values = {f"{self._prefix}{column}": found[column] for column in _COLUMNS}
        row = {column: value for column, value in values.items() if column in table.columns}
        return {**row, self._key: _key_of(table.columns[self._key], result.key or "")}


def _engine(database: Database) -> Engine | AsyncEngine:
    if isinstance(database, Engine | AsyncEngine):
        return database
    if not isinstance(database, str | URL):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise wrong("database", "an engine of SQLAlchemy, or the address of a database", database)
    try:
        url = make_url(database)
        if url.drivername == "postgresql":  # the driver that the extra `postgres` brings
            url = url.set(drivername="postgresql+psycopg")
        # Without a pool: nobody would close its connections.
        return sa.create_engine(url, poolclass=NullPool)
    except (ArgumentError, ModuleNotFoundError) as problem:
        # Its message may hold the password.
        raise ConfigurationError(
            f"database: no engine can be made of this address ({type(problem).__name__}).",
            fix="Pass an engine of SQLAlchemy.",
        ) from None


def _statement(query: str | sa.Executable) -> sa.Executable:
    if isinstance(query, str):
        check_text("query", query)
        return sa.text(query)
    check_instance("query", query, sa.Executable)
    return query


def _write_alone(engine: Engine, write: Callable[[Connection], None]) -> None:
    with engine.begin() as connection:
        write(connection)


def _key_of(column: sa.Column[Any], key: str) -> object:
    """Return a key as its column holds it: keys of contacts are text, and ids are often numbers."""
    kind = column.type.python_type
    if kind in {int, UUID}:
        try:
            return kind(key)
        except ValueError:
            raise ConfigurationError(
                f"A key is no {kind.__name__}, as the column {column.name} is."
            ) from None
    return key


def _upsert(connection: Connection, table: sa.Table, key: str, rows: list[dict[str, Any]]) -> None:
    names = [name for name in rows[0] if name != key]
    dialect = connection.dialect.name
    if dialect in {"postgresql", "sqlite"} and _is_unique(table, key):
        insert = (postgresql if dialect == "postgresql" else sqlite).insert(table)
        updated = {name: insert.excluded[name] for name in names}
        connection.execute(insert.on_conflict_do_update(index_elements=[key], set_=updated), rows)
    elif dialect in {"mysql", "mariadb"} and _is_unique(table, key):
        add = mysql.insert(table)
        connection.execute(add.on_duplicate_key_update({name: add.inserted[name] for name in names}), rows)
    else:  # slower, but right in every database, and without a rule that keys are unique
        for row in rows:
            if not connection.execute(sa.update(table).where(table.c[key] == row[key]).values(row)).rowcount:
                connection.execute(sa.insert(table).values(row))


def _is_unique(table: sa.Table, key: str) -> bool:
    unique = [rule for rule in table.constraints if isinstance(rule, sa.UniqueConstraint)]
    keys = [list(rule.columns.keys()) for rule in (table.primary_key, *unique)]
    return [key] in [*keys, *(list(index.columns.keys()) for index in table.indexes if index.unique)]


async def _each(
    results: Iterable[EnrichmentResult] | AsyncIterable[EnrichmentResult],
) -> AsyncGenerator[EnrichmentResult, None]:
    if isinstance(results, AsyncIterable):
        async for result in results:
            yield result
    else:
        for result in results:
            yield result


async def _in_thread(engine: Engine, work: Callable[[], T]) -> T:
    """Do *work* in a thread, and wait for its end whatever happens: it has the connection."""
    if isinstance(
        engine.pool, SingletonThreadPool
    ):  # each thread would have a database of its own, in memory
        return work()
    return await to_end(get_running_loop().run_in_executor(None, work))
