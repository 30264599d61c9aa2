"""What all kinds of contact tables share, numbered records under named columns; those of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple, TypeAlias, cast

from cleanlist_async.tables.input import DAMAGE, InputFile
from cleanlist_async.types import JSON

Cells: TypeAlias = tuple[str, ...] | Mapping[str, JSON]
"""Texts, or the values of a JSON line, whose numbers are :class:`NumberText`."""

_SAMPLE: Final = 100
_FIX: Final = 'each line must be one object, such as {"linkedin_url": "..."}'


class NumberText(str):
    """A JSON number, as its text: ``1.50`` stays ``1.50``."""

    __slots__ = ()


class Record(NamedTuple):
    """One record: its number as a spreadsheet shows it, and its cells.

    *raw* is the line to be written back as it was (JSON lines). A blank record, or a line below the table, is
    no contact.
    """

    number: int
    cells: Cells
    raw: str = ""
    is_contact: bool = True


class _RepeatedKeyError(ValueError):
    pass


def _unique(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise _RepeatedKeyError
    return mapping


_decode: Final = json.JSONDecoder(
    # Numbers as text: a long id or 1.50 would not survive a float.
    object_pairs_hook=_unique,
    parse_int=NumberText,
    parse_float=NumberText,
    parse_constant=NumberText,
).decode


class JsonlSource:
    """One JSON object per line. Its columns are the keys of its first objects."""

    has_header = True

    def __init__(self, file: InputFile) -> None:
        self.file = file
        if file.damage:
            raise file.damage_at(row=self._damaged_line())
        # A sample is enough to find the fields of a contact; a writer of CSV asks for all keys.
        self.headers = self._keys(islice(self.records(), _SAMPLE))

    @property
    def given_headers(self) -> Sequence[str]:
        """The headers as they stand in the file."""
        return self.headers

    @property
    def notes(self) -> list[str]:
        """Always empty: a line is either right or an error."""
        return []

    def records(self) -> Iterator[Record]:
        """Read all lines."""
        with self.file.text(newline="\n") as lines:  # JSON may hold a bare \r between its values
            for number, line in enumerate(lines, 1):
                raw = line.strip().rstrip("\x1a")  # Ctrl-Z, which ends a file of a program for DOS
                cells = self._object(number, raw) if raw else {}
                yield Record(number, cells, raw, is_contact=bool(raw))

    def texts(self, record: Record, columns: Sequence[int]) -> Sequence[str]:
        """Return the text of some values; a list or an object in one of them is an error."""
        cells = cast("Mapping[str, JSON]", record.cells)
        texts: list[str] = []
        for name in (self.headers[column] for column in columns):
            value = cells.get(name)
            # Only in a mapped column; others may hold anything, and are written back untouched.
            if isinstance(value, (list, dict)):
                raise self.file.error("holds a list or an object, not text", row=record.number, column=name)
            texts.append(json_text(value))
        return texts

    def all_headers(self) -> tuple[str, ...]:
        """Return every key, in order of appearance. Reads the whole file."""
        return self._keys(self.records())

    @staticmethod
    def _keys(records: Iterator[Record]) -> tuple[str, ...]:
        keys: dict[str, None] = {}
        for record in records:
            keys.update(dict.fromkeys(cast("dict[str, JSON]", record.cells)))
        return tuple(keys)

    def _object(self, number: int, raw: str) -> dict[str, JSON]:
        try:
            value: object = _decode(raw)
        except _RepeatedKeyError:
            raise self.file.error("has the same key twice", "rename one of them", row=number) from None
        except RecursionError:  # json recurses, so enough brackets exhaust the stack
            raise self.file.error("is nested too deeply", _FIX, row=number) from None
        except ValueError as error:
            raise self.file.error(f"is not JSON ({error})", _FIX, row=number) from None
        if not isinstance(value, dict):
            raise self.file.error(f"is not an object but {raw[:20]}", _FIX, row=number)
        return cast("dict[str, JSON]", value)

    def _damaged_line(self) -> int | None:
        with self.file.text(newline="\n") as lines:
            numbered = enumerate(lines, 1)
            return next((number for number, line in numbered if DAMAGE in line or "\0" in line), None)


class JsonlColumns(JsonlSource):
    """Some members of the objects of a file that was opened and checked already; `part_of` says which."""

    def __init__(self, whole: JsonlSource, headers: Sequence[str]) -> None:
        # Without super(), which would read the file again.
        self._whole, self.file, self.headers = whole, whole.file, tuple(headers)

    def records(self) -> Iterator[Record]:
        """Read all lines."""
        for record in self._whole.records():
            yield self.part_of(record) if record.is_contact else record

    def part_of(self, record: Record) -> Record:
        """Return what of an object is part of the table."""
        given = cast("dict[str, JSON]", record.cells)
        cells = {name: given[name] for name in self.headers if name in given}
        return record._replace(cells=cells, raw=json_source(cells))


def json_text(value: JSON) -> str:
    """Return a value as a cell: text and numbers as they are, null as blank, the rest as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json_source(value)


def json_source(value: JSON) -> str:
    """Return the JSON of a value, its numbers exactly as they were read."""
    if isinstance(value, NumberText):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(json_source, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)}: {json_source(item)}' for key, item in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)
