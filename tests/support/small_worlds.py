"""Every small workflow: up to three contacts, and every answer that a truthful server may give about them.

A contact gives a profile, a name and an employer, each of two values or not at all. Behind it is a person,
who has all three: what the contact does not give is any of the values, so a person may well have another
contact's name. Two contacts are one person if they give one profile, or are the same word for word. A row
says what is true of its person, each thing or not at all. One person of a workflow may have moved to an
employer that the contact does not give, or have renamed the profile.

Rows may be missing at first and come later. Ids are in order, permuted or unknown; where contacts of one
profile were merged, they share a row, and there are no ids by position.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain, combinations, combinations_with_replacement, permutations, product

from cleanlist_async import Contact
from cleanlist_async.api.models.rows import EnrichmentRow
from cleanlist_async.enrich.matching import Match

Facts = tuple[int | None, int | None, int | None]
"""Profile, name and employer: 1, 2, or None where nothing is said. A row may have 3: neither of them."""

PROFILES = {1: "https://linkedin.com/in/p1", 2: "https://linkedin.com/in/p2", 3: "linkedin.com/in/ACoAAB3"}
NAMES = {1: ("Ada", "Lovelace"), 2: ("Bob", "Kahn")}
EMPLOYERS = {1: "a.io", 2: "b.io", 3: "c.io"}
KINDS = [
    facts
    for facts in product((None, 1, 2), repeat=3)
    if facts[0] or (facts[1] and facts[2])  # what the API takes
]


@dataclass(frozen=True)
class World:
    """Contacts, the rows of all of them, and the order of ids: `order[n]` is where row n's id is."""

    contacts: tuple[Facts, ...]
    rows: tuple[Facts, ...]
    order: tuple[int, ...] | None
    merged: bool = False

    def owner(self, position: int) -> Facts | int | None:
        """Who the contact at a position is."""
        return self.contacts[position][0] or self.contacts[position]

    def ids(self) -> tuple[str | None, ...]:
        """The id that each position has."""
        if self.order is None:
            return (None,) * len(self.contacts)
        return tuple(f"t{self.order.index(position)}" for position in range(len(self.contacts)))

    def tasks(self) -> list[int]:
        """The contacts that have a row of their own."""
        profiles = [profile for profile, _, _ in self.contacts]
        return [
            task
            for task, of in enumerate(profiles)
            if not self.merged or of is None or profiles.index(of) == task
        ]


@cache
def contact_of(facts: Facts) -> Contact:
    profile, name, employer = facts
    first, last = NAMES[name] if name else (None, None)
    return Contact(
        linkedin_url=PROFILES.get(profile or 0),
        first_name=first,
        last_name=last,
        company_domain=EMPLOYERS.get(employer or 0),
    )


@cache
def row_of(task: int, facts: Facts) -> EnrichmentRow:
    profile, name, employer = facts
    first, last = NAMES[name] if name else (None, None)
    said = {
        "linkedin_url": PROFILES.get(profile or 0),
        "first_name": first,
        "last_name": last,
        "company_domain": EMPLOYERS.get(employer or 0),
    }
    return EnrichmentRow({"task_id": f"t{task}", "status": "completed", "email": str(task), **said})


def worlds(size: int, *, alike: bool) -> Iterator[World]:
    """Yield every world of *size* contacts up to symmetry. *alike*: rows are silent of the same things."""
    for contacts in combinations_with_replacement(KINDS, size):
        if not _is_first_of_its_like(contacts):
            continue
        merged = _has_one_profile_twice(contacts)
        orders: list[tuple[int, ...] | None] = [None, *permutations(range(size))]
        for rows in _rows_of(contacts, alike=alike):
            for order in orders:
                yield World(contacts, rows, order)
            if merged:
                yield World(contacts, rows, None, merged=True)


def wrong_joins(world: World) -> Iterator[tuple[str, int, int]]:
    """Join whatever rows are there, then those of each group of contacts that are left, as `collect` does.

    Yield what was joined to another person: the step, the position, and whose row it was.
    """
    tasks = world.tasks()
    for there in _subsets(tasks):
        rows = tuple((task, world.rows[task]) for task in there)
        given, trusted = _joined(world.contacts, world.ids(), rows, whole=True)
        yield from _wrong(world, f"whole, rows {there}", range(len(world.contacts)), given)
        left = [position for position in range(len(world.contacts)) if position not in dict(given)]
        for later in {tuple(tasks), there}:
            late = tuple((task, world.rows[task]) for task in later)
            for part in _subsets(left):
                ids = tuple(trusted[position] for position in part)
                if not any(ids):
                    continue  # nothing but what is certain is given, as above
                given, _ = _joined(
                    tuple(world.contacts[position] for position in part), ids, late, whole=False
                )
                yield from _wrong(world, f"part {part}, rows {there}, then {later}", part, given)


