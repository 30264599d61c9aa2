"""What a caller says about the contacts it gives: the columns of rows, and whom to leave out.

The API has no list of whom to leave out (docs.cleanlist.ai/faq/privacy-and-security).
"""

from __future__ import annotations

import csv
import logging
import os
import re
from asyncio import get_running_loop
from collections.abc import AsyncIterable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from threading import Lock
from typing import Any, Final, Protocol, Self, TypeAlias, cast

from cleanlist_async.checks import check_function, checked_path, is_any, shown, wrong
from cleanlist_async.contacts.checks import check_contacts, check_form, is_frame
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.contacts.identity import ContactLike, Invalid, Prepared, prepare
from cleanlist_async.contacts.texts import domain, folded, profile
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.tables.contact_rows import GUESSED, SAMPLE, Columns, Extra, MappingReader, RowFormat
from cleanlist_async.tables.errors import TableError
from cleanlist_async.tables.headers import known_as, words
from cleanlist_async.tables.values import is_domain, is_email, is_person_page


class HasColumns(Protocol):
    """A table of pandas, Polars, PyArrow or their kind, whose rows are contacts."""

    @property
    def columns(self) -> Any:
        """The names of its columns, or the columns themselves."""
        ...


ContactRows: TypeAlias = Iterable[ContactLike] | AsyncIterable[ContactLike]
ContactSource: TypeAlias = ContactRows | HasColumns
ReadContact: TypeAlias = Callable[[ContactLike], ContactLike]
"""Returns the contact of a row whose columns have any names."""
Prepare: TypeAlias = Callable[[int, ContactLike], Prepared | Invalid]
"""Checks the contact at an index, and reduces it to what is sent."""

log: Final = logging.getLogger("cleanlist_async")

SUPPRESSED: Final = "suppressed"
"""The reason of a contact that must not be enriched."""
_NO_LISTS: Final = (bytes, bytearray, memoryview, Mapping)
"""What can be iterated over, and is no list of entries."""

Entry: TypeAlias = tuple[str, str]
"""A kind, and a text in canonical form."""

_DELIMITERS: Final = ",;\t"
_BETWEEN_CELLS: Final = re.compile(f"[{_DELIMITERS}]")
_EMPLOYERS: Final = ("company_name", "company_domain")


def open_source(given: ContactSource, rows: RowFormat, name: str) -> tuple[ContactRows, ReadContact]:
    """Return the rows of what a caller gave, and what makes a contact of each.

    Raises ConfigurationError for what holds none: text, bytes, a set, a single contact, or a list whose items
    are all malformed in one way; TableError for columns that are not known.
    """
    if is_frame(given):
        from cleanlist_async.tables.frames import frame_contacts  # noqa: PLC0415  # needs an extra

        if (contacts := frame_contacts(given, rows)) is not None:
            return contacts, as_given
    check_contacts(given, Iterable, AsyncIterable, name=name)
    given = cast("ContactRows", given)
    reader = MappingReader(rows, given[:SAMPLE] if isinstance(given, Sequence) else ())
    if isinstance(given, Sequence):
        check_form(map(reader.read, given))
    return given, reader.read


def as_given(contact: ContactLike) -> ContactLike:
    """Return a contact as it is."""
    return contact


@dataclass(frozen=True, slots=True)
class InputOptions:
    """How rows are read, and which contacts are not to be enriched."""

    rows: RowFormat = GUESSED
    suppression: Suppression | None = None

    @classmethod
    def of(cls, columns: Columns | None, extra: Extra, suppress: Suppress | None) -> Self:
        """Take what the caller said. Raises ConfigurationError for what cannot work."""
        return cls(RowFormat(columns, extra).checked(), Suppression.of(suppress))

    async def load(self) -> None:
        """Read what is suppressed. Raises ConfigurationError or TableError for what is no entry."""
        if self.suppression is not None:
            await self.suppression.load()


NOTHING_SAID: Final = InputOptions()


def preparation(suppression: Suppression | None, read: ReadContact = as_given) -> Prepare:
    """Return a function that reads a row, checks its contact, and keeps it back if it is suppressed."""
    if suppression is None:
        return lambda index, given: prepare(index, read(given))
    covers = suppression.covers

    def prepare_unless_suppressed(index: int, given: ContactLike) -> Prepared | Invalid:
        contact = prepare(index, read(given))
        if isinstance(contact, Prepared) and covers(contact.sent):
            return Invalid(index, contact.contact, SUPPRESSED)
        return contact

    return prepare_unless_suppressed


