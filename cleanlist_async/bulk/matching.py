"""Whose row is it? An e-mail on the wrong person is the worst bug this library could have.

That ``task_ids`` follow the order of the contacts is nowhere documented. So a row is joined by position
only where there are exactly as many ids as contacts, and only if what it carries agrees, or the other rows
prove the order; else by what it carries; and a row that fits nobody, or two people, is given to nobody.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from cleanlist_async.bulk.likeness import (
    Input,
    Name,
    input_in,
    input_of,
    linkedin_slug,
    name_in,
    name_of,
    names_differ,
    same_employer,
    slug_words,
)
from cleanlist_async.contacts import Contact
from cleanlist_async.models.rows import EnrichmentRow

_CHANCE: Final = math.log(1e6)
"""An order is taken as proven when luck would agree with it less than once in a million times."""


def match_rows(
    contacts: Sequence[Contact],
    task_ids: Sequence[str | None],
    rows: Iterable[EnrichmentRow],
    *,
    whole: bool = True,
) -> dict[int, EnrichmentRow]:
    """Return for each position in *contacts* the row that is certainly its own.

    *task_ids* holds the id of each contact by position, or None where there is none to be had. *whole*:
    these are all contacts of the workflow, so that a row which fits one of them cannot be another's.
    Contacts left out of the result have no row, or none that is certain.
    """
    match = _Match(contacts, task_ids, rows, whole=whole)
    match.give_by_evidence()
    if len(match.given) < len(contacts):
        match.give_by_order()
        match.give_misses()
    return match.given


@dataclass(eq=False, slots=True)
class _Row:
    """A row, the position its id has, and the positions of those it belongs to by what it carries.

    `owners` are several only if they are the same person. `certain`: by its input or LinkedIn address.
    `kin` are all with that LinkedIn address, whatever else was said of them.
    """

    row: EnrichmentRow
    position: int | None
    name: Name
    owners: Sequence[int] = ()
    kin: Sequence[int] = ()
    certain: bool = False
    refused: bool = False
    """Whether it cannot belong to the contact at its position."""

    @property
    def agrees(self) -> bool:
        return self.position in self.owners


class _Match:
    def __init__(
        self,
        contacts: Sequence[Contact],
        task_ids: Sequence[str | None],
        rows: Iterable[EnrichmentRow],
        *,
        whole: bool,
    ) -> None:
        self.given: dict[int, EnrichmentRow] = {}
        self._contacts = contacts
        self._whole = whole
        positions = {task_id: position for position, task_id in enumerate(task_ids) if task_id is not None}
        crowd = _Crowd(contacts)
        self._rows = [crowd.place(row, positions.get(row.task_id or "")) for row in rows]
        self._names_tell = whole and (len(self._rows) >= len(contacts) or not self._has_strangers(crowd))

    def _has_strangers(self, crowd: _Crowd) -> bool:
        """Whether a row might be that of somebody whose name we do not know, and who has none yet."""
        known = {position for row in self._rows if row.certain for position in (*row.owners, *row.kin)}
        return not crowd.nameless <= known

    def give_by_evidence(self) -> None:
        """Give each contact the row that can only be its own; two different ones are none."""
        claims: dict[int, list[_Row]] = defaultdict(list)
        for row in self._rows:
            if row.certain or self._names_tell or (not self._whole and self._stands_out(row)):
                for position in row.owners:
                    claims[position].append(row)
        for position, rows in claims.items():
            if len(rows) == 1:
                self.given[position] = rows[0].row
                continue
            at_home = [row for row in rows if row.position == position]
            certain = [row for row in rows if row.certain]
            best = [row for row in at_home if row.certain] or certain or rows
            if len(best) == 1 or _all_alike(row.row for row in best):
                self.given[position] = next((row for row in at_home if row in best), best[0]).row
        if not any(row.position is not None for row in self._rows):
            self._give_merged()

    def _give_merged(self) -> None:
        """Where the server merged contacts of one LinkedIn address, give its row to each of them."""
        kin: dict[int, list[_Row]] = defaultdict(list)
        for row in self._rows:
            for position in row.kin:
                kin[position].append(row)
        for position, rows in kin.items():
            if _all_alike(row.row for row in rows):
                self.given.setdefault(position, rows[0].row)

    def _stands_out(self, row: _Row) -> bool:
        """Whether a row is at its place and no other row has its name: enough where not all are in sight."""
        return row.agrees and self._bearers[row.name] == 1

    @cached_property
    def _bearers(self) -> Counter[Name]:
        """How many rows have each name."""
        return Counter(row.name for row in self._rows)

    def give_by_order(self) -> None:
        """Give what is left by position, if the other rows prove that ids follow the order of contacts."""
        if self._order_is_proven and not self._order_is_broken:
            for row in self._rows:
                if row.position is not None and not row.refused:
                    self.given.setdefault(row.position, row.row)

    @property
    def _order_is_proven(self) -> bool:
        agreeing = sum(
            self.given.get(row.position) is row.row for row in self._rows if row.position is not None
        )
        alone = self._whole and len(self._contacts) == 1
        if alone or (self._names_tell and agreeing >= len(self._contacts) - 1):
            return True
        return sum(math.log(len(self._contacts) - taken) for taken in range(agreeing)) >= _CHANCE

    @property
    def _order_is_broken(self) -> bool:
        """Whether a row belongs elsewhere than its position says."""
        at_home = {row.position for row in self._rows if row.agrees}
        return any(
            row.owners and not row.agrees and (row.certain or at_home.isdisjoint(row.owners))
            for row in self._rows
            if row.position is not None
        )

    def give_misses(self) -> None:
        """Where only rows without findings are left, one for each contact, any of them is right."""
        taken = {id(row) for row in self.given.values()}
        left = [row for row in self._rows if id(row.row) not in taken]
        found = any(row.row.has_findings for row in left)
        placed = {row.position for row in self._rows if row.position is not None}
        if self._whole and not found and len(placed) == len(self._contacts):
            for row in left:
                if row.position is not None and not row.refused:
                    self.given.setdefault(row.position, row.row)


def _all_alike(rows: Iterable[EnrichmentRow]) -> bool:
    return len({(row.email, row.phones, row.status) for row in rows}) == 1


@dataclass(slots=True)
class _Namesakes:
    """Contacts that have a row's name, by what their employers say."""

    agree: list[int] = field(default_factory=list[int])
    silent: list[int] = field(default_factory=list[int])
    differ: list[int] = field(default_factory=list[int])

    def only(self) -> list[int]:
        """Return those who alone can be meant. People change employers: a difference proves nothing."""
        if self.agree and not self.silent:
            return self.agree
        return [] if self.agree or self.differ else self.silent

    def __contains__(self, position: object) -> bool:
        return position in self.agree or position in self.silent or position in self.differ


