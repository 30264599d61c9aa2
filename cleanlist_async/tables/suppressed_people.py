"""What a line of a suppression file, or an entry of a list, names: as it is compared with contacts. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

from cleanlist_async.contacts.canonical import domain, folded, profile
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.tables.headers import known_as, words
from cleanlist_async.tables.values import is_domain, is_email, is_person_page

Entry: TypeAlias = tuple[str, str]
"""A kind, and a text in canonical form."""

_DELIMITERS: Final = ",;\t"
_BETWEEN_CELLS: Final = re.compile(f"[{_DELIMITERS}]")
_EMPLOYERS: Final = ("company_name", "company_domain")


@dataclass(frozen=True, slots=True)
class SuppressionHeader:
    """The columns of a file that has a header, by what they are known to be."""

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
    """Return what a text names: a profile, an address or a domain; None for anything else."""
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
    """Return the entries of a name at each of its employers."""
    name, known = (folded(first or ""), folded(last or "")), {folded(one or "") for one in employers}
    known |= {domain(one or "") for one in employers}
    return [("name", "\n".join((*name, one))) for one in sorted(known - {""})] if all(name) else []


def _suffixes(host: str) -> Iterator[str]:
    """Yield a host and the domains above it."""
    while "." in host:
        yield host
        host = host.partition(".")[2]


def _cells(line: str, delimiter: str) -> list[str]:
    cells: list[list[str]] = list(csv.reader([line.strip()], delimiter=delimiter))
    return cells[0] if cells else []