@lru_cache(maxsize=100_000)
def _joined(
    contacts: tuple[Facts, ...],
    ids: tuple[str | None, ...],
    rows: tuple[tuple[int, Facts], ...],
    *,
    whole: bool,
) -> tuple[tuple[tuple[int, int], ...], tuple[str | None, ...]]:
    """Return the rows that are given to the positions, and the ids that are kept."""
    match = Match(list(map(contact_of, contacts)), ids, [row_of(*row) for row in rows], whole=whole)
    given = tuple((position, int(row.email or "")) for position, row in match.given.items())
    return given, match.trusted_ids


def _wrong(
    world: World, step: str, part: Sequence[int], given: Sequence[tuple[int, int]]
) -> Iterator[tuple[str, int, int]]:
    for at, task in given:
        if world.owner(part[at]) != world.owner(task):
            yield step, part[at], task


def _subsets(items: Sequence[int]) -> Iterator[tuple[int, ...]]:
    return chain.from_iterable(combinations(items, count) for count in range(1, len(items) + 1))


def _has_one_profile_twice(contacts: Sequence[Facts]) -> bool:
    return max(Counter(profile for profile, _, _ in contacts if profile).values(), default=0) > 1


def _is_first_of_its_like(contacts: tuple[Facts, ...]) -> bool:
    """Whether no exchange of the two values of a thing gives a world that comes before this one."""
    swaps = [{None: None, 1: 1, 2: 2}, {None: None, 1: 2, 2: 1}]
    return all(
        _in_order(contacts)
        <= _in_order([tuple(m[v] for m, v in zip(maps, facts, strict=True)) for facts in contacts])
        for maps in product(swaps, repeat=3)
    )


def _in_order(contacts: Sequence[Sequence[int | None]]) -> list[tuple[int, ...]]:
    return sorted(tuple(value or 0 for value in facts) for facts in contacts)


def _rows_of(contacts: Sequence[Facts], *, alike: bool) -> Iterator[tuple[Facts, ...]]:
    masks = [(mask,) * len(contacts) for mask in _MASKS] if alike else product(_MASKS, repeat=len(contacts))
    truths = list(_truths(contacts))
    seen: set[tuple[Facts, ...]] = set()
    for mask in masks:
        for truth in truths:
            rows = tuple(_shown(facts, shown) for facts, shown in zip(truth, mask, strict=True))
            seen.add(rows)
            for position, row in enumerate(rows):
                seen.update(
                    (*rows[:position], odd, *rows[position + 1 :])
                    for odd in _oddities(contacts[position], row)
                )
    yield from seen


_MASKS = list(product((False, True), repeat=3))


def _truths(contacts: Sequence[Facts]) -> Iterator[tuple[Facts, ...]]:
    """Yield what is true of the contacts' people. What a contact does not give, another of its person may."""
    people: dict[object, list[Facts]] = {}
    for facts in contacts:
        people.setdefault(facts[0] or facts, []).append(facts)
    hidden = [
        [(name, employer) for name in _given(of, 1) for employer in _given(of, 2)] for of in people.values()
    ]
    for choice in product(*hidden):
        behind = dict(zip(people, choice, strict=True))
        yield tuple(
            (profile or 3, name or behind[profile or facts][0], employer or behind[profile or facts][1])
            for facts in contacts
            for profile, name, employer in [facts]
        )


def _given(of: Sequence[Facts], thing: int) -> list[int]:
    return sorted({facts[thing] or 0 for facts in of} - {0}) or [1, 2]


def _shown(facts: Facts, shown: Sequence[bool]) -> Facts:
    profile, name, employer = (value if seen else None for value, seen in zip(facts, shown, strict=True))
    return profile, name, employer


def _oddities(contact: Facts, row: Facts) -> Iterator[Facts]:
    """Yield what a row may say instead of somebody who has moved, or renamed the profile."""
    profile, name, employer = row
    if contact[0] and profile:
        yield 3, name, employer
    if contact[2] and employer:
        yield profile, name, 3 - employer
