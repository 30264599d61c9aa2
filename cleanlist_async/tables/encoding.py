"""The encoding of a file: declared by a byte order mark, chosen by the caller, or the first that decodes."""

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
# Little-endian where no mark says otherwise, as Windows writes it.
_WITHOUT_MARK: Final = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec, and the byte order mark that stands before the text (empty if there is none)."""

    name: str
    mark: bytes = b""


UTF_8: Final = Encoding("utf-8")
UTF_8_MARKED: Final = Encoding("utf-8", codecs.BOM_UTF8)
WINDOWS_1252: Final = Encoding("cp1252")


def declared_encoding(start: bytes) -> Encoding | None:
    """Return the encoding that the first bytes of a file declare with a byte order mark."""
    for mark, name in _BYTE_ORDER_MARKS:
        if start.startswith(mark):
            return Encoding(name, mark)
    return None


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
    if declared and declared.name.startswith(canonical.removesuffix("-sig")):
        return declared
    return Encoding(family)