class _Crowd:
    """The contacts, by what a row may carry about them."""

    def __init__(self, contacts: Sequence[Contact]) -> None:
        self._contacts = contacts
        self._names = [name_of(contact) for contact in contacts]
        self._by_linkedin: dict[str | None, list[int]] = defaultdict(list)
        self._by_name: dict[Name, list[int]] = defaultdict(list)
        self._by_slug_word: dict[str, set[int]] = defaultdict(set)
        self.nameless = {position for position, name in enumerate(self._names) if not name}
        for position, contact in enumerate(contacts):
            slug = linkedin_slug(contact.linkedin_url)
            if slug:
                self._by_linkedin[slug].append(position)
            if name := self._names[position]:
                self._by_name[name].append(position)
            elif slug:
                for word in slug_words(slug):
                    self._by_slug_word[word].add(position)

    @cached_property
    def _by_input(self) -> dict[Input, list[int]]:
        by_input: dict[Input, list[int]] = defaultdict(list)
        for position, contact in enumerate(self._contacts):
            by_input[input_of(contact)].append(position)
        return by_input

    def place(self, row: EnrichmentRow, position: int | None) -> _Row:
        """Find out who *row* belongs to."""
        placed = _Row(row, position, name_in(row))
        echo = input_in(row)
        slugs = (dict(echo).get("linkedin_url") if echo else None, linkedin_slug(row.linkedin_url))
        placed.kin = next((self._by_linkedin[slug] for slug in slugs if slug in self._by_linkedin), ())
        if owners := (self._by_input.get(echo) if echo else None) or placed.kin:
            placed.owners, placed.certain = owners, True
        else:
            namesakes = self._namesakes(row, placed.name)
            owners = namesakes.only()
            # Of two namesakes, one may have moved to the other's employer: then their places decide.
            moved = position not in owners and position in namesakes
            if not moved and self._are_one(owners):
                placed.owners = owners
        if position is not None and not placed.agrees:
            differ = names_differ(self._names[position], placed.name)
            placed.refused = placed.certain or bool(echo) or differ
        return placed

    def _are_one(self, positions: Sequence[int]) -> bool:
        """Whether the contacts at these positions are the same, word for word."""
        return len(positions) < 2 or len({input_of(self._contacts[position]) for position in positions}) == 1

    def _namesakes(self, row: EnrichmentRow, name: Name) -> _Namesakes:
        namesakes = _Namesakes()
        for position in self._by_name.get(name, ()):
            same = same_employer(self._contacts[position], row)
            found = namesakes.silent if same is None else namesakes.agree if same else namesakes.differ
            found.append(position)
        namesakes.silent.extend(self._spelled_in_slugs(name))
        return namesakes

    def _spelled_in_slugs(self, name: Name) -> Iterator[int]:
        """Yield those known by an address such as ``/in/ada-lovelace-7b1`` alone."""
        if len(name) > 1 and self._by_slug_word:
            spelled = [self._by_slug_word.get(word, set[int]()) for word in name]
            yield from sorted(set[int].intersection(*spelled))
