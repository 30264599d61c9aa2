"""Keep a spreadsheet from running text as a formula (OWASP, "CSV Injection")."""

from __future__ import annotations

import re
from typing import Final

_LEADS: Final = frozenset("=+-@\t\r\n\0＝＋－＠")  # noqa: RUF001 - the full-width signs start a formula too
_PHONE: Final = r"[+(]?[0-9][0-9 ().-]*(?:x ?[0-9]{1,8})?"
_NUMBER: Final = re.compile(r"[+-]?[.,]*[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?%?")
_PHONES: Final = re.compile(rf"{_PHONE}(?:; ?{_PHONE})*")


def without_formula(value: str) -> str:
    """Put ``'`` before a value that a spreadsheet would take for a formula."""
    return f"'{value}" if value[:1] in _LEADS and value else value


def phones_without_formula(value: str) -> str:
    """Do the same for a cell of phone numbers: ``+1 555 0100`` stays as it is, since it is not a formula."""
    return value if _PHONES.fullmatch(value) else without_formula(value)


def text_without_formula(value: str) -> str:
    """Do the same for a cell of any kind: numbers, phone numbers and signs alone stay as they are."""
    if value[:1] not in _LEADS or not any(map(str.isalnum, value)):  # nearly always the first
        return value
    return value if _NUMBER.fullmatch(value) or _PHONES.fullmatch(value) else without_formula(value)


def text_with_formula(value: str) -> str:
    """Return a cell as it was before :func:`text_without_formula`."""
    return value[1:] if value[:1] == "'" and text_without_formula(value[1:]) == value else value
