"""Contacts whose rows could not be told apart, were they in one request. Pure.

Such as one person with and without an e-mail address: both would be paid for, and neither row would be
certain to be whose it is. In requests of their own, each has its own workflow.
"""

from __future__ import annotations

from collections import defaultdict

from cleanlist_async.contacts.contact import Contact
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.normalize import (
    Name,
    linkedin_slug,
    name_key,
    name_of,
    same_employer,
    slug_words,
)


class LookAlikes:
    """The contacts of one request, by what a row may say of them."""

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
    """Return the name of a contact, or the one that its profile spells: ``/in/ada-lovelace-7b1``."""
    if name := name_of(contact):
        return name_key(name)
    spelled = slug_words(linkedin_slug(contact.linkedin_url) or "")
    return name_key(frozenset(word for word in spelled if word.isalpha()))


def _differ(one: Contact, other: Contact) -> bool:
    """Whether a row shows which of two namesakes it is for."""
    if linkedin_slug(one.linkedin_url) and linkedin_slug(other.linkedin_url):
        return True
    return same_employer(one, other) is False
