"""The bytes of a contact table: decoded to the end before any contact is sent, reopened for each pass."""

from __future__ import annotations

import codecs
import hashlib
import os
import stat
import sys
from dataclasses import dataclass, replace
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import BinaryIO, Final

from cleanlist_async.tables.dialect import (
    UTF_8,
    Encoding,
    chosen_encoding,
    declared_encoding,
    wide_encoding,
)
from cleanlist_async.tables.errors import EncodingUnknownError, TableError
from cleanlist_async.tables.formats import TableFormat
from cleanlist_async.tables.formats.location import (
    DamagedError,
    decompressed,
    is_address,
    is_compressed,
    opened,
    version_of,
)
from cleanlist_async.tables.formats.original import PACKED, Original
from cleanlist_async.tables.own_files import NoCopyError, Snapshot

STDIN: Final = "-"
LONGEST_LINE: Final = 16 << 20
"""Characters of one line. A longer one is not from a table, and would be held in memory."""

DAMAGE: Final = "\udfff"
"""Stands for bytes that do not decode: a lone surrogate, which no text that decodes can hold."""

_MARK_DAMAGE: Final = "cleanlist_async.mark_damage"
_CHUNK_BYTES: Final = 1 << 18
_START_BYTES: Final = 4096
_SHOWN_SHEETS: Final = 6
_NOT_TEXT: Final = (
    (
        b"PK\x03\x04",
        "is an Excel workbook or a zip archive, not text",
        "pass --format xlsx if it is a workbook",
    ),
    (b"PAR1", "is a Parquet file, not text", "pass --format parquet"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook, not text", "save it as .xlsx, or as CSV UTF-8"),
    (b"%PDF", "is a PDF document, not a table", "export the table as CSV"),
)


def _mark_damage(error: UnicodeError) -> tuple[str, int]:
    return DAMAGE, error.end if isinstance(error, UnicodeDecodeError) else 0


codecs.register_error(_MARK_DAMAGE, _mark_damage)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Identifies the content of a file.

    *sha256* is the digest of the content; of an object in a store that has ETags or versions, that of its
    address and version, which does not depend on how a workbook or a data file becomes text.
    """

    size: int
    modified_ns: int
    sha256: str


class InputFile:
    """A readable file, checked from end to end.

    ``damage`` is what is wrong with its characters, if anything: only a reader, which knows rows and columns,
    can name the place. A *snapshot* is read from a private temporary copy, so later changes do not matter.
    Standard input and pipes always are, because a table is read more than once; so are addresses, compressed
    files, and files of a *kind* that is not text, which are read as text. Their ``original`` stays at hand;
    of a workbook, *sheet* is read.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        encoding: str | None = None,
        snapshot: bool = False,
        kind: TableFormat = "csv",
        sheet: str | None = None,
    ) -> None:
        given = os.fspath(path)
        self._is_stdin = given == STDIN
        self._is_pipe = not self._is_stdin and is_stream(given)
        self.name = "standard input" if self._is_stdin else given
        self.path = Path(given)
        self._snapshot: Snapshot | None = None
        self._is_remote = is_address(given)
        self._version = ""
        self.original: Original | None = None
        if self._is_stdin:
            if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]  # as where it is closed
                raise self.error("is closed", "pass the path of a file")
            self._snapshot = self._copied(sys.stdin.buffer)
        elif self._is_remote:
            self._snapshot = self._fetched(given)
        elif snapshot or self._is_pipe or self._must_be_copied(kind):
            with self._open() as stream:
                self._snapshot = self._copied(stream)
        if kind in PACKED and self._snapshot is not None:
            self.original = Original(self._snapshot.open, kind, self.name, sheet)
            try:
                self._snapshot = Snapshot(self.original.lines())
            except NoCopyError as error:
                raise error.refusal(self.name) from error
            encoding = UTF_8.name  # of the text that was made of it, whatever the original was in
        self.damage: str | None = None
        self._is_encoding_unknown = False
        self._start = self._first_bytes()
        self.encoding = self._encoding(encoding)
        self.fingerprint = self._inspect(is_chosen=encoding is not None)
        if self._version:
            # The sheet too: it is part of the text that is read, not of the object.
            parts = "\0".join((given, self._version, sheet or ""))
            self.fingerprint = replace(self.fingerprint, sha256=hashlib.sha256(parts.encode()).hexdigest())

    def text(self, *, newline: str = "") -> TextIOWrapper:
        """Open the text for one pass, line ends as they are, :data:`DAMAGE` for bytes that do not decode."""
        stream = self._open()
        stream.seek(len(self.encoding.mark))
        errors = _MARK_DAMAGE if self.damage else "strict"
        return TextIOWrapper(stream, encoding=self.encoding.name, errors=errors, newline=newline)

    def read(self) -> bytes:
        """Return all its bytes."""
        with self._open() as stream:
            return stream.read()

    @property
    def given(self) -> Path | int | None:
        """The path that was given, or the descriptor of standard input; None for a pipe."""
        if self._is_pipe or self._is_remote:
            return None
        return _descriptor_of_stdin() if self._is_stdin else self.path

    def is_at(self, path: Path) -> bool:
        """Whether *path* is the file that was given."""
        given = self.given
        try:
            return given is not None and os.path.samefile(given, path)  # noqa: PTH121 - or a descriptor
        except OSError:  # one of them is not there, or not any more
            return False

    def is_unchanged(self) -> bool:
        """Whether the file still holds the bytes that were checked."""
        if self._snapshot is not None:
            return True
        checked = self.fingerprint
        try:
            status = self.path.stat()
            if (status.st_size, status.st_mtime_ns) == (checked.size, checked.modified_ns):
                return True
            # A copy or a touch changes the time alone.
            with self.path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest() == checked.sha256
        except OSError:
            return False

    def error(
        self, problem: str, fix: str = "", *, row: int | None = None, column: str | None = None
    ) -> TableError:
        """Return an error that names this file."""
        return TableError(path=self.name, row=row, column=column, problem=problem, fix=fix)

    def damage_at(self, *, row: int | None = None, column: str | None = None) -> TableError:
        """Return the error for the first place that does not decode."""
        kind = EncodingUnknownError if self._is_encoding_unknown else TableError
        problem = self.damage or ""
        return kind(path=self.name, row=row, column=column, problem=problem, fix=self._way_out)

    @property
    def or_another_sheet(self) -> str:
        """The end of an advice: how the other sheets of a workbook are read; blank without any."""
        if self.original is None or not self.original.other_sheets:
            return ""
        shown = ", ".join(f'"{name}"' for name in self.original.other_sheets[:_SHOWN_SHEETS])
        more = ", ..." if len(self.original.other_sheets) > _SHOWN_SHEETS else ""
        return (
            f', or pass --sheet with the one to read instead of "{self.original.sheet_name}": {shown}{more}'
        )

    @property
    def _way_out(self) -> str:
        if self.encoding.name.startswith(("utf-16", "utf-32")):
            return "the file may be cut short: save it again"
        if wide := wide_encoding(self._start):
            return f"it looks like {wide[:6].upper()} without a byte order mark: pass --encoding {wide}"
        if self._is_encoding_unknown:
            return "pass --encoding with the one it was saved in, such as cp1252, or save it again as UTF-8"
        return "correct this cell, save the file again as UTF-8, or pass --encoding"

    def _open(self) -> BinaryIO:
        if self._snapshot is not None:
            return self._snapshot.open()
        try:
            return self.path.open("rb")
        except OSError as error:
            raise self._unreadable(error) from error

    def _fetched(self, address: str) -> Snapshot:
        """Copy an object as it is at one time, although it is read in parts."""
        before = version_of(address)
        try:
            with opened(address, "rb") as stream:
                fetched = self._copied(stream)
        except OSError as error:
            raise self._unreadable(error) from error
        after = version_of(address)
        if before and after and before != after:
            raise self.error("was replaced while it was read", "run it again")
        # A web server may make its ETag of time and size, which prove nothing of the content.
        self._version = after if before == after and not address.startswith(("http:", "https:")) else ""
        return fetched

    def _copied(self, stream: BinaryIO) -> Snapshot:
        try:
            return Snapshot.of(decompressed(stream))
        except (DamagedError, OSError) as error:
            raise self._unreadable(error) from error

    def _must_be_copied(self, kind: TableFormat) -> bool:
        with self._open() as stream:
            return kind in PACKED or is_compressed(stream.read(4))

    def _unreadable(self, error: OSError | DamagedError) -> TableError:
        if isinstance(error, DamagedError):
            return self.error(f"is damaged ({error})", "compress it again, or pass it as it is")
        if isinstance(error, NoCopyError):
            return error.refusal(self.name)
        what = "address and the access to it" if self._is_remote else "path and its permissions"
        return self.error(f"cannot be read ({error.strerror or error})", f"check the {what}")

    def _first_bytes(self) -> bytes:
        with self._open() as stream:
            start = stream.read(_START_BYTES)
        if not start.removeprefix(codecs.BOM_UTF8).strip():  # blank lines alone are no table either
            fix = f"its first row must hold the column headers{self.or_another_sheet}"
            raise self.error("is empty", fix)
        for magic, problem, fix in _NOT_TEXT:
            if start.startswith(magic):
                raise self.error(problem, fix)
        return start

    def _encoding(self, chosen: str | None) -> Encoding:
        if chosen is None:
            return declared_encoding(self._start) or UTF_8
        try:
            encoding = chosen_encoding(chosen, self._start)
        except LookupError:
            problem = f'cannot be read as "{chosen}": no text encoding has that name'
            raise self.error(problem, "try utf-8, utf-16, cp1252 or latin-1") from None
        declared = declared_encoding(self._start)
        told = declared.name if declared else wide_encoding(self._start)
        if told and told[:6] == encoding.name[:6] and told != encoding.name:
            raise self.error(f"is {told}, not {encoding.name}", f"pass --encoding {told}")
        return encoding

    def _inspect(self, *, is_chosen: bool) -> Fingerprint:
        """Decode everything once, to the end: a single byte in the last row can rule an encoding out."""
        try:
            fingerprint, seen = self._read_through("strict")
        except UnicodeError as error:
            fingerprint, seen = self._read_through(_MARK_DAMAGE)
            byte = "bytes that are"
            if isinstance(error, UnicodeDecodeError):
                byte = f"the byte 0x{error.object[error.start]:02X}, which is"
            self.damage = f"holds {byte} not {self.encoding.name}"
            # Text in another encoding has next to no sequence that is valid in UTF-8; text in UTF-8 with a
            # cell that was pasted, or a letter that was torn, has many.
            is_other = self.encoding == UTF_8 and seen.damaged > seen.beyond_ascii
            self._is_encoding_unknown = is_other and not is_chosen
            if self._is_encoding_unknown:
                self.damage += ", and names no other encoding"
        if seen.has_nul and self.damage is None:
            self.damage = "holds a NUL character"
        return fingerprint

    def _read_through(self, errors: str) -> tuple[Fingerprint, _Seen]:
        """Decode everything once, in flat memory."""
        decoder = codecs.getincrementaldecoder(self.encoding.name)(errors)
        digest = hashlib.sha256(self.encoding.mark)  # the mark is skipped below, and part of the file
        seen = _Seen()
        with self._open() as stream:
            size, modified_ns = self._stamp(stream)
            stream.seek(len(self.encoding.mark))
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
                seen.add(decoder.decode(chunk))
                if seen.last_line > LONGEST_LINE:
                    problem = f"line {seen.lines} is longer than {LONGEST_LINE >> 20} MiB"
                    raise self.error(problem, "pass a table with one contact per line")
            seen.add(decoder.decode(b"", final=True))
        return Fingerprint(size, modified_ns, digest.hexdigest()), seen

    def _stamp(self, stream: BinaryIO) -> tuple[int, int]:
        # Of the open file: by now its path may lead to another one.
        status = os.fstat(stream.fileno())
        return status.st_size, status.st_mtime_ns


