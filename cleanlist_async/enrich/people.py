"""The people of a workflow, by what a row may carry about them, and contacts that look alike by it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Final, Self

from cleanlist_async.api.models.rows import EnrichmentRow
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.evidence import Evidence, Said, agreement, weigh
from cleanlist_async.enrich.normalize import (
    Input,
    Name,
    domain,
    folded,
    half_name,
    input_in,
    input_of,
    linkedin_slug,
    name_in,
    name_key,
    name_of,
    names_differ,
    same_employer,
    slug_words,
    words,
)

_NO_NAMES: Final[frozenset[Name]] = frozenset()
_NO_WORDS: Final[Name] = frozenset()


@dataclass(eq=False, slots=True)
class PlacedRow:
    """A row, the position that its id has, what it carries, and whose it is by that.

    `owners` are positions; several only if they are the same person. `certain`: by input or profile.
    """

    row: EnrichmentRow
    position: int | None
    name: Name
    echo: Input
    slugs: Sequence[str]
    owners: Sequence[int] = ()
    certain: bool = False

    @classmethod
    def of(cls, row: EnrichmentRow, position: int | None) -> Self:
        """Read a row."""
        echo = input_in(row)
        slugs = (linkedin_slug(dict(echo).get("linkedin_url")), linkedin_slug(row.linkedin_url))
        return cls(row, position, name_in(row), echo, [slug for slug in slugs if slug])

    @property
    def in_place(self) -> bool:
        """Whether it belongs to the contact of its id if ids follow the order."""
        return self.position in self.owners


@dataclass(eq=False, slots=True)
class Person:
    """The contacts that are one person: of one profile, or the same word for word.

    `rows` are certainly its own; `keys` are those of its names, in a contact or in such a row.
    """

    positions: list[int] = field(default_factory=list[int])
    keys: set[Name] = field(default_factory=set[Name])
    rows: list[PlacedRow] = field(default_factory=list[PlacedRow])

    @property
    def lacking(self) -> int:
        """How many more rows it may have. Where the server merges contacts, it has none."""
        return max(0, len(self.positions) - len(self.rows))


class People:
    """The people that the contacts of a workflow are; `at` holds the one of each position.

    *whole*: these are all contacts of the workflow.
    """

    def __init__(self, contacts: Sequence[Contact], *, whole: bool) -> None:
        self.at: list[Person] = []
        self._people: list[Person] = []
        self._contacts = contacts
        self._whole = whole
        self._names = [name_of(contact) for contact in contacts]
        self._slugs = [linkedin_slug(contact.linkedin_url) for contact in contacts]
        self._by_slug: dict[str, Person] = {}
        self._by_key: dict[Name, list[Person]] = {}
        self._keys_with: dict[str, set[Name]] = defaultdict(set)
        bare: dict[Name, list[Person]] = defaultdict(list)
        for position, (name, slug) in enumerate(zip(self._names, self._slugs, strict=True)):
            known = self._by_slug.get(slug) if slug else self._same(position, bare[name])
            person = known or Person()
            if known is None:
                self._people.append(person)
            person.positions.append(position)
            self.at.append(person)
            if name:
                person.keys.add(name_key(name))
            if slug:
                self._by_slug[slug] = person
            elif known is None:
                bare[name].append(person)

    def __iter__(self) -> Iterator[Person]:
        return iter(self._people)

    def _same(self, position: int, namesakes: Iterable[Person]) -> Person | None:
        """Return the one of *namesakes* that a contact is, word for word."""
        return next(
            (one for one in namesakes if self._inputs[one.positions[0]] == self._inputs[position]), None
        )

    @cached_property
    def _inputs(self) -> list[Input]:
        return [input_of(contact) for contact in self._contacts]

    @cached_property
    def _by_input(self) -> dict[Input, list[int]]:
        return _positions_by(self._inputs)

    @cached_property
    def _by_folded_input(self) -> dict[Input, list[int]]:
        return _positions_by(map(folded, self._inputs))

    # -- evidence ------------------------------------------------------------------------------

    def certain_owners(self, row: PlacedRow) -> Sequence[int]:
        """Return the positions that have a row's input, else those that have its profile."""
        # What the row was made for says more than the profile it found, which may be a wrong one.
        if row.echo and (made_for := self._made_for(row)):
            return made_for
        return next((self._by_slug[slug].positions for slug in row.slugs if slug in self._by_slug), ())

    def _made_for(self, row: PlacedRow) -> Sequence[int]:
        if row.echo in self._by_input or not self._whole:
            return self._by_input.get(row.echo, ())
        # A server may write an input in its own way: that is proof if no other contact can be meant.
        alike = self._by_folded_input.get(folded(row.echo), ())
        return alike if len({id(self.at[position]) for position in alike}) == 1 else ()

    def evidence(self, position: int, row: PlacedRow) -> Evidence:
        """Weigh what a contact and a row say: see the module `evidence`."""
        contact, name, slug = self._contacts[position], self._names[position], self._slugs[position]
        same_name = True if name and name == row.name else False if names_differ(name, row.name) else None
        return weigh(
            given=agreement(self._is_made_for(position, row)),
            profile=agreement(slug in row.slugs if slug and row.slugs else None),
            name=agreement(same_name),
            # An employer counts beside a name only: colleagues share it.
            employer=agreement(same_employer(contact, row.row)) if same_name else Said.OPEN,
        )

    def _is_made_for(self, position: int, row: PlacedRow) -> bool | None:
        """Whether a row was made for a contact; None if it does not say, or in another way."""
        if not row.echo or row.echo == self._inputs[position]:
            return bool(row.echo) or None
        return None if folded(row.echo) == folded(self._inputs[position]) else False

    def has_other_name(self, position: int, row: PlacedRow) -> bool:
        """Whether a row has certainly another name than a contact."""
        return names_differ(self._names[position], row.name)

    def same_employer(self, person: Person, row: PlacedRow) -> bool:
        """Whether a row names the employer of this person."""
        return any(same_employer(self._contacts[position], row.row) for position in person.positions)

    # -- names ---------------------------------------------------------------------------------

    def learn_names(self, rows: Sequence[PlacedRow]) -> None:
        """Take in the names that rows have, to know which people a row may still mean."""
        for person in self:
            person.keys.update(name_key(row.name) for row in person.rows if row.name)
        # Before `_by_key`: it names people who had no name.
        self._read_slugs({row.name for row in rows if not row.certain and len(row.name) > 1})
        for person in self:
            for key in person.keys if person.lacking else ():
                self._by_key.setdefault(key, []).append(person)
        for key in self._by_key:
            for word in key:
                self._keys_with[word].add(key)

    def with_key(self, key: Name) -> Sequence[Person]:
        """Return the people known to have such a name, and lacking a row."""
        return self._by_key.get(key, ())

    def has_name_of_another(self, position: int, row: PlacedRow) -> bool:
        """Whether a row has the name of others, and not one that a contact has."""
        key = name_key(row.name)
        return key in self._keys and key not in self.at[position].keys

    @cached_property
    def _keys(self) -> set[Name]:
        return {key for person in self for key in person.keys}

    def with_more_or_less_of(self, key: Name) -> Iterable[Person]:
        """Return those who lack a row, and have such a name with more words, or fewer: a middle name, say."""
        near = _NO_NAMES.union(*(self._keys_with.get(word, _NO_NAMES) for word in key))
        others = (other for other in near if other < key or key < other)
        return {id(person): person for other in others for person in self._by_key[other]}.values()

    @cached_property
    def has_nameless(self) -> bool:
        """Whether a person without a known name lacks a row: any row may be theirs."""
        return any(person.lacking and not person.keys for person in self)

    def _read_slugs(self, names: Iterable[Name]) -> None:
        """Name those whose address alone spells a name that no contact has: ``/in/ada-lovelace-7b1``."""
        taken = {key for person in self for key in person.keys}
        by_word: dict[str, set[int]] = defaultdict(set)
        for person in self:
            if not person.keys:
                for word in self._slug_words(person):
                    by_word[word].add(person.positions[0])
        spelled: dict[int, list[Name]] = defaultdict(list)
        for name in names if by_word else ():
            found = set[int].intersection(*(by_word.get(word, set[int]()) for word in name))
            key = name_key(name)
            # Two addresses that spell the name, or a contact that has it, leave it open whose it is.
            if len(found) == 1 and not any(key <= other or other <= key for other in taken):
                position = found.pop()
                # A chosen address may spell anything; the half of a name that is given counts more.
                if not self._is_of_another_half(self.at[position], key):
                    spelled[position].append(name)
        for position, (name, *others) in spelled.items():
            if not others:
                self.at[position].keys.add(name_key(name))
                for same in self.at[position].positions:
                    self._names[same] = name

    def _is_of_another_half(self, person: Person, key: Name) -> bool:
        """Whether a name contradicts the one half of a name that a person is given."""
        halves = (half_name(self._contacts[position]) for position in person.positions)
        return any(names_differ(name_key(half), key) for half in halves if half)

    def _slug_words(self, person: Person) -> set[str]:
        return set(slug_words(self._slugs[person.positions[0]] or ""))

    def namesakes(self, people: Sequence[Person], *, hidden: bool) -> Mapping[int, set[int]]:
        """Return the positions of the others of *people* whose row may be taken for that of a position.

        *hidden*: the name of a person that is known by profile alone may be any name. Else only one that its
        address spells counts.
        """
        named = [(person, form) for person in people for form in self._name_forms(person)]
        by_word: dict[str, list[tuple[Person, Name]]] = defaultdict(list)
        for person, form in named:
            for word in form:
                by_word[word].append((person, form))
        nameless = [person for person in people if hidden and not person.keys]
        found: dict[int, set[int]] = defaultdict(set)
        for person, form in named:
            # Names of which one is in the other, or that have two words in common, have more in common than
            # the commonest word of one of them: not all are compared with all.
            *near, commonest = sorted((by_word[word] for word in form), key=len)
            alike = {
                position
                for other, theirs in chain.from_iterable(near or [commonest])
                if _may_be_one_name(person, form, other, theirs)
                for position in other.positions
            }
            for position in alike:
                found[position].update(person.positions)
            for position in person.positions:
                found[position].update(alike, *(other.positions for other in nameless))
        for position, others in found.items():
            others.difference_update(self.at[position].positions)
        return {position: others for position, others in found.items() if others}

    def _name_forms(self, person: Person) -> Collection[Name]:
        """Return the keys of a person's names, else the words of its address, if they may spell a name."""
        spelled = frozenset(self._slug_words(person)) if not person.keys else _NO_WORDS
        return person.keys or ((name_key(spelled),) if len(spelled) > 1 else ())

    # -- e-mail addresses ----------------------------------------------------------------------

    def are_addressed_to_others(self, rows: Sequence[PlacedRow], lacking: Collection[int]) -> bool:
        """Whether an e-mail address in one of *rows* is that of another of the contacts *lacking* a row."""
        names = {name_key(name) for position in lacking if len(name := self._names[position]) > 1}
        employers = {domain(at) for position in lacking if (at := self._contacts[position].company_domain)}
        for row in rows:
            local, _, host = (row.row.email or "").casefold().rpartition("@")
            position, spelled = row.position or 0, name_key(frozenset(words(local)))
            own = self._names[position]
            if own and name_key(own) <= spelled:
                continue
            if any(name <= spelled for name in names):
                return True
            # A row that has the contact's name may well be of one who moved to that employer.
            if host in employers and not (own and own == row.name) and self._is_elsewhere(position, host):
                return True
        return False

    def _is_elsewhere(self, position: int, host: str) -> bool:
        contact = self._contacts[position]
        employed_there = same_employer(contact, EnrichmentRow({"company_domain": host}))
        return contact.company_domain is not None and not employed_there