class Suppression:
    """Says which contacts must not be enriched.

    A domain covers its subdomains, and the e-mail addresses below it. A file whose header has names and
    companies, or keys, covers these people too. A function is asked about each contact as it would be sent. A
    file or an iterable is read by the first call that it is given to: keep one of these for all calls. Raises
    ConfigurationError for what cannot be one.
    """

    def __init__(self, given: str | PathLike[str] | Iterable[str] | Callable[[Contact], bool]) -> None:
        self._unread: Iterable[Entry] = ()
        self._function: Callable[[Contact], bool] | None = None
        self._known: frozenset[Entry] = frozenset()
        self._has_names = False
        self._is_loaded = False
        self._problem: Exception | None = None
        self._lock = Lock()
        if isinstance(given, str | PathLike):
            path = checked_path("suppress", cast("object", given))
            if not os.path.isfile(path):  # noqa: PTH113  # a Path raises if the name is too long
                fix = "For a single address, pass a list of one."
                raise ConfigurationError(f"suppress: there is no file {shown(str(path))}.", fix=fix)
            self._unread = _entries_of_file(path)
        elif is_any(given, Iterable) and not (is_any(given, *_NO_LISTS) or is_frame(given)):
            self._unread = _entries_of(cast("Iterable[str]", given))
            if isinstance(given, Collection):
                for entry in cast("Collection[object]", given):
                    if not is_any(entry, str):
                        raise _no_entry(entry)
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
                    self._known = frozenset(self._unread)
                    self._has_names = any(kind == "name" for kind, _ in self._known)
                except Exception as problem:
                    self._problem = problem
                    raise
                self._is_loaded = True


Suppress: TypeAlias = str | PathLike[str] | Iterable[str] | Callable[[Contact], bool] | Suppression
"""A file, or any iterable, of e-mail addresses, domains and LinkedIn addresses; or a function."""


def _entries_of(given: Iterable[str]) -> Iterator[Entry]:
    for entry in given:
        found = entry_of(entry) if is_any(entry, str) else None
        if found is None:
            raise _no_entry(entry)
        yield found


def _entries_of_file(path: Path) -> Iterator[Entry]:
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


def _names_nobody(path: Path, number: int) -> TableError:
    problem = "holds no e-mail address, domain or LinkedIn address"
    fix = "correct this line; names need a header (First Name, Last Name, Company), and so do keys (key)"
    return TableError(path=str(path), row=number, problem=problem, fix=fix)


def _no_entry(entry: object) -> ConfigurationError:
    return wrong("suppress", "of e-mail addresses, domains and LinkedIn addresses", entry)


@dataclass(frozen=True, slots=True)
class SuppressionHeader:
    """The known columns of a file."""

    columns: dict[str, int]
    delimiter: str

    @classmethod
    def of(cls, line: str) -> Self:
        """Read the first line of a file. What is no header has no columns."""
        delimiter = max(_DELIMITERS, key=line.count)
        columns: dict[str, int] = {}
        for number, cell in enumerate(_cells(line, delimiter)):
            field = "key" if words(cell) == ("key",) else (known_as(cell) or ("", 0))[0]
            columns.setdefault(field, number)
        columns.pop("", None)
        return cls(columns, delimiter)

    def entries(self, line: str) -> list[Entry]:
        """Return what a row names: what is one person's before a domain, which would cover a company."""
        cells = _cells(line, self.delimiter) if self.columns else []
        row = {field: cells[n].strip() for field, n in self.columns.items() if n < len(cells)}
        # By any delimiter: a file without a header says none.
        found = [entry for cell in _BETWEEN_CELLS.split(line) if (entry := entry_of(cell.strip('" \r\n')))]
        people = [entry for entry in found if entry[0] != "domain"]
        people += _named(row.get("first_name"), row.get("last_name"), [row.get(name) for name in _EMPLOYERS])
        people += [("key", row["key"])] if row.get("key") else []
        return people or found


def entry_of(text: str) -> Entry | None:
    """Return the profile, address or domain that a text is; None for anything else."""
    text = text.strip()
    if is_person_page(text):
        return "profile", profile(text)
    if is_email(text):
        return "email", folded(text)
    if is_domain(text.removeprefix("@")):
        return "domain", domain(text.removeprefix("@"))
    return None


def entries_for(contact: Contact, *, with_names: bool) -> Iterator[Entry]:
    """Yield the entries that cover a contact, *with_names* those of people by name and employer too."""
    if contact.linkedin_url:
        yield "profile", profile(contact.linkedin_url)
    if contact.key:
        yield "key", contact.key
    email = folded(contact.email or "")
    if email:
        yield "email", email
    for host in (email.rpartition("@")[2], domain(contact.company_domain or "")):
        yield from (("domain", suffix) for suffix in _suffixes(host))
    if not with_names:  # they cost more than all others, for each of a million contacts
        return
    employers = (contact.company_name, contact.company_domain)
    yield from _named(contact.first_name, contact.last_name, employers)


def _named(first: str | None, last: str | None, employers: Sequence[str | None]) -> list[Entry]:
    name, known = (folded(first or ""), folded(last or "")), {folded(one or "") for one in employers}
    known |= {domain(one or "") for one in employers}
    return [("name", "\n".join((*name, one))) for one in sorted(known - {""})] if all(name) else []


def _suffixes(host: str) -> Iterator[str]:
    while "." in host:
        yield host
        host = host.partition(".")[2]


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line.strip()], delimiter=delimiter), list[str]())
