"""What is sent of a field: its text without invisible characters, or nothing where it says nothing. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from cleanlist_async.contacts.canonical import visible
from cleanlist_async.contacts.placeholders import IN_BRACKETS, PLACEHOLDERS


def _listed(words: str) -> frozenset[str]:
    return frozenset(word.strip() for word in words.split(","))


_PLACEHOLDERS: Final = _listed(PLACEHOLDERS)
_IN_BRACKETS: Final = _listed(IN_BRACKETS)
_LONGEST: Final = 2 + max(map(len, _PLACEHOLDERS))
_NAMES: Final = frozenset({"Na", "Nan", "Nat", "Nil", "Null", "Tba", "False"})
"""Placeholders that are names of people where they are written as such."""
_ERROR: Final = re.compile(r"#[^\s#]{1,24}[!?]|#n/a .*")
"""An error of a spreadsheet in any language: ``#REF!``, ``#¡VALOR!``."""
_AROUND: Final = " \t-\u2013\u2014_*.\u2026()[]{}<>\"'`|~:;,!?=+"
_OPENING: Final = frozenset("([{<-\u2013\u2014_*")
_LOST: Final = "\ufffd"
_NAME_FIELDS: Final = frozenset({"first_name", "last_name"})


def cleaned(text: str) -> str:
    """Return *text* as it is sent: composed, without invisible characters and surrounding white space."""
    text = visible(text)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.strip()  # last: an invisible character at the end would protect the space before it


def is_placeholder(field: str, text: str) -> bool:
    """Whether the cleaned *text* of a field stands for no value, as ``N/A``, ``nan`` and ``#REF!`` do.

    So does a text with a letter that was lost: whoever is looked for by it is not found.
    """
    if _LOST in text:
        return True
    if not text or len(text) > _LONGEST:
        return False
    known = text.casefold()
    if known in _PLACEHOLDERS:
        return not (field in _NAME_FIELDS and text in _NAMES)
    # Nearly always: this runs for each cell of millions. Wide letters are other ones in NFKC.
    if text[0].isalnum() and (text.isascii() or unicodedata.is_normalized("NFKC", text)):
        return known.startswith("err:") and known[4:].isdigit()
    known = unicodedata.normalize("NFKC", known)
    if _ERROR.fullmatch(known) is not None or all(map(_is_punctuation, text)):
        return True
    inner = known.strip(_AROUND)
    return inner in _PLACEHOLDERS or (known[:1] in _OPENING and inner in _IN_BRACKETS)


def has_lost_letter(text: str) -> bool:
    """Whether an earlier program could not read a letter of *text*, and wrote U+FFFD in its place."""
    return _LOST in text


def _is_punctuation(sign: str) -> bool:
    category = unicodedata.category(sign)
    return category[0] in "PZ" or category in {"Sm", "Sc", "Sk"}  # an emoji may be a name