def _may_be_one_name(one: Person, ours: Name, other: Person, theirs: Name) -> bool:
    are_spelled = not one.keys and not other.keys  # by an address, which may hold more than the name
    return ours <= theirs or theirs <= ours or (are_spelled and len(ours & theirs) > 1)


def _positions_by(inputs: Iterable[Input]) -> dict[Input, list[int]]:
    positions: dict[Input, list[int]] = defaultdict(list)
    for position, own in enumerate(inputs):
        positions[own].append(position)
    return positions


class LookAlikes:
    """The contacts of one request, by what a row may say of them.

    Of one person with and without an e-mail address both would be paid for, and neither row would be certain
    to be whose it is. In requests of their own, each has its own workflow.
    """

    def __init__(self) -> None:
        self._slugs: set[str] = set()
        self._by_word: dict[str, list[tuple[Name, Contact]]] = defaultdict(list)

    def clear(self) -> None:
        """Begin another request."""
        self._slugs.clear()
        self._by_word.clear()

    def add(self, contact: Prepared) -> None:
        """Take a contact into the request."""
        if slug := linkedin_slug(contact.sent.linkedin_url):
            self._slugs.add(slug)
        key = _key_of(contact.sent)
        for word in key:
            self._by_word[word].append((key, contact.sent))

    def has_like(self, contact: Prepared) -> bool:
        """Whether a contact of the request may be taken for this one."""
        if linkedin_slug(contact.sent.linkedin_url) in self._slugs:
            return True
        key = _key_of(contact.sent)
        # A middle name comes and goes: of two such names, one has all the words of the other.
        near = (self._by_word.get(word, ()) for word in key)
        return any(
            (key <= other_key or other_key <= key) and not _differ(contact.sent, other)
            for others in near
            for other_key, other in others
        )


def _key_of(contact: Contact) -> Name:
    """Return the name of a contact, or the one that its profile spells."""
    if name := name_of(contact):
        return name_key(name)
    spelled = slug_words(linkedin_slug(contact.linkedin_url) or "")
    return name_key(frozenset(word for word in spelled if word.isalpha()))


def _differ(one: Contact, other: Contact) -> bool:
    """Whether a row shows which of two namesakes it is for."""
    if linkedin_slug(one.linkedin_url) and linkedin_slug(other.linkedin_url):
        return True
    return same_employer(one, other) is False
