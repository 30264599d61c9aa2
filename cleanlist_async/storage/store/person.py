"""A person whose data is to be deleted, and whether a contact or a result is about them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Self, cast

from pydantic_core import from_json

from cleanlist_async.contacts.contact import API_FIELDS, Contact
from cleanlist_async.contacts.identity import ContactLike, Invalid, prepare
from cleanlist_async.contacts.texts import domain, folded, is_profile, profile
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.types import JSON


@dataclass(frozen=True, slots=True)
class Person:
    """Whom to look for. One of address, profile, or name with employer is enough to be found."""

    identities: frozenset[bytes]
    """Of all contacts that can be made of what is known, as they may have been bought."""
    email: str
    profile: str
    name: tuple[str, str] | None
    employers: frozenset[str]
    contact: Contact

    @classmethod
    def of(cls, given: ContactLike) -> Self:
        """Read what is known of a person. Raises ConfigurationError where that could be many people."""
        contact = _contact(given)
        page = (contact.linkedin_url or "").strip()
        names = folded(contact.first_name or ""), folded(contact.last_name or "")
        employers = {folded(contact.company_name or ""), domain(contact.company_domain or "")} - {""}
        person = cls(
            identities=frozenset(_identities(contact)),
            email=folded(contact.email or ""),
            profile=profile(page) if page and is_profile(page) else "",
            name=names if all(names) and employers else None,
            employers=frozenset(employers),
            contact=contact,
        )
        if not (person.email or person.profile or person.name):
            raise ConfigurationError(
                "A person is named by an e-mail address, a LinkedIn profile, or first name, last name and"
                f" company or its domain, not by {_given(contact)} alone: others may have that too."
            )
        return person

    def identities_with(self, emails: Iterable[str]) -> Iterator[bytes]:
        """Yield the identities of contacts that have one of these addresses, such as one that was found."""
        for email in emails:
            yield from _identities(replace(self.contact, email=email))

    def is_described(self, by: Description) -> bool:
        """Whether a contact or a result is this person's: by address, by profile, or by name and employer."""
        if (self.email and self.email in by.texts) or (self.profile and self.profile in by.profiles):
            return True
        return self.name in by.names and not self.employers.isdisjoint(by.employers)


@dataclass(frozen=True, slots=True)
class Description:
    """What a contact or a result says of a person, in the forms in which people are compared."""

    texts: frozenset[str]
    """Among them any e-mail address."""
    profiles: frozenset[str]
    names: frozenset[tuple[str, str]]
    employers: frozenset[str]

    @classmethod
    def of_contact(cls, contact: Contact) -> Self:
        """Describe whom a contact is about."""
        page = _text(contact.linkedin_url)
        employers = folded(_text(contact.company_name)), domain(_text(contact.company_domain))
        name = folded(_text(contact.first_name)), folded(_text(contact.last_name))
        return cls(
            texts=frozenset({folded(_text(contact.email))}),
            profiles=frozenset({profile(page)} if page else ()),
            names=frozenset({name}),
            employers=frozenset(employers),
        )

    @classmethod
    def of_result(cls, result: str) -> Self:
        """Describe whom a result is about, as it lies in a row."""
        found = cast("JSON", from_json(result))
        given = [*_texts(found)]
        texts = frozenset(map(folded, given))
        return cls(
            texts=texts,
            profiles=frozenset(profile(text) for text in given if is_profile(text)),
            names=frozenset(map(_names, _objects(found))),
            employers=texts.union(map(domain, given)),
        )

    def among(self, people: Iterable[Person]) -> list[Person]:
        """Return those whom it describes of these people, of whom a file may name thousands."""
        return [person for person in people if person.is_described(self)]


def emails_in(result: str) -> set[str]:
    """Return the e-mail address that a result, as it lies in a row, has found."""
    email = cast("Mapping[str, JSON]", from_json(result)).get("email")
    return {email} if isinstance(email, str) else set()


def _contact(given: ContactLike) -> Contact:
    prepared = prepare(0, given)
    if isinstance(prepared, Invalid) and prepared.is_malformed:
        raise ConfigurationError(f"A person {prepared.reason}.")
    return prepared.contact


def _identities(contact: Contact) -> Iterator[bytes]:
    """Yield the identity of each contact that can be made of the fields that are known."""
    given = {name: value for name in API_FIELDS if (value := getattr(contact, name))}
    for size in range(1, len(given) + 1):
        for names in combinations(given, size):
            prepared = prepare(0, Contact(**{name: given[name] for name in names}))
            if not isinstance(prepared, Invalid) and _names_one(names):
                yield prepared.identity


def _names_one(fields: Sequence[str]) -> bool:
    return "linkedin_url" in fields or {"first_name", "last_name"} <= set(fields)


def _given(contact: Contact) -> str:
    return ", ".join(name for name in API_FIELDS if getattr(contact, name)) or "nothing"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _objects(value: JSON) -> Iterator[Mapping[str, JSON]]:
    """Yield every object within a value."""
    stack: list[JSON] = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            yield one
            stack += one.values()
        elif isinstance(one, list):
            stack += one


def _texts(value: JSON) -> Iterator[str]:
    for part in _objects(value):
        for held in part.values():
            for one in held if isinstance(held, list) else [held]:
                if isinstance(one, str):
                    yield one


def _names(part: Mapping[str, Any]) -> tuple[str, str]:
    return folded(_text(part.get("first_name"))), folded(_text(part.get("last_name")))
