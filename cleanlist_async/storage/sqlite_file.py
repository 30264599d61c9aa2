"""A SQLite file that processes of one machine share: private, crash-safe, and reopened after a fork."""

from __future__ import annotations

import errno
import os
import shlex
import sqlite3
import stat
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.storage.filesystem import refuse_network
from cleanlist_async.storage.sqlite_version import refuse_old

BUSY_S: Final = 10.0
"""Seconds to wait while another process holds a file."""
_LOOK_S: Final = 0.002
"""Seconds between two looks whether the file is free. SQLite itself soon looks only ten times a second: among
processes that write again and again, one that has waited for long would hardly ever find it free."""
_LONG_S: Final = 0.005
_COURTESY_S: Final = 0.003
"""Seconds for which a file is left free by a process that has held it for a long time: all who wait look."""
_MAGIC: Final = b"SQLite format 3\0"
_A_FILE_OF_ITS_OWN: Final = "Give the path of a file of its own."
_SIDE_FILES: Final = ("-wal", "-shm", "-journal")
_LOCKED: Final = ("SQLITE_BUSY", "SQLITE_LOCKED")
_PASSING: Final = (*_LOCKED, "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN")
_PASSING_ERRNOS: Final = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EIO)


@dataclass(frozen=True, slots=True)
class FileKind:
    """What a file is for.

    Attributes
    ----------
    noun
        What messages call it.
    application_id, version
        Mark the file as ours, in its header.
    tables
        The statements that make its tables, separated by semicolons.
    if_damaged
        What to do with one that cannot be read.
    error
        The class of the errors that its use raises.
    may_be_replaced
        Whether to go on with another file that has its path by then, or with a new one.

    """

    noun: str
    application_id: int
    version: int
    tables: str
    if_damaged: str
    error: type[CleanlistError] = ConfigurationError
    may_be_replaced: bool = False


LIMITS_FILE: Final = FileKind(
    noun="limits file",
    application_id=0x434C4C4D,  # "CLLM"
    version=1,
    may_be_replaced=True,
    if_damaged="If it is damaged, stop all that use it, delete it, and start again two minutes later.",
    tables="""
    CREATE TABLE pools (id INTEGER PRIMARY KEY, state TEXT NOT NULL);
    CREATE TABLE names (name TEXT PRIMARY KEY, pool INTEGER NOT NULL REFERENCES pools) WITHOUT ROWID;
    CREATE TABLE mail (
        id INTEGER PRIMARY KEY, recipient TEXT NOT NULL, content BLOB NOT NULL, sent REAL NOT NULL
    );
    CREATE INDEX mail_by_recipient ON mail (recipient);
""",
)


