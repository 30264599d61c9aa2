"""How a CSV output is laid out where its input does not say it: a workbook has no delimiter."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Final, Self

from cleanlist_async.tables.encoding import UTF_8_MARKED, Encoding, chosen_encoding
from cleanlist_async.tables.errors import TableError
from cleanlist_async.tables.formats import TableFormat

_DELIMITER_NAMES: Final = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
# Little-endian, as `chosen_encoding` takes these names.
_MARKS: Final = {"utf-16": codecs.BOM_UTF16_LE, "utf-32": codecs.BOM_UTF32_LE}


@dataclass(frozen=True, slots=True)
class OutputLayout:
    """The encoding and the delimiter that a caller chose for a CSV; None for what the input decides.

    *is_of_texts*: the input is a CSV of ours, made of texts that are to become no formulas.
    """

    encoding: Encoding | None = None
    delimiter: str | None = None
    is_of_texts: bool = False

    @classmethod
    def of(cls, path: str, encoding: str | None, delimiter: str | None) -> Self:
        """Take what was chosen for the table at *path*. Raises TableError for what does not exist."""
        return cls(
            None if encoding is None else written_encoding(path, encoding),
            None if delimiter is None else delimiter_named(path, delimiter),
        )

    def refuse_other_format(self, path: str, table_format: TableFormat | None) -> None:
        """Raise TableError where the output has no such layout: all formats but CSV have their own."""
        if table_format not in {None, "csv"} and (
            self.encoding or (self.delimiter and table_format != "tsv")
        ):
            raise TableError(
                path=path,
                problem="has no encoding or delimiter to choose, and neither has the input",
                fix="leave out --encoding and --delimiter, or write a .csv",
            )


AS_THE_INPUT: Final = OutputLayout()


def written_encoding(path: str, name: str) -> Encoding:
    """Return the encoding to write; UTF-16 and ``utf-8-sig`` with a byte order mark."""
    try:
        encoding = chosen_encoding(name, b"")
    except LookupError:
        problem = f'cannot be written as "{name}": no text encoding has that name'
        raise TableError(path=path, problem=problem, fix="try utf-8-sig, utf-8 or cp1252") from None
    canonical = codecs.lookup(name).name
    if canonical == "utf-8-sig":
        return UTF_8_MARKED
    return Encoding(encoding.name, _MARKS.get(canonical, b""))


def delimiter_named(path: str, name: str) -> str:
    """Return the delimiter that a caller named or typed. Raises TableError on one that cannot be."""
    given = _DELIMITER_NAMES.get(name, name)
    if len(given) != 1 or given in '"\r\n\0':
        raise TableError(
            path=path, problem=f"{name!r} is not a delimiter", fix="pass one character, such as ; or tab"
        )
    return given
