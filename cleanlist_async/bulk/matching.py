"""Whose row is it? An e-mail on the wrong person is the worst bug this library could have.

That ``task_ids`` follow the order of the contacts is nowhere documented. So a row is joined by position
only where there are exactly as many ids as contacts, and only if nothing it carries speaks against it;
else by what it carries; and a row that matches nothing, or two people, is given to nobody.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Final, TypeAlias
from urllib.parse import unquote, urlsplit

from cleanlist_async.contacts import API_FIELDS, Contact
from cleanlist_async.errors import JSON
from cleanlist_async.models.rows import EnrichmentRow

_Input: TypeAlias = tuple[tuple[str, str], ...]

_CHANCE: Final = math.log(1e6)
"""An order is taken as proven when luck would agree with it less than once in a million times."""
_WORD: Final = re.compile(r"[^\W_]+")
_COMPANY_FORMS: Final = frozenset(
    "inc incorporated ltd limited llc llp gmbh ag sa sas sarl srl spa bv nv plc corp corporation co company"
    " group holding holdings the".split()
)


class Verdict(Enum):
    """What a row says about a contact."""

    AGREES = 1
    SILENT = 0
    CONTRADICTS = -1


def match_rows(
    contacts: Sequence[Contact], task_ids: Sequence[str | None], rows: Iterable[EnrichmentRow]
) -> dict[int, EnrichmentRow]:
    """Return for each position in *contacts* the row that is certainly its own.

    *task_ids* holds the id of each contact by position, or None where there is none to be had. Contacts
    left out of the result have no row, or none that is certain.
    """
    rows = list(rows)
    index = _Index(contacts)
    positions = {task_id: position for position, task_id in enumerate(task_ids) if task_id is not None}
    by_position = {positions[row.task_id]: row for row in rows if row.task_id in positions}
    verdicts = {position: compare(contacts[position], row) for position, row in by_position.items()}
    matched = {position: row for position, row in by_position.items() if verdicts[position] is Verdict.AGREES}
    if not _order_is_broken(index, by_position):
        proven = _order_is_proven(len(matched), len(contacts))
        matched |= {
            position: row
            for position, row in by_position.items()
            if verdicts[position] is Verdict.SILENT and (proven or not row.has_findings)
        }
    taken = {id(row) for row in matched.values()}
    return matched | _match_by_identity(index, matched, [row for row in rows if id(row) not in taken])


def _order_is_broken(index: _Index, by_position: Mapping[int, EnrichmentRow]) -> bool:
    """Whether any row certainly belongs to another contact than its position says."""
    owners = ((position, index.owners(row)) for position, row in by_position.items())
    return any(owned and position not in owned for position, owned in owners)


def _order_is_proven(agreeing: int, contacts: int) -> bool:
    """Whether so many rows agree with their positions that luck cannot explain it."""
    if agreeing >= contacts - 1:
        return True
    return sum(math.log(contacts - taken) for taken in range(agreeing)) >= _CHANCE


def _match_by_identity(
    index: _Index, matched: Mapping[int, EnrichmentRow], rows: Sequence[EnrichmentRow]
) -> dict[int, EnrichmentRow]:
    claims: dict[int, list[EnrichmentRow]] = defaultdict(list)
    for row in rows:
        for position in index.owners(row):
            if position not in matched:
                claims[position].append(row)
    return {position: found[0] for position, found in claims.items() if _all_alike(found)}


def _all_alike(rows: Sequence[EnrichmentRow]) -> bool:
    return len({(row.email, row.phones, row.status) for row in rows}) == 1


class _Index:
    """Contacts by what a row may carry about them."""

    def __init__(self, contacts: Sequence[Contact]) -> None:
        self._contacts = contacts
        self._by_input: dict[_Input, list[int]] = defaultdict(list)
        self._by_linkedin: dict[str, list[int]] = defaultdict(list)
        self._by_name: dict[frozenset[str], list[int]] = defaultdict(list)
        for position, contact in enumerate(contacts):
            self._by_input[_input_of(contact)].append(position)
            if slug := linkedin_slug(contact.linkedin_url):
                self._by_linkedin[slug].append(position)
            if name := _name_of(contact.first_name, contact.last_name):
                self._by_name[frozenset(name)].append(position)

    def owners(self, row: EnrichmentRow) -> list[int]:
        """Return who the row certainly belongs to: one contact, or several that are the same person."""
        echo = _echo(row)
        if echo and echo in self._by_input:
            return self._by_input[echo]
        for slug in (linkedin_slug(row.linkedin_url), dict(echo).get("linkedin_url")):
            if slug and slug in self._by_linkedin:
                return self._by_linkedin[slug]
        namesakes = self._by_name.get(frozenset(_row_name(row)), ())
        named = [n for n in namesakes if compare(self._contacts[n], row) is Verdict.AGREES]
        return named if len(named) == 1 else []


def compare(contact: Contact, row: EnrichmentRow) -> Verdict:
    """Compare what a row carries with a contact: its input, LinkedIn address, name and employer.

    People change employers and LinkedIn addresses, so a difference in those alone proves nothing.
    """
    if echo := _echo(row):
        return Verdict.AGREES if echo == _input_of(contact) else Verdict.CONTRADICTS
    slug = linkedin_slug(contact.linkedin_url)
    if slug and slug == linkedin_slug(row.linkedin_url):
        return Verdict.AGREES
    ours, theirs = _name_of(contact.first_name, contact.last_name), _row_name(row)
    if not ours:
        return Verdict.AGREES if slug and _slug_holds(slug, theirs) else Verdict.SILENT
    if not theirs:
        return Verdict.SILENT
    if set(ours) == set(theirs):
        return Verdict.AGREES if _same_employer(contact, row) else Verdict.SILENT
    # "Bob Lee" may come back as "Robert Q. Lee": a name that differs in part proves nothing.
    return Verdict.SILENT if set(ours) & set(theirs) else Verdict.CONTRADICTS


def linkedin_slug(url: str | None) -> str | None:
    """Return the part of a LinkedIn profile address that names the person, folded; None if there is none."""
    if not url:
        return None
    parts = urlsplit(url if "//" in url else f"//{url}")
    path = [unquote(part) for part in parts.path.split("/") if part]
    if "in" in path[:-1]:
        return path[path.index("in") + 1].casefold()
    return path[-1].casefold() if path and "linkedin" in parts.netloc else None


def _input_of(contact: Contact) -> _Input:
    return _folded({name: getattr(contact, name) for name in API_FIELDS})


def _echo(row: EnrichmentRow) -> _Input:
    return _folded(row.input) if row.input else ()


def _folded(fields: Mapping[str, JSON]) -> _Input:
    """Reduce contact fields to what stays the same however a server tidies them up."""
    folded: list[tuple[str, str]] = []
    for name in API_FIELDS:
        value = fields.get(name)
        if isinstance(value, str) and value.strip():
            fold = {"linkedin_url": linkedin_slug, "company_domain": _domain}.get(name, _fold)
            folded.append((name, fold(value) or _fold(value)))
    return tuple(folded)


def _fold(text: str) -> str:
    return " ".join(text.split()).casefold()


def _words(text: str | None) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFKD", text or "")
    return tuple(_WORD.findall("".join(c for c in plain if not unicodedata.combining(c)).casefold()))


def _name_of(first: str | None, last: str | None) -> tuple[str, ...]:
    return (*_words(first), *_words(last)) if first and last else ()


def _row_name(row: EnrichmentRow) -> tuple[str, ...]:
    return _name_of(row.first_name, row.last_name) or _words(row.full_name)


def _same_employer(contact: Contact, row: EnrichmentRow) -> bool:
    """Whether the employers agree, or the row carries none that could differ."""
    ours, theirs = _domain(contact.company_domain), _domain(row.company_domain)
    if ours and theirs:
        return ours == theirs or ours.endswith(f".{theirs}") or theirs.endswith(f".{ours}")
    our_words, their_words = _company_words(contact.company_name), _company_words(row.company_name)
    if our_words and their_words:
        return our_words == their_words
    return not (theirs or their_words)


def _company_words(name: str | None) -> frozenset[str]:
    return frozenset(_words(name)) - _COMPANY_FORMS


def _domain(text: str | None) -> str | None:
    if not text:
        return None
    host = (urlsplit(text if "//" in text else f"//{text}").hostname or "").casefold()
    return host.removeprefix("www.") or None


def _slug_holds(slug: str, name: tuple[str, ...]) -> bool:
    """Whether a LinkedIn slug like ``ada-lovelace-7b1`` spells this name."""
    return len(name) > 1 and set(name) <= set(_words(slug.replace("-", " ")))
