"""What the search filters compare. Values of one filter are alternatives; filters narrow each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    from .companies import Company
    from .database import Found

T = TypeVar("T")
Name = TypeVar("Name", bound=str)

PersonFilter: TypeAlias = Literal[
    "titles",
    "seniority",
    "management_levels",
    "departments",
    "location_city",
    "location_state",
    "location_country",
    "locations",
    "company_names",
    "company_domains",
    "company_headcount",
    "company_industries",
]
CompanyFilter: TypeAlias = Literal["industries", "employee_count_ranges", "locations", "names", "domains"]

_NOT_PLAIN: Final = re.compile(r"[^a-z0-9]+")

PART_IS_ENOUGH: Final = frozenset({"titles", "locations", "company_names", "names"})
"""Filters whose values need not be the whole text."""
PERSON_FILTERS: Final[dict[PersonFilter, Callable[[Found], str]]] = {
    "titles": lambda found: found.post.title,
    "seniority": lambda found: found.post.seniority,
    "management_levels": lambda found: found.post.management_level,
    "departments": lambda found: found.post.department,
    "location_city": lambda found: found.place[0],
    "location_state": lambda found: found.place[1],
    "location_country": lambda found: found.place[2],
    "locations": lambda found: " ".join(found.place),
    "company_names": lambda found: found.company.name,
    "company_domains": lambda found: found.company.domain,
    "company_headcount": lambda found: found.company.employee_count_range,
    "company_industries": lambda found: found.company.industry,
}
COMPANY_FILTERS: Final[dict[CompanyFilter, Callable[[Company], str]]] = {
    "industries": lambda company: company.industry,
    "employee_count_ranges": lambda company: company.employee_count_range,
    "locations": lambda company: company.location,
    "names": lambda company: company.name,
    "domains": lambda company: company.domain,
}


def matching(
    entities: Iterable[T],
    filters: Mapping[Name, Callable[[T], str]],
    wanted: Mapping[Name, Sequence[str]],
) -> list[T]:
    """Return the entities that fit every filter with values; case and punctuation do not matter."""
    given = [(name, filters[name], [_plain(value) for value in values]) for name, values in wanted.items()]
    return [
        entity
        for entity in entities
        if all(_fits(name, _plain(text_of(entity)), values) for name, text_of, values in given if values)
    ]


def _fits(name: str, text: str, values: Iterable[str]) -> bool:
    return any(value in text for value in values) if name in PART_IS_ENOUGH else text in values


def _plain(text: str) -> str:
    return _NOT_PLAIN.sub(" ", text.casefold()).strip()
