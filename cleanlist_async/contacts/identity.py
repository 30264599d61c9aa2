"""What is sent of a contact, and when two contacts are the same person. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Final, TypeAlias, cast

from pydantic_core import to_json

from cleanlist_async.checks import a_type, is_encodable, shown
from cleanlist_async.contacts.contact import API_FIELDS, CONTACT_FIELDS, Contact, ContactDict
from cleanlist_async.contacts.texts import (
    as_text,
    cleaned,
    domain,
    folded,
    is_absent,
    is_placeholder,
    is_profile,
    profile,
)

ContactLike: TypeAlias = Contact | ContactDict | Mapping[str, object]

LONGEST_VALUE: Final = 2_000
"""Characters of one field. Longer values are an accident of the input."""

RULE: Final = "needs linkedin_url, or first_name + last_name + (company_domain or company_name)"
NOT_ENCODABLE: Final = "holds characters that no encoding has (lone surrogates)"
NO_PROFILE: Final = "linkedin_url is not the address of a person's profile on LinkedIn"
_NAMES: Final = ("first_name", "last_name")
_COMPANIES: Final = ("company_domain", "company_name")

_CANONICAL_FORMS: Final = {"linkedin_url": profile, "company_domain": domain}
_FIELD_NAMES: Final = frozenset(CONTACT_FIELDS)
_VALUES: Final = cast("Callable[[Contact], tuple[object, ...]]", attrgetter(*API_FIELDS))


@dataclass(slots=True)  # not frozen: that costs 1 µs for each contact
class Prepared:
    """A contact that may be sent: `payload` is its JSON."""

    index: int
    contact: Contact
    payload: bytes
    _identity: bytes | None = field(default=None, repr=False, compare=False)
    _sent: Contact | None = field(default=None, repr=False, compare=False)

    @property
    def sent(self) -> Contact:
        """What is sent of it, which differs from what was given by what cleaning changed."""
        return self._sent or self.contact

    @property
    def identity(self) -> bytes:
        """16 bytes that are the same for all spellings of one contact. Computed on first use.

        A store also takes a contact for the same one with and without the e-mail address that was found for
        it: see `cleanlist_async.storage.store.same_contact`.
        """
        if self._identity is None:
            self._identity = _digest(to_json(_canonical(self.sent)))
        return self._identity

    def identity_with(self, email: str | None) -> bytes:
        """Return the `identity` of the same contact with another e-mail address, or with none."""
        return _digest(to_json(_canonical(replace(self.sent, email=email))))

    @property
    def payload_digest(self) -> bytes:
        """16 bytes that are the same for the same payload."""
        return _digest(self.payload)


@dataclass(frozen=True, slots=True)
class Invalid:
    """A contact that is not sent, and why; *is_malformed*: by the names or types of its fields."""

    index: int
    contact: Contact
    reason: str
    is_malformed: bool = False


def prepare(index: int, given: ContactLike) -> Prepared | Invalid:
    """Check a contact by the documented rule, and reduce it to what is sent.

    A contact is sent as given, cleaned of invisible characters and surrounding white space, in composed
    letters. Missing values and placeholders such as ``N/A`` are left out, as is a ``linkedin_url`` that
    cannot be a profile if the rest is enough. The rule: docs.cleanlist.ai/api-reference/errors, 422.
    """
    # One invalid contact would make the server refuse all 250 of its request, so it is found here.
    # The common case first: a Contact cannot have an unknown field.
    contact, problem = (given, None) if isinstance(given, Contact) else _from_mapping(given)
    if problem is not None:
        return Invalid(index, contact, problem, is_malformed=True)
    # It is text in a store, a journal and a file: a number would not come back from there.
    if not isinstance(key := cast("object", contact.key), str | None):
        text = as_text(key)
        contact = replace(contact, key=shown(key) if text is None else text)
        if text is None:
            return Invalid(index, contact, f"key must be text, not {a_type(key)}", is_malformed=True)
    given_fields = {
        name: value for name, value in zip(API_FIELDS, _VALUES(contact), strict=True) if value is not None
    }
    try:
        fields = _sent_of(given_fields)
        payload = to_json(fields)  # the bytes of the request and of the digest alike
    except _UnfitError as unfit:
        return Invalid(index, contact, str(unfit), is_malformed=unfit.is_malformed)
    except ValueError:
        return Invalid(index, contact, NOT_ENCODABLE)
    is_same = fields == given_fields
    # What is not sent, such as the key, comes back in a result, which has to be written somewhere too.
    if not (is_same and (contact.key or "").isascii()) and not _is_encodable(contact):
        return Invalid(index, contact, NOT_ENCODABLE)
    return Prepared(index, contact, payload, _sent=None if is_same else Contact(**fields, key=contact.key))


def _is_encodable(contact: Contact) -> bool:
    values: tuple[object, ...] = (*_VALUES(contact), contact.key)
    return all(is_encodable(value) for value in values if isinstance(value, str))


class _UnfitError(Exception):
    def __init__(self, reason: str, *, is_malformed: bool = False) -> None:
        super().__init__(reason)
        self.is_malformed = is_malformed


def _sent_of(given_fields: Mapping[str, object]) -> dict[str, str]:
    """Return what is sent of the fields of a contact. Raises _UnfitError."""
    fields: dict[str, str] = {}
    for name, given in given_fields.items():
        if (value := given if isinstance(given, str) else _text_of(name, given)) is None:
            continue
        if len(value) > LONGEST_VALUE:
            raise _UnfitError(f"{name} has {len(value):,} characters, more than {LONGEST_VALUE:,}")
        if (text := cleaned(value)) and not is_placeholder(name, text):
            fields[name] = text
    is_foreign = "linkedin_url" in fields and not is_profile(fields["linkedin_url"])
    if is_foreign:
        del fields["linkedin_url"]
    if not is_sufficient(fields):
        raise _UnfitError(NO_PROFILE if is_foreign else _what_is_missing(fields))
    return fields


def _canonical(contact: Contact) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name in API_FIELDS:
        if (value := getattr(contact, name)) and (text := _CANONICAL_FORMS.get(name, folded)(value)):
            fields[name] = text
    return fields


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


def is_sufficient(fields: Mapping[str, str]) -> bool:
    """Whether these fields are enough for the API to look for the person."""
    if "linkedin_url" in fields:
        return True
    has_name = "first_name" in fields and "last_name" in fields
    return has_name and ("company_domain" in fields or "company_name" in fields)


def _what_is_missing(fields: Mapping[str, str]) -> str:
    missing = [name for name in _NAMES if name not in fields]
    has_company = any(name in fields for name in _COMPANIES)
    if len(missing) == len(_NAMES) and not has_company:
        return RULE
    company = [] if has_company else [f"({' or '.join(_COMPANIES)})"]
    return f"needs {' + '.join(missing + company)}, or linkedin_url"


def _text_of(name: str, value: object) -> str | None:
    """Return a value of a mapping, which may hold anything. Raises _UnfitError."""
    if is_absent(value):
        return None
    if (text := as_text(value)) is None:
        raise _UnfitError(f"{name} must be text, not {a_type(value)}", is_malformed=True)
    return text


def _from_mapping(given: object) -> tuple[Contact, str | None]:
    """Read a mapping; keep the known fields of an invalid one, so that its ``key`` comes back."""
    # The type itself: a subclass of dict may do anything when it is read.
    if type(given) is dict and given.keys() <= _FIELD_NAMES:
        return Contact(**_as_texts(cast("dict[str, Any]", given))), None
    if not isinstance(given, Mapping):
        return Contact(), f"is {a_type(given)}, not a Contact or a mapping"
    fields = cast("Mapping[object, Any]", given)
    known = {str(name): fields[name] for name in fields if name in CONTACT_FIELDS}
    unknown = next((str(name) for name in fields if name not in CONTACT_FIELDS), None)
    return Contact(**_as_texts(known)), None if unknown is None else _unknown_field(unknown)


def _as_texts(fields: dict[str, Any]) -> dict[str, Any]:
    """Replace missing values and whole numbers; others stay, to be refused."""
    if all(value is None or isinstance(value, str) for value in fields.values()):
        return fields
    return {name: None if is_absent(value) else as_text(value) or value for name, value in fields.items()}


def _unknown_field(name: str) -> str:
    guess = difflib.get_close_matches(name, CONTACT_FIELDS, 1)
    hint = f"; did you mean {guess[0]}?" if guess else f"; the fields are {', '.join(CONTACT_FIELDS)}"
    return f"has an unknown field {name[:40]!r}{hint}"
