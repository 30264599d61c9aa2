"""Build a contact from the cells of a record. The hot path of reading, so positions are resolved once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from cleanlist_async.contacts.cleaning import is_placeholder
from cleanlist_async.contacts.contact import CONTACT_FIELDS, Contact
from cleanlist_async.tables.guessing import Guess
from cleanlist_async.tables.headers import last_name_comes_first
from cleanlist_async.tables.honorifics import without_titles
from cleanlist_async.tables.mapping import is_split_name
from cleanlist_async.tables.values import company_domain, split_name

Texts: TypeAlias = Sequence[str] | Mapping[int, str]
"""The cells of a record, by the position of their column."""
BuildContact: TypeAlias = Callable[[Texts], Contact]


def contact_builder(columns: Mapping[str, Guess]) -> BuildContact:
    """Return a function from the cells of a record to a contact.

    Values lose surrounding white space, and names their titles; what is blank then, and placeholders, are
    None; a web address becomes its domain.
    """
    positions = [(field, guess.column) for field, guess in columns.items()]
    # By position, not by name: this runs for each of a million rows.
    order = {field: place for place, field in enumerate(columns)}
    linkedin, first, last, name, domain, email, key = (
        order.get(field, len(order)) for field in CONTACT_FIELDS
    )
    splits = is_split_name(columns)
    is_reversed = splits and last_name_comes_first(columns["last_name"].header)

    def build(texts: Texts) -> Contact:
        values = [_value(field, texts[position]) for field, position in positions]
        values.append(None)  # what an unmapped field reads
        first_name, last_name = values[first], values[last]
        if splits and first_name:
            first_name, last_name = split_name(first_name, last_name_first=is_reversed)
        web = values[domain]
        return Contact(
            linkedin_url=values[linkedin],
            first_name=first_name,
            last_name=last_name,
            company_name=values[name],
            company_domain=company_domain(web) if web else None,
            email=values[email],
            key=values[key],
        )

    return build


def _value(field: str, text: str) -> str | None:
    text = text.strip()
    if field == "first_name":
        text = without_titles(text).strip()
    elif field == "last_name":  # "Herr" is a family name too
        text = without_titles(text).strip() or ("" if "." in text else text)
    return None if not text or (field != "key" and is_placeholder(field, text)) else text
