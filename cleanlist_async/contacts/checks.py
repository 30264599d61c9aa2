"""Checks of arguments that are contacts. All raise ConfigurationError."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from inspect import isclass
from typing import Final

from cleanlist_async.checks import is_any, wrong
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.contacts.identity import ContactLike, Invalid, Prepared, prepare
from cleanlist_async.errors import ConfigurationError

_EXPORTS: Final = ("iterrows", "iter_rows", "to_dict", "to_dicts", "to_pydict", "to_pylist", "to_pandas")
"""Methods of tables that hand out their rows or columns."""
_LAZY: Final = ("collect_schema", "to_batches", "read_next_batch")
"""Methods of queries, data sets and streams of batches."""


def check_contact(contact: object) -> None:
    """Check that this is one contact. Fields that are insufficient end in a result."""
    if not isinstance(contact, Contact | Mapping):
        raise wrong("contact", "a Contact or a mapping", contact)


def check_contacts(contacts: object, *kinds: type, name: str = "contacts") -> None:
    """Check that this is an ordered collection of contacts, of one of *kinds*."""
    expected = "an iterable of Contact or mappings"
    if is_frame(contacts):
        fix = 'Pass df.to_dict("records") of a pandas DataFrame, df.to_dicts() of a polars one.'
        raise wrong(name, expected, contacts, fix=fix)
    if is_any(contacts, set, frozenset):  # results are matched to contacts by position
        raise wrong(name, "in an order, which their results keep", contacts, fix="Pass a list.")
    # A text or a mapping is iterable too: its letters or keys would be read as contacts.
    is_one = is_any(contacts, Contact, Mapping, str, bytes, bytearray, memoryview)
    if is_one or isclass(contacts) or not is_any(contacts, *kinds):
        raise wrong(name, expected, contacts, fix="For one contact, pass a list of one.")


class FormCheck:
    """Tells whether all contacts are malformed in one way, which is a mistake of the program."""

    def __init__(self) -> None:
        self._count = 0
        self._reason: str | None = None
        self._is_one_way = True

    def add(self, contact: Prepared | Invalid) -> bool:
        """Take the next contact, and return whether it is malformed as all before it."""
        if not self._is_one_way:
            return False
        self._count += 1
        reason = contact.reason if isinstance(contact, Invalid) and contact.is_malformed else None
        self._is_one_way = reason is not None and self._reason in {None, reason}
        self._reason = reason
        return self._is_one_way

    @property
    def error(self) -> ConfigurationError | None:
        """The error of contacts that are all malformed in one way; None for any others."""
        if not self._is_one_way or self._reason is None:
            return None
        every = f"Every one of the {self._count:,} contacts"
        if self._count == 1:
            every = "The only one of the contacts"
        is_sentence = self._reason.startswith(("has ", "is "))
        says = f"{every} {self._reason}" if is_sentence else f"{every} is malformed: {self._reason}"
        return ConfigurationError(says if says.endswith("?") else f"{says}.", fix="Nothing was sent.")


def check_form(
    contacts: Iterable[ContactLike],
    prepare: Callable[[int, ContactLike], Prepared | Invalid] = prepare,
) -> None:
    """Check that not all contacts are malformed in one way."""
    form = FormCheck()
    # Of most lists only the first contact is looked at.
    if all(form.add(prepare(0, contact)) for contact in contacts) and form.error is not None:
        raise form.error


def is_frame(value: object) -> bool:
    """Whether this is a table of pandas, polars, Arrow or their kind, which may iterate over its columns."""
    if isclass(value):  # its own methods would pass for those of an instance
        return False
    if _has_any(value, *_LAZY):
        return True
    has_columns = _has_any(value, "columns", "column_names") and _has_any(value, *_EXPORTS)
    # A column exports itself as a stream, too, but iterates over its values.
    is_stream = hasattr(value, "__arrow_c_stream__") and not _has_any(value, "dtype", "type")
    return has_columns or is_stream or hasattr(value, "__dataframe__")


def _has_any(value: object, *names: str) -> bool:
    return any(hasattr(value, name) for name in names)
