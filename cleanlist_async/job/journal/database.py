"""The SQLite file under a journal: private, with one connection, and on disk when a write returns."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from cleanlist_async.errors import JournalError
from cleanlist_async.job.journal import schema
from cleanlist_async.storage.sqlite_version import for_this_sqlite, refuse_old

Row = tuple[Any, ...]
_BUSY_S: Final = 10.0


class Database:
    """One connection. Every error of SQLite or the disk becomes a JournalError, and ends all writing.

    Rollback journal with TRUNCATE and synchronous EXTRA: a write-ahead log loses committed rows when
    another descriptor of the file is closed in this process, and when the power goes.
    """

    def __init__(self, path: Path, *, create: bool = False, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self._failure: JournalError | None = None
        refuse_old(JournalError)
        # Created by us first, since SQLite would create it readable by others.
        with explained(path):
            if create:
                create_private(path)
            mode = "ro" if read_only else "rw"
            address = f"{path.absolute().as_uri()}?mode={mode}"
            # Transactions are begun by hand: the module's own mode drops what was not committed at close.
            self._connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=_BUSY_S)
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self) -> None:
        connection = self._connection
        is_blank = not self.read_only and self._is_blank()  # new, or a crash came before its tables did
        # Checked before anything is written: a file that is not ours stays as it is.
        version = 0 if is_blank else self._checked_version()
        schema.add_checksum(connection)
        if not self.read_only:
            connection.execute("PRAGMA journal_mode = TRUNCATE")
            connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -8192")  # KiB
        if is_blank:  # it may have been there empty, and open to others
            self.path.chmod(0o600)
        if not self.read_only and version < schema.VERSION:
            self._upgrade(version)
            version = schema.VERSION
        self._sound = {
            # A reader does not upgrade a journal of version 1, which has nothing to check.
            table: "1" if version < 2 else schema.is_sound(connection, table)
            for table in schema.CHECKED
            if self.has_table(table)
        }

    def _upgrade(self, version: int) -> None:
        connection = self._connection
        # In one transaction: after a crash the file is blank, or as the old version left it.
        try:
            tables = "" if version else for_this_sqlite(schema.TABLES)
            connection.executescript(f"BEGIN IMMEDIATE; {tables}")
            if version < 2:
                schema.to_version_2(connection)
            schema.to_version_3(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _checked_version(self) -> int:
        """Raise JournalError unless this is a journal of a version that we can write. Changes nothing."""
        connection = self._connection
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if application != schema.APPLICATION_ID:
            raise JournalError(f"{self.path.name} is not the journal of a job.")
        if not 1 <= version <= schema.VERSION:
            raise JournalError(
                f"{self.path.name} has version {version} of the journal; this is made for {schema.VERSION}.",
                fix="Use the version of this package that wrote it.",
            )
        return version

    def has_table(self, name: str) -> bool:
        """Whether there is a table of that name."""
        return self.row("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)) is not None

    def _is_blank(self) -> bool:
        return self.row("SELECT count(*) FROM sqlite_master") == (0,)

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Make several writes at once, or none of them: they are on disk when the block ends.

        Other errors that are raised within are passed on as they are.
        """
        # The write lock at once: what is read within stays true until it is written.
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            with explained(self.path):
                if self._connection.in_transaction:  # SQLite rolls back by itself when the disk is full
                    self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _writing(self) -> Generator[None]:
        """Refuse to write once the disk has failed: what it holds is known only once it is opened again."""
        # A new error each time: one object that is raised twice collects both tracebacks.
        if self._failure is not None:
            raise JournalError(self._failure.problem, fix=self._failure.fix)
        try:
            with explained(self.path):
                yield
        except JournalError as error:
            cause = error.__cause__
            # A constraint that is broken is our fault, and says nothing about the disk.
            if isinstance(cause, sqlite3.Error | OSError) and not isinstance(cause, sqlite3.IntegrityError):
                self._failure = error
            raise

    def execute(self, statement: str, values: Row = ()) -> int:
        """Execute one statement and return how many rows it changed."""
        with self._writing():
            return self._connection.execute(statement, values).rowcount

    def execute_many(self, statement: str, rows: Any) -> None:
        """Execute one statement for each row."""
        with self._writing():
            self._connection.executemany(statement, rows)

    def rows(self, query: str, values: Row = ()) -> Generator[Row]:
        """Yield the rows of a query."""
        # Reading goes on after a failed write: status and receipts are wanted most then.
        with explained(self.path):
            yield from self._connection.execute(query, values)

    def row(self, query: str, values: Row = ()) -> Row | None:
        """Return the first row of a query, or None."""
        with explained(self.path):
            found: Row | None = self._connection.execute(query, values).fetchone()
            return found

    def one(self, query: str, values: Row = ()) -> Row:
        """Return the row of a query that always has one, as a sum or a count has."""
        found = self.row(query, values)
        if found is None:
            raise AssertionError(query)
        return found

    def checked_rows(self, columns: str, table: str, rest: str = "", values: Row = ()) -> Generator[Row]:
        """Yield columns of a table. Raises JournalError at a row that is not as it was written."""
        if table not in self._sound:
            raise self.damaged(f"the table of its {table}")
        query = f"SELECT {columns}, {self._sound[table]} FROM {table} {rest}"
        # Closed at once: a query that is left open keeps the file locked for readers elsewhere.
        with closing(self.rows(query, values)) as rows:
            for *row, is_sound in rows:
                if not is_sound:
                    raise self.damaged(f"a row of its {table}" if table != "results" else _result_at(row[0]))
                yield tuple(row)

    def checked_row(self, columns: str, table: str, rest: str = "", values: Row = ()) -> Row | None:
        """Return the only row of such a query, or None."""
        rows = list(self.checked_rows(columns, table, rest, values))
        return rows[0] if rows else None

    def unsound_rows(self, table: str) -> int:
        """Return how many rows of a table are not as they were written. Reads all of it."""
        if table not in self._sound:  # a reader does not upgrade a journal that lacks it
            return 0
        return int(self.one(f"SELECT count(*) FROM {table} WHERE NOT ({self._sound[table]})")[0])

    def damaged(self, what: str) -> JournalError:
        """Return the error for something that is not as it was written."""
        return _damaged(self.path, what)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _damaged(path: Path, what: str) -> JournalError:
    return JournalError(
        f"The journal {path.name} is damaged: {what} is not as it was written.",
        fix="Restore a copy of the file that was made after its last run. An older one is accepted only"
        " with adopt=True (--adopt), after a look at what was bought since with `cleanlist-async usage`.",
    )


def _result_at(place: int) -> str:
    return f"the result of contact #{place + 1:,}"


@contextmanager
def explained(path: Path) -> Generator[None]:
    """Turn errors of SQLite and of the disk into JournalError."""
    try:
        yield
    except UnicodeDecodeError:  # `from None` below: its message quotes the text, which may be contact data
        raise _damaged(path, "a text") from None
    except (sqlite3.Error, OSError) as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_NOTADB":
            raise JournalError(f"{path.name} is neither the journal nor the cache of a job.") from error
        raise JournalError(
            f"The journal {path.name} cannot be used: {error}.",
            fix="Nothing is sent without it. Check the disk and its permissions, then resume.",
        ) from error


def create_private(path: Path) -> None:
    """Create the file for its owner alone; SQLite's side files inherit that."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)  # whatever the umask is
    os.close(descriptor)