class SharedFile:
    """One connection. One thread at a time may use it.

    A commit survives a kill of the process; where the file `holds_contacts`, it also survives a power
    failure, and no other user may read the file. Raises the error of its *kind* (ConfigurationError) when the
    file cannot be used, or others can write to it, both when it is made and when it is opened again. While
    another process holds it, this waits *busy_s* seconds, by default 10. `times_replaced` counts how often
    another file had the path.

    One that *is_reading* can write nothing. Its transactions see the file as it was at their beginning, are
    not exclusive, and wait for nobody who writes.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        holds_contacts: bool = False,
        kind: FileKind = LIMITS_FILE,
        busy_s: float | None = None,
        is_reading: bool = False,
    ) -> None:
        self.path = Path(path)
        self._kind = kind
        if (text := os.fspath(path)) == ":memory:" or text.startswith("file:"):
            raise kind.error(
                f"The {kind.noun} must be the path of a file, not {text!r}.",
                fix="Processes share what is in a file, not what is in memory; an address of SQLite is none.",
            )
        refuse_old(kind.error)
        refuse_network(self.path, kind.noun, kind.error)
        self._holds_contacts = holds_contacts
        self._busy_s = BUSY_S if busy_s is None else busy_s
        self._is_reading = is_reading
        self._connection: sqlite3.Connection | None = None
        self._pid = 0
        self._opened = (0, 0)
        self._free_until = 0.0
        self.times_replaced = 0
        try:
            with self.transaction():
                pass
        finally:
            self.close()

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """Run the block as one exclusive transaction. Only errors of the file itself are explained."""
        with self._explained(sqlite3.Error):
            with self._explained(OSError, ValueError):
                rows = self._begun()
            began_at = time.monotonic()
            try:
                yield rows
                self._when_free(rows, "COMMIT")
            except BaseException:
                if rows.in_transaction:
                    rows.execute("ROLLBACK")
                raise
            finally:
                ended_at = time.monotonic()
                if not self._is_reading and ended_at - began_at > _LONG_S:
                    self._free_until = ended_at + _COURTESY_S

    def _begun(self) -> sqlite3.Connection:
        """Return a connection with a transaction begun, to the file that has the path now.

        Another process may have deleted or replaced the file: SQLite would go on with the one that it opened.
        """
        while True:
            rows = self._open()
            if self._is_reading:
                rows.execute("BEGIN")
                try:
                    self._when_free(rows, "SELECT 1 FROM sqlite_master LIMIT 1")  # fixes what is read
                except sqlite3.Error:
                    rows.execute("ROLLBACK")
                    raise
            else:
                if (rest_s := self._free_until - time.monotonic()) > 0:
                    time.sleep(rest_s)
                # A deferred transaction would fail when it first writes, if another process wrote meanwhile.
                self._when_free(rows, "BEGIN IMMEDIATE")
            if not self._kind.may_be_replaced or file_identity(self.path) == self._opened:
                return rows
            rows.execute("ROLLBACK")
            self.close()
            self.times_replaced += 1

    def _when_free(self, rows: sqlite3.Connection, text: str) -> None:
        """Execute a statement for which no other process may hold the file, as soon as that is so."""
        give_up_at = time.monotonic() + self._busy_s
        while True:
            try:
                rows.execute(text)
            except sqlite3.Error as error:
                if not is_locked(error) or time.monotonic() >= give_up_at:
                    raise
            else:
                return
            time.sleep(_LOOK_S)

    @property
    def identity(self) -> tuple[int, int] | None:
        """What tells the file that is open from others; None while none is."""
        return self._opened if self._connection is not None and self._pid == os.getpid() else None

    def close(self) -> None:
        """Close the connection; the next transaction opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None and self._pid == os.getpid():  # a parent's connection is not ours to close
            connection.close()

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._pid == os.getpid():
            return self._connection
        if self._connection is not None:
            _of_parents.append(self._connection)  # closing it here would harm the parent's
        self._connection, self._pid = None, os.getpid()
        # Created here, because SQLite would give it the permissions that the umask leaves.
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        self._refuse_what_is_not_ours()
        # Looked at before SQLite opens it: of a file that is replaced in between, the next transaction knows.
        self._opened = file_identity(self.path)
        connection = sqlite3.connect(
            self.path, isolation_level=None, timeout=self._busy_s, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        connection.execute("PRAGMA busy_timeout = 0")  # from here on `_when_free` waits
        if self._is_reading:
            connection.execute("PRAGMA query_only = ON")
        self._connection = connection
        return connection

    def _refuse_what_is_not_ours(self) -> None:
        """Raise ConfigurationError where others can write to the file, or to what SQLite keeps beside it.

        Where it holds contacts others must not read it, either.
        """
        if not hasattr(os, "geteuid"):
            return
        denied = 0o077 if self._holds_contacts else 0o022
        file = self.path.resolve(strict=True)
        for path in (file, *(file.with_name(file.name + end) for end in _SIDE_FILES)):
            with suppress(FileNotFoundError):
                status = path.stat()
                if not stat.S_ISREG(status.st_mode):
                    raise self._kind.error(f"{path} is not a regular file.", fix=_A_FILE_OF_ITS_OWN)
                if status.st_uid != os.geteuid():
                    raise self._kind.error(
                        f"{path.name} belongs to another user.",
                        fix="Give a path in a directory that is yours alone.",
                    )
                if mode := stat.S_IMODE(status.st_mode) & denied:
                    if path == file and not _is_of_sqlite(path):  # never advise to delete a stranger
                        raise self._kind.error(f"{path} is not a {self._kind.noun}.", fix=_A_FILE_OF_ITS_OWN)
                    raise self._kind.error(
                        f"{path.name} can be {'written' if mode & 0o022 else 'read'} by other users.",
                        fix=f"If you trust its content: chmod 600 {shlex.quote(str(path))}. Else delete it.",
                    )

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # Outside a transaction, in which SQLite does not change its journal.
        connection.execute("PRAGMA journal_mode = WAL")  # a commit without an fsync, and readers never wait
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._holds_contacts else 'NORMAL'}")
        if self._holds_contacts:  # what is removed is overwritten, too
            connection.execute("PRAGMA secure_delete = ON")
            # Nor does any of it go to a file in the temporary folder, whose disk may be full besides.
            connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("BEGIN")  # one look: another process may make the tables in the middle of it
        is_ours = self._is_ours(connection)
        connection.execute("COMMIT")
        if is_ours:
            return
        connection.execute("BEGIN IMMEDIATE")
        if not self._is_ours(connection):  # another process may have been quicker
            for statement in self._kind.tables.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {self._kind.application_id}")
            connection.execute(f"PRAGMA user_version = {self._kind.version}")
        connection.execute("COMMIT")

    def _is_ours(self, connection: sqlite3.Connection) -> bool:
        """Whether the tables are there; raises ConfigurationError when the file is something else."""
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if (application, version) == (self._kind.application_id, self._kind.version):
            return True
        # A file without an application id is ours to use only if it is empty.
        if application or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise self._kind.error(
                f"{self.path.name} is not a {self._kind.noun}, or of another version of this package.",
                fix=_A_FILE_OF_ITS_OWN,
            )
        return False

    @contextmanager
    def _explained(self, *kinds: type[Exception]) -> Generator[None]:
        try:
            yield
        except kinds as error:
            if not is_locked(error) or self._kind.may_be_replaced:  # else it is still the same file
                self.close()
            if is_locked(error):
                raise self._kind.error(
                    f"Another process holds the {self._kind.noun} {self.path.name} (SQLite: {error}).",
                    fix="Wait until it is done, or end what keeps the file open, such as a database browser.",
                ) from error
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                fix = f"Free some space on the disk of {self.path.absolute().parent}."
            else:
                fix = f"Check its directory and permissions. {self._kind.if_damaged}"
            raise self._kind.error(
                f"The {self._kind.noun} {self.path.name} cannot be used: {error}.", fix=fix
            ) from error


def file_identity(path: Path) -> tuple[int, int]:
    """Return what tells the file that has a path now from others; zeros if none has."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_dev, status.st_ino


def _is_of_sqlite(path: Path) -> bool:
    """Whether SQLite wrote a file, or nobody did yet."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) in {b"", _MAGIC}


def is_locked(cause: BaseException | None) -> bool:
    """Whether *cause* is that another process holds a file."""
    return (getattr(cause, "sqlite_errorname", "") or "").startswith(_LOCKED)


def may_pass(cause: BaseException | None) -> bool:
    """Whether *cause*, for which a file could not be used, may pass: a lock, a full disk."""
    if isinstance(cause, OSError):
        return cause.errno in _PASSING_ERRNOS
    return (getattr(cause, "sqlite_errorname", "") or "").startswith(_PASSING)


_of_parents: Final[list[sqlite3.Connection]] = []
"""Connections that a fork brought along: kept, since to drop one closes it."""
