"""The encoding of a file: declared by a byte order mark, or chosen by the caller; else UTF-8."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Final

_BYTE_ORDER_MARKS: Final = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WITHOUT_MARK: Final = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec, and the byte order mark that stands before the text (empty if there is none)."""

    name: str
    mark: bytes = b""


UTF_8: Final = Encoding("utf-8")
UTF_8_MARKED: Final = Encoding("utf-8", codecs.BOM_UTF8)


def declared_encoding(start: bytes) -> Encoding | None:
    """Return the encoding that the first bytes of a file declare with a byte order mark."""
    for mark, name in _BYTE_ORDER_MARKS:
        if start.startswith(mark):
            return Encoding(name, mark)
    return None


def wide_encoding(start: bytes) -> str | None:
    """Return the encoding of a text without a mark in which every character takes two or four bytes.

    It shows by the place of the zero bytes in delimiters, line ends and Latin letters. None for other texts.
    """
    zeros = [start[place::4].count(0) for place in range(4)]
    nearly_all = len(start) // 4 * 0.9
    if min(zeros[2:]) > nearly_all:
        return "utf-32-le"
    if min(zeros[:2]) > nearly_all:
        return "utf-32-be"
    big, little = zeros[0] + zeros[2], zeros[1] + zeros[3]
    # Of a table in any script, an eighth is delimiters and the like; a stray NUL is rarer.
    if max(big, little) * 16 < len(start):
        return None
    return "utf-16-be" if big > little else "utf-16-le"


def chosen_encoding(name: str, start: bytes) -> Encoding:
    """Return the caller's encoding, with the file's byte order mark when it is of the same family.

    Raises
    ------
    LookupError
        Python knows no text encoding of that name.

    """
    "".encode(name)  # codecs.lookup also knows codecs that are no text encodings, such as hex
    canonical = codecs.lookup(name).name
    declared = declared_encoding(start)
    family = _WITHOUT_MARK.get(canonical, canonical)
    if canonical in {"utf-16", "utf-32"} and (wide := wide_encoding(start)) and wide.startswith(canonical):
        family = wide  # without a mark Python would take the byte order of this machine
    if declared and declared.name.startswith(canonical.removesuffix("-sig")):
        return declared
    return Encoding(family)
