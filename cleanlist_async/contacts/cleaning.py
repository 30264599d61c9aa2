"""What is sent of a field: its text without invisible characters, or nothing where it says nothing. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from cleanlist_async.contacts.canonical import visible

_PLACEHOLDERS: Final = frozenset({
    *("n/a", "n.a.", "n.a", "n\\a", "na", "nan", "nil", "none", "null", "(null)", "<null>", "[null]", "\\n"),
    *("undefined", "unknown", "not available", "not provided", "not applicable", "not specified", "no data"),
    *("(none)", "<none>", "[none]", "(blank)", "(empty)", "<na>", "nat", "#nv", "[object object]"),
})  # fmt: skip
_LONGEST: Final = max(map(len, _PLACEHOLDERS))
_NAMES: Final = frozenset({"Na", "Nan", "Nat", "Nil", "Null"})
"""Placeholders that are names of people where they are written as such."""
_ERROR: Final = re.compile(r"#(?:n/a|[a-z]+(?:[_/][a-z0-9]+)*[!?])", re.IGNORECASE)
"""An error of a spreadsheet: ``#REF!``, ``#DIV/0!``."""
_NAME_FIELDS: Final = frozenset({"first_name", "last_name"})


def cleaned(text: str) -> str:
    """Return *text* as it is sent: composed, without invisible characters and surrounding white space."""
    text = visible(text)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.strip()  # last: an invisible character at the end would protect the space before it


def is_placeholder(field: str, text: str) -> bool:
    """Whether the cleaned *text* of a field stands for no value, as ``N/A``, ``nan`` and ``#REF!`` do."""
    if len(text) > _LONGEST:
        return False
    if text.casefold() in _PLACEHOLDERS:
        return not (field in _NAME_FIELDS and text in _NAMES)
    if text[:1].isalnum():  # nearly always
        return False
    return _ERROR.fullmatch(text) is not None or all(map(_is_punctuation, text))


def _is_punctuation(sign: str) -> bool:
    category = unicodedata.category(sign)
    return category[0] in "PZ" or category in {"Sm", "Sc", "Sk"}  # an emoji may be a name