def is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether *path* can be read only once: standard input, a named pipe, ``/dev/stdin``, ``<(...)``."""
    if os.fspath(path) == STDIN:
        return True
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):  # opening it says why
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


class _Seen:
    """What was found in a text so far."""

    def __init__(self) -> None:
        self.beyond_ascii = 0
        self.damaged = 0
        self.has_nul = False
        self.lines = 1
        self.last_line = 0
        """Characters of the last line, which may go on."""

    def add(self, text: str) -> None:
        end = max(text.rfind("\n"), text.rfind("\r"))
        self.last_line = self.last_line + len(text) if end < 0 else len(text) - end - 1
        self.lines += text.count("\n") or text.count("\r")
        self.has_nul = self.has_nul or "\0" in text
        if not text.isascii():
            damaged = text.count(DAMAGE)
            self.damaged += damaged
            self.beyond_ascii += len(text) - len(text.encode("ascii", "ignore")) - damaged


class InputBytes(InputFile):
    """The bytes of a file, checked as a file is."""

    def __init__(self, data: bytes, *, encoding: str | None = None) -> None:
        self._data = data
        super().__init__("CSV data", encoding=encoding)

    def is_unchanged(self) -> bool:
        """They are."""
        return True

    def _open(self) -> BinaryIO:
        return BytesIO(self._data)

    def _stamp(self, stream: BinaryIO) -> tuple[int, int]:  # noqa: ARG002
        return len(self._data), 0


def _descriptor_of_stdin() -> int | None:
    try:
        descriptor = sys.stdin.fileno()
        # A pipe has a mode, too, which says nothing of the file that feeds it.
        return descriptor if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    except (OSError, ValueError):  # closed, or replaced by something without a descriptor
        return None
