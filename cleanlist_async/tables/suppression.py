"""Contacts that must not be enriched: addresses, domains and profiles that the caller names.

The API has no such list (docs.cleanlist.ai/faq/privacy-and-security).
"""

from __future__ import annotations

import logging
import os
from asyncio import get_running_loop
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from threading import Lock
from typing import Final, TypeAlias, cast

from cleanlist_async.checks import check_function, checked_path, is_any, shown, wrong
from cleanlist_async.contacts.checks import is_frame
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.tables.errors import TableError
from cleanlist_async.tables.suppressed_people import Entry, SuppressionHeader, entries_for, entry_of

log: Final = logging.getLogger("cleanlist_async")

SUPPRESSED: Final = "suppressed"
"""The reason of a contact that must not be enriched."""
_NO_LISTS: Final = (bytes, bytearray, memoryview, Mapping)
"""What can be iterated over, and is no list of entries."""


class Suppression:
    """Says which contacts must not be enriched.

    A domain covers its subdomains, and the e-mail addresses below it. A file whose header has names and
    companies, or keys, covers these people too. A function is asked about each contact
    as it would be sent. A file or an iterable is read by the first call that it is given to: keep one of
    these for all calls. Raises ConfigurationError for what cannot be one.
    """

    def __init__(self, given: str | PathLike[str] | Iterable[str] | Callable[[Contact], bool]) -> None:
        self._path: Path | None = None
        self._entries: Iterable[str] | None = None
        self._function: Callable[[Contact], bool] | None = None
        self._known: frozenset[Entry] = frozenset()
        self._has_names = False
        self._is_loaded = False
        self._problem: Exception | None = None
        self._lock = Lock()
        if isinstance(given, str | PathLike):
            self._path = checked_path("suppress", cast("object", given))
            if not os.path.isfile(self._path):  # noqa: PTH113  # a Path raises if the name is too long
                fix = "For a single address, pass a list of one."
                raise ConfigurationError(f"suppress: there is no file {shown(str(self._path))}.", fix=fix)
        elif is_any(given, Iterable) and not (is_any(given, *_NO_LISTS) or is_frame(given)):
            self._entries = cast("Iterable[str]", given)
            if isinstance(given, Collection):
                for entry in cast("Collection[str]", given):
                    _checked_text(entry)
        elif callable(given):
            check_function("suppress", given)
            self._function = given
            self._is_loaded = True
        else:
            raise wrong("suppress", "a file, an iterable of addresses and domains, or a function", given)

    @classmethod
    def of(cls, given: Suppress | None) -> Suppression | None:
        """Return it, if anything is given. Raises ConfigurationError for what cannot be one."""
        return given if given is None or isinstance(given, Suppression) else cls(given)

    async def load(self) -> None:
        """Read the file or iterable, once. Raises ConfigurationError or TableError for what is no entry."""
        if not self._is_loaded:
            # In a thread: such lists have a million entries, and the loop has other work.
            await get_running_loop().run_in_executor(None, self._load)

    def covers(self, contact: Contact) -> bool:
        """Whether a contact, as it is sent, must not be enriched."""
        if self._function is not None:
            return bool(self._function(contact))
        known = self._known
        return any(entry in known for entry in entries_for(contact, with_names=self._has_names))

    def _load(self) -> None:
        with self._lock:
            # What was left of an iterator after an error would be a shorter list.
            if self._problem is not None:
                raise self._problem
            if not self._is_loaded:
                try:
                    self._known = frozenset(self._read())
                    self._has_names = any(kind == "name" for kind, _ in self._known)
                except Exception as problem:
                    self._problem = problem
                    raise
                self._is_loaded = True

    def _read(self) -> Iterator[Entry]:
        if self._path is not None:
            yield from self._read_file(self._path)
            return
        for entry in () if self._entries is None else self._entries:
            if (found := entry_of(_checked_text(entry))) is None:
                raise _no_entry(entry)
            yield found

    def _read_file(self, path: Path) -> Iterator[Entry]:
        header, unread, has_any = SuppressionHeader({}, ","), False, False
        try:
            with path.open(encoding="utf-8-sig") as lines:
                for number, line in enumerate(lines, 1):
                    found = header.entries(line)
                    if not found and line.strip() and not line.startswith("#"):
                        if number > 1:
                            raise _names_nobody(path, number)
                        # The first line may be a header.
                        header = SuppressionHeader.of(line)
                        unread = not header.columns
                    has_any = has_any or bool(found)
                    yield from found
        except (OSError, UnicodeDecodeError) as error:
            fix = "save it as UTF-8 text, one entry a line"
            raise TableError(path=str(path), problem=f"cannot be read ({error})", fix=fix) from error
        if unread and not has_any:  # a list of names would otherwise suppress nobody
            raise _names_nobody(path, 1)
        if unread:
            log.warning("%s, row 1: names nobody who is suppressed, and is taken for a header", path.name)


Suppress: TypeAlias = str | PathLike[str] | Iterable[str] | Callable[[Contact], bool] | Suppression
"""A file, or any iterable, of e-mail addresses, domains and LinkedIn addresses; or a function."""


def _names_nobody(path: Path, number: int) -> TableError:
    problem = "holds no e-mail address, domain or LinkedIn address"
    fix = "correct this line; names need a header (First Name, Last Name, Company), and so do keys (key)"
    return TableError(path=str(path), row=number, problem=problem, fix=fix)


def _checked_text(entry: str) -> str:
    if not is_any(entry, str):
        raise _no_entry(entry)
    return entry


def _no_entry(entry: object) -> ConfigurationError:
    return wrong("suppress", "of e-mail addresses, domains and LinkedIn addresses", entry)
