"""A store in a SQLite file, driven in a thread of its own: a slow disk stops no event loop."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache, partial
from inspect import GEN_CREATED, getgeneratorstate
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio.lowlevel

from cleanlist_async.errors import StoreError, StoreUnavailableError
from cleanlist_async.storage import sqlite_file
from cleanlist_async.storage.sqlite_file import FileKind, SharedFile, file_identity, is_locked, may_pass
from cleanlist_async.storage.store.reading import is_reading
from cleanlist_async.storage.store.schema import TABLES
from cleanlist_async.storage.store.statements import Answer, Dialect, Operation, Statement
from cleanlist_async.storage.store.to_end import to_end

T = TypeVar("T")

DIALECT: Final = Dialect(
    # unixepoch() came with SQLite 3.38, and 3.33 is to do.
    now="(julianday('now') - 2440587.5) * 86400.0",
    each="json_each(:{name})",
    is_in="IN (SELECT value FROM json_each(:{name}))",
    # The limit keeps SQLite from reading all pairs anew for each row.
    pairs="(SELECT key AS name, value FROM json_each(:{name}) LIMIT -1) AS given",
    rows="(SELECT value FROM json_each(:{name}) LIMIT -1) AS given",
    column="json_extract(given.value, '$[{number}]')",
    table_names="(SELECT name FROM sqlite_master WHERE type = 'table') AS tables",
    real="REAL",
    blob="BLOB",
    identity="INTEGER PRIMARY KEY AUTOINCREMENT",
    size="(SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size())",
)
_ONE_WAIT_S: Final = 0.5
"""Seconds after which a caller that waits for a lock may be cancelled."""
_KIND: Final = FileKind(
    noun="store",
    application_id=0x434C5354,  # "CLST"
    version=1,
    tables=DIALECT.render(TABLES),
    if_damaged="If it is damaged, bring back a copy: without it, what was bought is bought again.",
    error=StoreError,
)


class SQLiteDatabase:
    """A store in a file, on a disk of this machine, for its owner alone."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._writer = _Worker(self._path, is_reading=False)
        # Of its own: what the status of a long job takes must not hold up a submit.
        self._reader = _Worker(self._path, is_reading=True)

    @property
    def name(self) -> str:
        """The file's name."""
        return self._path.name

    @property
    def address(self) -> str:
        """The path of the file."""
        return str(self._path)

    async def run(
        self, operation: Operation[T], *, commit_unless: T | None = None, answer_s: float | None = None
    ) -> T:
        """Run an operation as one transaction, exclusive unless it only reads. However long it takes."""
        del answer_s
        worker = await self._worker_of(operation)
        work = partial(worker.run, operation, commit_unless)
        loop = asyncio.get_running_loop()
        give_up_at = time.monotonic() + sqlite_file.BUSY_S
        while True:
            try:
                return await to_end(loop.run_in_executor(worker.executor(), work))
            except StoreUnavailableError as error:
                # In short waits, since a thread that waits for a lock cannot be cancelled.
                # An operation that has begun is a generator that cannot be begun again.
                is_untouched = getgeneratorstate(operation) == GEN_CREATED
                if not (is_untouched and is_locked(error.__cause__)) or time.monotonic() >= give_up_at:
                    raise
            await anyio.lowlevel.checkpoint()  # here a caller that was cancelled leaves

    async def aclose(self) -> None:
        """Close the file, and end the threads."""
        try:
            await self._reader.aclose()
        finally:
            await self._writer.aclose()

    async def _worker_of(self, operation: Operation[Any]) -> _Worker:
        identity = self._writer.identity
        if not is_reading(operation) or identity is None:
            return self._writer
        # Another file may have the path by now: what is read must be in the one that is written to.
        if self._reader.identity != identity:
            open_ = partial(self._reader.open, identity)
            await to_end(asyncio.get_running_loop().run_in_executor(self._reader.executor(), open_))
        return self._reader if self._reader.identity == identity else self._writer


class _Worker:
    """One connection, and the thread that drives it; both begin when they are first needed."""

    def __init__(self, path: Path, *, is_reading: bool) -> None:
        self._path = path
        self._is_reading = is_reading
        self._file: SharedFile | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._pid = 0

    @property
    def identity(self) -> tuple[int, int] | None:
        """What tells the file that is open from others; None while none is."""
        return None if self._file is None else self._file.identity

    def open(self, identity: tuple[int, int]) -> None:
        """Open the file of an identity, if that can be read and still has the path."""
        if self._file is not None:
            self._file.close()
        if file_identity(self._path) == identity:
            with suppress(StoreError), self._opened().transaction():
                pass

    async def aclose(self) -> None:
        """Close the file, and end the thread."""
        if self._file is not None:
            await to_end(asyncio.get_running_loop().run_in_executor(self.executor(), self._file.close))
        if self._thread is not None and self._pid == os.getpid():
            self._thread.shutdown(wait=False)
        self._thread = None

    def executor(self) -> ThreadPoolExecutor:
        """Return the thread, in which `run` is to be called."""
        if self._thread is None or self._pid != os.getpid():  # a fork brings no threads along
            self._thread, self._pid = ThreadPoolExecutor(1, thread_name_prefix="cleanlist-store"), os.getpid()
        return self._thread

    def run(self, operation: Operation[T], commit_unless: T | None) -> T:
        """Run an operation as one transaction."""
        try:
            with self._opened().transaction() as connection:
                value = _carry_out(connection, operation)
                if commit_unless is not None and value == commit_unless:
                    connection.execute("ROLLBACK")
                    connection.execute("BEGIN")  # which the block commits
        except StoreError as error:
            if may_pass(error.__cause__):
                raise StoreUnavailableError(error.problem, fix=error.fix) from error.__cause__
            raise
        return value

    def _opened(self) -> SharedFile:
        if self._file is None:
            # Opened in this thread, not in `__init__`: a slow disk must stop no event loop.
            self._file = SharedFile(
                self._path,
                holds_contacts=True,
                kind=_KIND,
                busy_s=_ONE_WAIT_S,
                is_reading=self._is_reading,
            )
        return self._file


def _carry_out(connection: sqlite3.Connection, operation: Operation[T]) -> T:
    answer = Answer()
    try:
        statement = next(operation)
        while True:
            answer = _execute(connection, statement)
            statement = operation.send(answer)
    except StopIteration as end:
        value: T = end.value
        return value
    finally:
        operation.close()


def _execute(connection: sqlite3.Connection, statement: Statement) -> Answer:
    cursor = connection.execute(_rendered(DIALECT, statement.text), _parameters(statement))
    rows = cursor.fetchall()
    return Answer(rows, cursor.rowcount)


@lru_cache(maxsize=256)
def _rendered(dialect: Dialect, text: str) -> str:
    return dialect.render(text)


def _parameters(statement: Statement) -> dict[str, Any]:
    return {
        name: json.dumps(value) if isinstance(value, list | dict) else value
        for name, value in statement.values.items()
    }
