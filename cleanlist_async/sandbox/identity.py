"""The identity of a contact, and names for credentials that do not reveal them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TypeAlias

from cleanlist_async.contacts.contact import API_FIELDS, Contact, ContactDict

ContactLike: TypeAlias = Contact | ContactDict | Mapping[str, object]
Identity: TypeAlias = tuple[str, ...]
"""The values of ``API_FIELDS``, in that order, without surrounding blanks; "" for an absent one."""


def identity_of(contact: ContactLike) -> Identity:
    """Return what makes two contacts the same purchase: the fields that the API is sent."""
    if isinstance(contact, Contact):
        return tuple(_text(getattr(contact, name)) for name in API_FIELDS)
    # From a list, which is faster than a generator: this runs for every contact of a submit.
    return tuple([_text(contact.get(name)) for name in API_FIELDS])


def key_id_of(credential: str) -> str:
    """Return a stable name for an API key or JWT that does not reveal it."""
    return "key_" + hashlib.sha256(credential.encode()).hexdigest()[:12]


def seeded_uuid(*parts: object) -> str:
    """Return the UUID that belongs to these values, the same one each time."""
    digits = hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
    # Version 4 in form, so that a strict parser accepts it as a UUID.
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()
