"""One run of a job at a time: a lock beside its journal, and records of the journals that this user ran.

The records refuse an old, emptied or copied journal. A file does not show that it is old. So each run, and
each submit, raises the generation of a journal, first in the journal and then in a record in the user's state
folder. A crash between the two leaves a record that is behind, which refuses nothing.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from cleanlist_async.checks import check_whole
from cleanlist_async.errors import ConfigurationError, JournalError, JournalLockedError
from cleanlist_async.job.journal.database import explained
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.redact import one_line
from cleanlist_async.storage.file_lock import IS_SUPPORTED, FileLock, FileLockedError

log: Final = logging.getLogger("cleanlist_async")

_ADOPT: Final = (
    "See what was bought with `cleanlist-async usage`, then open it with adopt=True (--adopt at the command"
    " line): what it does not know to be sent is bought again."
)

_HIGHEST_GENERATION: Final = 1 << 53
"""A higher one is damage: the next might not fit into a journal."""


class JournalLock(FileLock):
    """The lock of a journal. Its file stays: a job that is not running has one, too."""

    def __init__(self, journal: Path) -> None:
        super().__init__(journal)
        self._journal = journal

    def take(self) -> None:
        """Take the lock. Raises JournalLockedError when another process, or another job here, has it.

        Raises JournalError for a journal with a second name, which would have a second lock; SQLite would not
        find what a crash under the other name left (sqlite.org/howtocorrupt.html, section 2.5).
        """
        journal = self._journal
        with explained(journal):
            names = journal.stat().st_nlink if journal.exists() else 1
        if names > 1:  # symbolic links are resolved to one lock, hard links cannot be
            raise JournalError(
                f"{journal.name} has {names} names (hard links), so that it could be run twice at once.",
                fix="Keep one of its names and remove the others, or make the other one a copy.",
            )
        if not IS_SUPPORTED:
            raise ConfigurationError("Durable jobs need a POSIX system: they lock their journal.")
        try:
            with explained(self.path):
                super().take()
        except FileLockedError as locked:
            by = f" (process {locked.holder})" if locked.holder else ""
            raise JournalLockedError(
                f"Another job is running on {self.path.stem}{by}.",
                fix="Wait for it, or look at its status.",
            ) from None

    def __enter__(self) -> None:
        self.take()

    def __exit__(self, *_: object) -> None:
        self.give_back()


class Fence:
    """Keeps a job from a journal that is older than its record, emptied, or a copy of another one."""

    def __init__(self, path: Path, *, adopt: bool = False) -> None:
        self._path = path
        self._place = path.resolve()
        self._adopt = adopt
        self._recorded_generation = 0
        self._was_sent = False
        self._is_reported = False

    def check_place(self) -> None:
        """Raise JournalError if contacts were sent by a journal here that is gone, or emptied."""
        if self._path.exists() and self._path.stat().st_size:
            return
        self._refuse_replaced()

    def check(self, journal: Journal) -> None:
        """Raise JournalError for a journal that is not the latest one of its job. Changes nothing."""
        record = None
        with self._best_effort():
            record = _record_of(journal.id) if journal.header else None
        if record is None:
            self._refuse_replaced()
            # A fresh pod or another user has no records: refusing would stop every job that moves.
            if journal.header:
                log.warning(
                    "there is no record of earlier runs of %s for this user; if it is an old copy, contacts"
                    " are bought again",
                    one_line(self._path.name),
                )
            return
        # Kept when it is adopted too: the next record must be above this one.
        self._recorded_generation, self._was_sent = record.generation, record.sent
        if self._adopt:
            return
        # A journal that is ahead of its record is sound: the crash came between the two writes.
        if journal.generation < record.generation:
            raise JournalError(
                f"{self._path.name} is older than the last run of its job, which was on {record.path}.",
                fix=f"Restore the journal of that run. If it is lost: {_ADOPT}",
            )
        if self._is_copy(journal.id, Path(record.path)):
            raise JournalError(
                f"{self._path.name} is a copy of {record.path}, which is still there: each would buy the"
                " contacts of the other again.",
                fix=f"Continue with that one. To continue only with this one: {_ADOPT}",
            )

    def _refuse_replaced(self) -> None:
        sent = False
        with self._best_effort():
            sent = _was_sent_from(self._place)
        if sent and not self._adopt:
            raise JournalError(
                f"Another journal was at {self._place}, and contacts were sent by it; it was removed, emptied"
                " or replaced.",
                fix="Restore it, or give a new job a journal of another name. If the old job is over, or"
                f" its journal is lost: {_ADOPT}",
            )

    def _is_copy(self, journal_id: str, other: Path) -> bool:
        """Whether the same journal is also at another place."""
        try:
            if other == self._place or not other.exists() or other.samefile(self._path):
                return False
            journal = Journal.open(other, read_only=True)
        except (OSError, JournalError):
            return True  # perhaps it is being written: in doubt, nothing is bought twice
        with closing(journal):
            return journal.header is not None and journal.id == journal_id

    def raise_generation(self, journal: Journal) -> None:
        """Begin a run: older copies are refused from now on."""
        # Durably, once for each run: after a power cut too, an old copy is behind this record.
        journal.raise_generation(self._recorded_generation)
        self._write(journal, sent=self._was_sent or journal.was_sent(), durably=True)
        # A submit waits for the disk only once, in the journal: a power cut leaves a record that is behind.
        journal.on_submit = lambda: self._write(journal, sent=True, durably=False)

    def _write(self, journal: Journal, *, sent: bool, durably: bool) -> None:
        with self._best_effort():
            _write(journal, self._place, sent=sent, durably=durably)

    @contextmanager
    def _best_effort(self) -> Generator[None]:
        """Continue without records where they cannot be kept, and warn once."""
        # Records only guard against old copies: a home that cannot be written must not stop a job.
        try:
            yield
        except (OSError, RuntimeError) as error:
            if not self._is_reported:
                log.warning(
                    "the record of %s cannot be kept (%s); an old copy of it will not be noticed",
                    one_line(self._path.name),
                    one_line(str(error)),
                )
            self._is_reported = True


def forget(journal_id: str) -> None:
    """Remove the record of a journal that is removed, where there is one."""
    with suppress(OSError, RuntimeError):
        for file in _folder().glob(f"{journal_id}-*.json"):
            file.unlink(missing_ok=True)


def was_sent(journal_id: str) -> bool:
    """Whether contacts were sent by a journal, as far as its record says."""
    with suppress(OSError, RuntimeError):
        record = _record_of(journal_id)
        return record is not None and record.sent
    return False


@dataclass(frozen=True, slots=True)
class _Record:
    """The generation of a journal at its last run, and its place."""

    generation: int
    path: str
    sent: bool
    """Whether any contact of it was sent."""


# -- the records: a small file for each journal, found by id or by place ---------------------------------
# They raise OSError, or RuntimeError where there is no home.


def _record_of(journal_id: str) -> _Record | None:
    # A journal that was moved has a record for each place, until its next run. The latest counts.
    found = [_read(file) for file in _folder().glob(f"{journal_id}-*.json")]
    return max((r for r in found if r is not None), key=lambda r: r.generation, default=None)


def _was_sent_from(place: Path) -> bool:
    """Whether contacts were sent by a journal at *place*."""
    # By place, since a journal that is gone or emptied has no id any more.
    records = (_read(file) for file in _folder().glob(f"*-{_digest(place)}.json"))
    return any(record is not None and record.sent for record in records)


def _write(journal: Journal, place: Path, *, sent: bool, durably: bool) -> None:
    """Write the record of a journal at *place*, whole or not at all."""
    folder, journal_id = _folder(), journal.id
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / f"{journal_id}-{_digest(place)}.json"
    part = target.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    record = json.dumps(asdict(_Record(journal.generation, str(place), sent)))
    with os.fdopen(descriptor, "wb") as file:  # which writes all of it, or raises
        file.write(record.encode())
        file.flush()
        if durably:
            os.fsync(descriptor)
    part.replace(target)  # atomic: a crash leaves the old record or the new one
    if durably:
        _sync_folder(folder)  # before the older ones go: a power cut must not take both
        for moved in folder.glob(f"{journal_id}-*.json"):
            if moved != target:
                moved.unlink(missing_ok=True)


def _folder() -> Path:
    """Return ``$XDG_STATE_HOME/cleanlist-async/journals``, by default in ``~/.local/state``."""
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    return base / "cleanlist-async" / "journals"


def _digest(place: Path) -> str:
    return sha256(os.fsencode(place)).hexdigest()[:32]


def _read(file: Path) -> _Record | None:
    """Return a record; None for one that is damaged, which says nothing."""
    try:
        kept = json.loads(file.read_bytes())
        generation = kept["generation"]
        check_whole("generation", generation, at_most=_HIGHEST_GENERATION)
        return _Record(generation, str(kept["path"]), bool(kept["sent"]))
    except (FileNotFoundError, ValueError, TypeError, KeyError, RecursionError, ConfigurationError):
        return None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
