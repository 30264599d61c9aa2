"""An array of JSON objects, read and written one object at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from typing import BinaryIO, Final

from cleanlist_async.tables.errors import TableError

_CHUNK: Final = 1 << 18
_SPACE: Final = " \t\r\n"
_LONGEST_OBJECT: Final = 16 << 20
"""Characters of one object. A longer one is no contact, and would have to be held in memory."""


def lines_of(stream: BinaryIO, path: str) -> Iterator[bytes]:
    """Yield the objects of an array, each on a line as it is written. Raises TableError by number."""
    # Bytes that do not decode are passed on as they are: the reader of the lines names their place.
    text = TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape")
    decode = json.JSONDecoder().raw_decode
    buffer, number, expects_comma = text.read(_CHUNK).lstrip(_SPACE), 0, False
    if not buffer.startswith("["):
        raise TableError(path=path, problem="holds no array", fix='it must be [{"linkedin_url": "..."}, ...]')
    buffer = buffer[1:]
    while True:
        buffer = buffer.lstrip(_SPACE)
        if expects_comma and buffer.startswith(","):
            buffer, expects_comma = buffer[1:].lstrip(_SPACE), False
        if buffer.startswith("]"):
            return
        start = len(buffer)
        try:
            value, end = decode(buffer) if buffer and not expects_comma else (None, start)
        except (ValueError, RecursionError):
            end, value = start, None
        if end == start:  # more text is needed, or there is none
            more = text.read(_CHUNK)
            if not more or start > _LONGEST_OBJECT:
                raise _broken(path, number + 1)
            buffer += more
            continue
        number += 1
        if not isinstance(value, dict):
            raise TableError(path=path, row=number, problem="is no object", fix="each item must be one")
        # A string holds no raw line end, so all of them, and the indents, stand between members.
        line = " ".join(part.strip(_SPACE) for part in buffer[:end].split("\n"))
        yield f"{line}\n".encode("utf-8", "surrogateescape")
        buffer, expects_comma = buffer[end:], True


def _broken(path: str, number: int) -> TableError:
    return TableError(
        path=path, row=number, problem="is not JSON, or the file is cut short", fix="save it again"
    )


def write_array(stream: BinaryIO, lines: Iterable[str]) -> None:
    """Write lines of JSON as one array."""
    separator = "[\n"
    for line in lines:
        stream.write(f"{separator}{line.rstrip()}".encode())
        separator = ",\n"
    stream.write(b"[]\n" if separator == "[\n" else b"\n]\n")
