"""Column headers: how they are compared, unique names, and the field that each is known to mean. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Final

from cleanlist_async.tables.vocabulary import (
    BEFORE_A_VALUE,
    FOOTER,
    FULL_NAME,
    HALF_OF_A_NAME,
    HEADERS,
    LAST_NAME_FIRST,
    REMARKS,
)

_PERSON_WORDS: Final = frozenset(
    ["person", "people", "contact", "lead", "prospect", "candidate", "member", "profile", "properties"]
)
"""Words before a header that do not change its meaning: ``Contact First Name`` is ``First Name``."""

_SPELLINGS: Final = str.maketrans(
    {"ı": "i", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "ة": "ه", "ى": "ي", "ی": "ي", "ک": "ك", "ـ": None}  # noqa: RUF001
)
"""Letters that are often written as others, and that Unicode does not decompose."""

_TWO_HEADERS: Final = re.compile(r"[/|()\[\]（）【】・\r\n]")  # noqa: RUF001 - as Chinese and Japanese write them
"""Between two headers of one column, such as its name in two languages."""

OWN_WORD: Final = "cleanlist"
"""First word of the columns that an enrichment adds, none of which says whom to look for."""


@lru_cache(maxsize=4096)
def words(header: str) -> tuple[str, ...]:
    """Split a header into its words, without case, accents and punctuation: ``firstName``, ``First name``."""
    # Salesforce appends __c to the names of custom fields.
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", header.removesuffix("__c"))
    decomposed = unicodedata.normalize("NFKD", spaced.casefold())
    bare = "".join(sign for sign in decomposed if not unicodedata.combining(sign))
    return tuple(re.findall(r"[^\W_]+", bare.translate(_SPELLINGS)))


def known_as(header: str) -> tuple[str, int] | None:
    """Return the field that a header is known to mean and its rank (0 is best), or None."""
    parts = words(header)
    if parts[:1] == (OWN_WORD,):
        return None
    found = _ranks().get("".join(parts))
    if found is None and len(parts) > 1 and parts[0] in _PERSON_WORDS:
        found = _ranks().get("".join(parts[1:]))
    return found or _known_in_each(_TWO_HEADERS.split(header))


def is_half_of_a_name(half: str, header: str) -> bool:
    """Whether a header of a whole name means *half* of it where the other half has its own column."""
    parts = words(header)
    plain = parts[1:] if len(parts) > 1 and parts[0] in _PERSON_WORDS else parts
    return "".join(plain) in _listed(HALF_OF_A_NAME[half])


def last_name_comes_first(header: str) -> bool:
    """Whether a header says that the whole names below it begin with the last name."""
    return "".join(words(header)) in _listed(LAST_NAME_FIRST)


def opens_a_footer(cell: str) -> bool:
    """Whether a line that begins with *cell* is known to stand below a table."""
    first, *others = words(cell) or ("",)
    if first.isdigit():  # "3 of 3 rows"
        return any(word in _listed(FOOTER) for word in others)
    return "©" in cell or first in _listed(FOOTER)


def opens_a_named_value(cell: str) -> bool:
    """Whether a cell of such a line says what its next cell is: ``Run by``, ``Generated on``."""
    parts = words(cell)
    return len(parts) == 2 and parts[0] in _listed(FOOTER) and parts[1] in _listed(BEFORE_A_VALUE)


@cache
def usual_headers() -> frozenset[str]:
    """Return the known headers, as they are written most often, in lower case."""
    return frozenset(" ".join(header.split()) for listed in HEADERS.values() for header in listed.split(","))


def _known_in_each(parts: Sequence[str]) -> tuple[str, int] | None:
    """Return what several headers in one mean: ``姓 (Last Name)``, ``Name (last)``, ``Email (required)``."""
    telling = [part for part in parts if words(part) and "".join(words(part)) not in _listed(REMARKS)]
    known = [known_as(part) for part in telling] if len(parts) > 1 else []
    found = {what[0]: what for what in known if what}
    if len(found) > 1:  # a half of a name is more than the whole
        found.pop(FULL_NAME, None)
    return next(iter(found.values())) if len(found) == 1 and None not in known else None


@cache  # not at import, which the help of a command would wait for
def _ranks() -> Mapping[str, tuple[str, int]]:
    ranks: dict[str, tuple[str, int]] = {}
    for field, listed in HEADERS.items():
        for rank, header in enumerate(_each(listed)):
            ranks.setdefault(header, (field, rank))
    return ranks


@cache
def _listed(listed: str) -> frozenset[str]:
    return frozenset(_each(listed))


def _each(listed: str) -> Iterator[str]:
    return ("".join(words(header)) for header in listed.split(","))


def addressable(headers: Sequence[str]) -> tuple[str, ...]:
    """Give each column a name of its own: ``Email``, ``Email (2)``; a blank one is ``Column 4``."""
    names: list[str] = []
    # A header that the file has keeps its name, even if an earlier one would be renamed to it.
    taken = {header for header in headers if header.strip()}
    seen: set[str] = set()
    for number, header in enumerate(headers, 1):
        name = header if header.strip() else f"Column {number}"
        if name in seen or (name != header and name in taken):
            name = free_name(name, taken | seen)
        seen.add(name)
        names.append(name)
    return tuple(names)


def free_name(name: str, taken: Iterable[str]) -> str:
    """Return *name*, ``name (2)``, ``name (3)``: the first that is not taken in any letter case."""
    used = {other.strip().casefold() for other in taken}
    candidate, number = name, 1
    while candidate.strip().casefold() in used:
        number += 1
        candidate = f"{name} ({number})"
    return candidate
