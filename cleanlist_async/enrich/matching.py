"""Whose row is it? An e-mail on the wrong person is the worst bug this library could have.

That ``task_ids`` follow the order of the contacts is nowhere documented. So a row is joined by what it
carries, and by position only where the other rows prove the order: see the table in `evidence`. A row that
fits no person, or two, is given to none.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from typing import Final

from cleanlist_async.api.models.rows import EnrichmentRow
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.enrich.evidence import Evidence
from cleanlist_async.enrich.normalize import Name, name_key
from cleanlist_async.enrich.people import People, Person, PlacedRow

_CHANCE: Final = math.log(1e6)
"""An order is proven when luck would agree with it less than once in a million times."""


def match_rows(
    contacts: Sequence[Contact],
    task_ids: Sequence[str | None],
    rows: Iterable[EnrichmentRow],
    *,
    whole: bool = True,
) -> dict[int, EnrichmentRow]:
    """Return for each position in *contacts* the row that is certainly its own: see `Match`."""
    return Match(contacts, task_ids, rows, whole=whole).given


def ids_before_the_end(contacts: Sequence[Contact], task_ids: Sequence[str | None]) -> tuple[str | None, ...]:
    """Return the ids to ask for later, of contacts whose workflow nobody waits for: see `Match.trusted_ids`.

    A contact known by profile alone does not take the others' ids away here. Nothing is joined yet, and
    without ids no order could be proven when all are asked for together.
    """
    people = People(contacts, whole=True)
    doubtful = people.namesakes(list(people), hidden=False)
    return tuple(None if position in doubtful else task_id for position, task_id in enumerate(task_ids))


class Match:
    """Contacts of one workflow and its rows, joined.

    *task_ids* holds the id of each contact, or None. *whole*: these are all contacts of the workflow, so that
    a row which fits one of them cannot be another's. `given` holds for each position in *contacts* the row
    that is certainly its own; others are left out.
    """

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
        self._task_ids = task_ids
        self._whole = whole
        self._namesakes_are_elsewhere = False
        self._people = People(contacts, whole=whole)
        positions = {task_id: position for position, task_id in enumerate(task_ids) if task_id is not None}
        self._rows = [PlacedRow.of(row, positions.get(row.task_id or "")) for row in rows]
        self._by_key: dict[Name, list[PlacedRow]] = defaultdict(list)
        self._give_certain()
        if len(self.given) == len(contacts):
            return
        # Only now: rows that are certain show further names of their people.
        self._people.learn_names(self._rows)
        for row in self._rows:
            if row.name and not row.certain:
                self._by_key[name_key(row.name)].append(row)
        if whole:
            self._give_by_elimination()
        else:
            self._give_in_place()
        if len(self.given) < len(contacts):
            self._give_by_order()
            self._give_misses()

    # -- certain -------------------------------------------------------------------------------

    def _give_certain(self) -> None:
        """Give rows by their input, else by LinkedIn address."""
        for row in self._rows:
            row.owners = self._people.certain_owners(row)
            row.certain = bool(row.owners)
            if row.certain:
                self._people.at[row.owners[0]].rows.append(row)
        self._give(row for row in self._rows if row.certain)
        # With ids of their own, contacts of one person were not merged.
        if not any(row.position is not None for row in self._rows):
            self._give_merged()

    def _give_merged(self) -> None:
        """Where the server merged the contacts of one person, give its row to each of them."""
        for person in self._people:
            if person.rows and _all_alike(row.row for row in person.rows):
                for position in person.positions:
                    self.given.setdefault(position, person.rows[0].row)

    def _give(self, rows: Iterable[PlacedRow]) -> None:
        """Give rows to their owners; two different ones are none, unless one has the name or its place."""
        claims: dict[int, list[PlacedRow]] = defaultdict(list)
        for row in rows:
            for position in row.owners:
                claims[position].append(row)
        for position, claiming in claims.items():
            named = [row for row in claiming if not self._people.has_other_name(position, row)] or claiming
            at_home = [row for row in named if row.position == position]
            best = at_home or named
            if len(best) == 1 or _all_alike(row.row for row in best):
                self.given.setdefault(position, best[0].row)

    # -- by elimination ------------------------------------------------------------------------

    def _give_by_elimination(self) -> None:
        """Give rows by name where no other person of the workflow can be meant."""
        no_one_else = self._all_are_named or not self._people.has_nameless
        for key, rows in self._by_key.items():
            people = self._people.with_key(key)
            if self._may_be_cut(key):
                continue
            if len(people) == 1:
                self._own(people[0], rows)
            elif len(people) > 1 and sum(person.lacking for person in people) == len(rows):
                self._tell_namesakes_apart(people, rows)
            if no_one_else:
                self._give(rows)

    def _may_be_cut(self, key: Name) -> bool:
        """Whether rows of such a name may be another's, who has it with a word more or less."""
        others = self._people.with_more_or_less_of(key)
        own = {other for person in others for other in person.keys} - {key}
        if sum(person.lacking for person in others) > self._count(own):
            return True
        return self._people.has_nameless and any(
            (other < key or key < other)
            and self._count({other}) > sum(person.lacking for person in self._people.with_key(other))
            for other in self._by_key
        )

    def _count(self, keys: Iterable[Name]) -> int:
        return sum(len(self._by_key.get(key, ())) for key in keys)

    @property
    def _all_are_named(self) -> bool:
        """Whether each contact has a row, and each row that may be anybody's has a name."""
        tasks = {row.row.task_id or id(row) for row in self._rows}
        return len(tasks) >= len(self._contacts) and all(row.name or row.certain for row in self._rows)

    def _own(self, person: Person, rows: Sequence[PlacedRow]) -> None:
        """Take rows as those of the only person known to have their name."""
        named = all(self._evidence(person, row) >= Evidence.DISPUTED for row in rows)
        if named and (self._count(person.keys) <= person.lacking or _all_alike(row.row for row in rows)):
            for row in rows:
                row.owners = person.positions

    def _tell_namesakes_apart(self, people: Sequence[Person], rows: Sequence[PlacedRow]) -> None:
        """Take rows as those of namesakes at different employers, if each of them names one of those."""
        pairs: list[tuple[Person, PlacedRow]] = []
        for row in rows:
            named = [person for person in people if self._people.same_employer(person, row)]
            if len(named) != 1 or self._evidence(named[0], row) is not Evidence.NAMED:
                return
            pairs.append((named[0], row))
        if len({id(person) for person, _ in pairs}) < len(people):
            return  # each namesake needs a row of its own
        places = {position for person in people for position in person.positions}
        # Of two namesakes, one may have moved to the other's employer: then their places decide.
        if any(row.position in places and row.position not in person.positions for person, row in pairs):
            self._namesakes_are_elsewhere = True
            return
        for person, row in pairs:
            row.owners = person.positions

    def _evidence(self, person: Person, row: PlacedRow) -> Evidence:
        return max(self._people.evidence(position, row) for position in person.positions)

    def _give_in_place(self) -> None:
        """Give rows that carry a contact's name in its place, if no other row in sight has that name."""
        for key, rows in self._by_key.items():
            if len(rows) == 1 and len(self._people.with_key(key)) == 1:
                position = rows[0].position
                if position is not None and self._people.evidence(position, rows[0]) is Evidence.NAMED:
                    rows[0].owners = self._people.at[position].positions
                    self._give(rows)

    # -- by order ------------------------------------------------------------------------------

    def _give_by_order(self) -> None:
        """Give what is left by position, if the other rows prove that ids follow the order of contacts."""
        if not self._order_is_proven:
            return
        lacking = {position for position in range(len(self._contacts)) if position not in self.given}
        left = [
            row for row in self._rows if row.position in lacking and self._may_be_in_place(row, row.position)
        ]
        # If just two ids are exchanged, the other rows do not show it, but an address may.
        if self._people.are_addressed_to_others(left, lacking):
            return
        people = [person for person in self._people if not lacking.isdisjoint(person.positions)]
        namesakes = self._people.namesakes(people, hidden=False)
        row_at = {row.position: row.row for row in left}
        for row in left:
            rivals = [row_at.get(position) for position in namesakes.get(row.position or 0, ())]
            if not rivals or (None not in rivals and _all_alike(filter(None, [row.row, *rivals]))):
                self.given.setdefault(row.position or 0, row.row)

    def _may_be_in_place(self, row: PlacedRow, position: int) -> bool:
        return row.in_place or (not row.certain and self._people.evidence(position, row) > Evidence.NONE)

    @cached_property
    def _order_is_proven(self) -> bool:
        if self._is_order_contradicted:
            return False
        count, placed = len(self._contacts), [row for row in self._rows if row.position is not None]
        given = sum(self.given.get(row.position or 0) is row.row for row in placed)
        if self._whole and (count == 1 or given >= count - 1):
            return True
        # The chance that so many rows are in place by luck is 1 / (count * (count - 1) * ...).
        return sum(math.log(count - taken) for taken in range(sum(row.in_place for row in placed))) >= _CHANCE

    @cached_property
    def _is_order_contradicted(self) -> bool:
        return self._namesakes_are_elsewhere or any(self._belongs_elsewhere(row) for row in self._rows)

    def _belongs_elsewhere(self, row: PlacedRow) -> bool:
        if row.position is None or row.in_place:
            return False
        if not row.owners:
            return self._people.has_name_of_another(row.position, row)
        return row.certain or not any(other.position in row.owners and other.in_place for other in self._rows)

    def _give_misses(self) -> None:
        """Where only rows without findings are left, one for each contact, any of them is right."""
        taken = {id(row) for row in self.given.values()}
        left = [row for row in self._rows if id(row.row) not in taken]
        placed = {row.position for row in self._rows if row.position is not None}
        if not self._whole or len(placed) < len(self._contacts) or any(row.row.has_findings for row in left):
            return
        for row in left:
            if row.position is not None and self._may_be_in_place(row, row.position):
                self.given.setdefault(row.position, row.row)

    # -- what is left --------------------------------------------------------------------------

    @cached_property
    def trusted_ids(self) -> tuple[str | None, ...]:
        """The id of each contact, or None where it may be that of another.

        A contact without a row may be asked for later, without the others. It would then be given the row of
        a namesake that has its id. And where one row contradicts the order, the rows of a part must not prove
        it.
        """
        if not self._whole:
            return tuple(self._task_ids)
        left = [person for person in self._people if self._may_have_more(person)]
        doubtful: Collection[int] = self._people.namesakes(left, hidden=not self._order_is_proven)
        if self._is_order_contradicted:
            doubtful = range(len(self._task_ids))
        return tuple(
            None if position in doubtful and position not in self.given else task_id
            for position, task_id in enumerate(self._task_ids)
        )

    def _may_have_more(self, person: Person) -> bool:
        """Whether a person has fewer rows than contacts, though two contacts may share one of them."""
        rows = {id(self.given[position]) for position in person.positions if position in self.given}
        return len(rows) < len(person.positions)


def _all_alike(rows: Iterable[EnrichmentRow]) -> bool:
    return len({(row.email, row.phones, row.status) for row in rows}) == 1
