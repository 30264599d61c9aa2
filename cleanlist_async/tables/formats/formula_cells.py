"""Cells of a workbook with a formula and no value, as programs write them that cannot calculate."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from html import unescape
from typing import BinaryIO, Final
from zipfile import BadZipFile, ZipFile

_CHUNK: Final = 1 << 20
_NAMED: Final = 5
_WORKBOOK: Final = "xl/workbook.xml"
_RELATIONS: Final = "xl/_rels/workbook.xml.rels"
_TAG: Final = re.compile(r"<(?:\w+:)?(?:sheet|Relationship)\s([^>]*)>")
_ATTRIBUTE: Final = re.compile(r"""(?<![\w:])([\w:]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_CELL: Final = re.compile(
    rb"<(?:\w+:)?c\s([^>]*)>\s*<(?:\w+:)?f(?:\s[^>]*/>|/>|(?:\s[^>]*)?>[^<]*</(?:\w+:)?f>)(.*?)</(?:\w+:)?c>",
    re.DOTALL,
)
"""A cell with a formula: its attributes, and what stands behind the formula."""
_FORMULA: Final = re.compile(rb"<(?:\w+:)?f[\s/>]")
_VALUE: Final = re.compile(rb"<(?:\w+:)?(?:v(?:\s[^>]*)?>[^<]|is[\s>])")
_BLANK_TEXT: Final = re.compile(rb"<(?:\w+:)?v[\s/>]")


class FormulaCells:
    """Finds the formulas of a sheet that have no value: they are read as blank."""

    def __init__(self) -> None:
        self._count = 0
        self._first: list[str] = []

    def look_at(self, stream: BinaryIO, sheet: str) -> None:
        """Read the sheet of a workbook once more, as far as it is needed. A workbook that is odd has none."""
        try:
            with ZipFile(stream) as archive:
                name = _file_of(archive, sheet)
                for address in _without_value(archive, name) if name else ():
                    self._count += 1
                    if len(self._first) < _NAMED:
                        self._first.append(address)
        # RuntimeError: encrypted. NotImplementedError: a compression that zipfile does not know.
        except (BadZipFile, KeyError, UnicodeError, NotImplementedError, RuntimeError, zlib.error):
            return

    @property
    def notes(self) -> list[str]:
        """A line that names the first of the cells, if there are any."""
        if not self._count:
            return []
        more = ", ..." if self._count > len(self._first) else ""
        cells = f"{self._count:,} {'cell' if self._count == 1 else 'cells'} ({', '.join(self._first)}{more})"
        way_out = "open the workbook in Excel and save it, to have them calculated"
        return [f"{cells} with a formula and no value: read and written as blank; {way_out}"]


def _file_of(archive: ZipFile, sheet: str) -> str | None:
    """Return the name of a sheet's file within the workbook."""
    targets = {tag.get("Id"): tag.get("Target", "") for tag in _tags(archive.read(_RELATIONS))}
    for tag in _tags(archive.read(_WORKBOOK)):
        if tag.get("name") == sheet:
            key = next((value for name, value in tag.items() if name.endswith(":id")), None)
            target = targets.get(key)
            return target and (target[1:] if target.startswith("/") else f"xl/{target}")
    return None


def _tags(content: bytes) -> Iterator[dict[str, str]]:
    for tag in _TAG.finditer(content.decode("utf-8")):
        yield {name: unescape(one or other) for name, one, other in _ATTRIBUTE.findall(tag[1])}


def _without_value(archive: ZipFile, name: str) -> Iterator[str]:
    """Yield the addresses of the cells, in flat memory."""
    rest = b""
    with archive.open(name) as file:
        while chunk := file.read(_CHUNK):
            text = rest + chunk
            end = max(text.rfind(b"<row"), text.rfind(b":row"), 0)  # no cell spans it
            yield from _in_rows(text[:end])
            rest = text[end:]
    yield from _in_rows(rest)


def _in_rows(text: bytes) -> Iterator[str]:
    if _FORMULA.search(text) is None:  # nearly always: most sheets have none
        return
    for attributes, content in _CELL.findall(text):
        if not _has_value(attributes, content):
            found = {name: one or other for name, one, other in _ATTRIBUTE.findall(attributes.decode())}
            yield found.get("r", "?")


def _has_value(attributes: bytes, content: bytes) -> bool:
    if _VALUE.search(content) is not None:
        return True
    # A formula whose value is the empty text has an empty <v>, and the type str.
    return (
        re.search(rb"\bt\s*=\s*[\"']str", attributes) is not None and _BLANK_TEXT.search(content) is not None
    )
