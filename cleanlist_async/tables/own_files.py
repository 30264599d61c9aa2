"""Files that are ours: the copy of an input, the part beside an output, the folder of a delivery."""

from __future__ import annotations

import io
import os
import shutil
import stat
import tempfile
import weakref
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, Final, Self, TypeAlias

from cleanlist_async.storage.file_lock import IS_SUPPORTED, FileLock
from cleanlist_async.storage.permissions import opener_for
from cleanlist_async.tables.dialect import UTF_8_MARKED, Encoding
from cleanlist_async.tables.errors import TableError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER: Final = 1 << 18

Pack: TypeAlias = Callable[[Path, BinaryIO], None]
"""Writes into a stream what a part holds, in the format of the target."""

_PREFIX: Final = "cleanlist-output-"
_LOCKED: Final = "output"
_LOCK: Final = f"{_LOCKED}.lock"
_RENEWABLE: Final = (".tmp", ".packed")
"""Ends of names of files that can be written again; any other may hold what was paid for."""


class PartFile:
    """Text on its way to *target*: written to ``target.part`` and renamed at the end.

    It grants no more permissions than *source*, the file that its contacts come from. A part left by an
    earlier run may hold results that were paid for, and is never touched: the next free name (``.part2``) is
    taken. One that *is_renewable* holds nothing that is not elsewhere: it is called ``.tmp``, and replaces
    what a killed run left. Raises :class:`TableError` where the file system refuses.
    """

    def __init__(
        self,
        target: Path,
        name: str,
        encoding: Encoding,
        source: Path | int | None,
        *,
        is_renewable: bool = False,
    ) -> None:
        self.target = target
        self.source = source
        self.name = name
        self.encoding = encoding
        self.notes: list[str] = []
        self._truncate_to: int | None = None
        with self._explained():
            if is_renewable:
                target.with_name(f"{target.name}.tmp").unlink(missing_ok=True)
            self.path, self._file = _create_beside(target, source, ".tmp" if is_renewable else ".part")
        self._file.write(encoding.mark)

    def write(self, text: str) -> None:
        """Append text. A character that the encoding lacks turns the whole file into UTF-8."""
        try:  # once for each row, so not by a context manager
            if self._truncate_to is not None:
                self._drop_provisional()
            data = self._encoded(text)  # which may put another file in place of this one
            self._file.write(data)
        except OSError as error:
            raise self._unwritable(error) from error

    def flush(self, provisional: Iterable[str] = ()) -> None:
        """Write everything to the disk, and after it some lines that the next write replaces."""
        with self._explained():
            self._drop_provisional()
            end = self._file.tell()
            for text in provisional:
                self._truncate_to = end  # first: of a line that fails half-way, the piece goes too
                # Provisional lines are replaced later, so they need not turn the file into UTF-8.
                self._file.write(text.encode(self.encoding.name, "replace"))
            self._file.flush()
            os.fsync(self._file.fileno())

    def finish(self, *, overwrite: bool, pack: Pack | None = None) -> None:
        """Write everything to the disk and rename the part to the target; *pack* makes another file of it."""
        # On the disk before the rename: a crash must not leave an empty file under the target's name.
        self.flush()
        with self._explained():
            self._file.close()
            if self.target.exists() and not overwrite:
                raise self.error("was created meanwhile", f"the output is in {self.path.name}: rename it")
            done = self.path if pack is None else self._packed(pack)
            done.replace(self.target)  # atomic: readers see the old file or the whole new one
            if pack is not None:
                # Only now: until the target has its name, the part is what holds the results.
                self.path.unlink()

    def _packed(self, pack: Pack) -> Path:
        path, stream = _create_beside(self.target, self.source, ".packed")
        try:
            with stream:
                pack(self.path, stream)
                stream.flush()
                os.fsync(stream.fileno())
        except BaseException:
            path.unlink()
            raise
        return path

    def leave(self) -> None:
        """Close the part, and leave it where it is."""
        with suppress(OSError):
            self._file.close()

    def error(self, problem: str, fix: str) -> TableError:
        """Return an error that names the target."""
        return TableError(path=self.name, problem=problem, fix=fix)

    def _drop_provisional(self) -> None:
        if self._truncate_to is not None:
            self._file.seek(self._truncate_to)
            self._file.truncate()
            self._truncate_to = None

    def _encoded(self, text: str) -> bytes:
        try:
            return text.encode(self.encoding.name)
        except UnicodeEncodeError:
            if not self.encoding.name.startswith("utf-"):
                self._turn_into_utf_8()
            elif not self.notes:
                self.notes.append("characters that cannot be encoded were written as ?")
            return text.encode(self.encoding.name, "replace")

    def _turn_into_utf_8(self) -> None:
        old = self.encoding
        self.encoding = UTF_8_MARKED  # marked, because Excel would read it as Windows-1252 otherwise
        self.notes.append(f"written as UTF-8, because {old.name} lacks some of its characters")
        with self._explained():
            self._file.close()
            copy, stream = _create_beside(self.target, self.source)
            # newline="": the line ends are those of the input, and stay.
            with stream, self.path.open(encoding=old.name, newline="") as source:
                stream.write(UTF_8_MARKED.mark)
                while text := source.read(_BUFFER):
                    stream.write(text.encode())
            copy.replace(self.path)
            self._file = self.path.open("r+b", buffering=_BUFFER)
            self._file.seek(0, os.SEEK_END)

    @contextmanager
    def _explained(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> TableError:
        return self.error(
            f"cannot be written ({error.strerror or error})",
            f"check the folder {self.target.parent}, its permissions and free space",
        )


def _create_beside(target: Path, source: Path | int | None, suffix: str = ".part") -> tuple[Path, BinaryIO]:
    opener = opener_for(target, source)
    for number in count(1):  # "x" claims a name atomically, against another run
        path = target.with_name(f"{target.name}{suffix}{number if number > 1 else ''}")
        try:
            return path, open(path, "x+b", buffering=_BUFFER, opener=opener)
        except FileExistsError:
            continue
    raise AssertionError


class DeliveryFolder:
    """A folder of one process, for its owner alone.

    It stays where the output cannot be delivered. What a killed run left is removed by the next one, unless
    it may be the only copy of results. Raises OSError where there is no room.
    """

    def __init__(self) -> None:
        _remove_leftovers()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = FileLock(self.path / _LOCKED)
        self._lock.take()

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        self._lock.give_back()
        shutil.rmtree(self.path, ignore_errors=True)


def _remove_leftovers() -> None:
    if not IS_SUPPORTED:  # nothing tells whose process is gone
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another process removed it, or it is another user's
            names = {path.name for path in folder.iterdir()} - {_LOCK}
            # An empty one may belong to a process that has yet to create its file.
            is_renewable = bool(names) and all(name.endswith(_RENEWABLE) for name in names)
            is_ours = stat.S_ISDIR(folder.lstat().st_mode) and (folder / _LOCK).exists()
            if is_renewable and is_ours and not FileLock(folder / _LOCKED).is_taken:
                shutil.rmtree(folder)


class NoCopyError(OSError):
    """A private copy cannot be written to *folder*, where temporary files are."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error.errno, error.strerror or str(error))
        try:
            self.folder = tempfile.gettempdir()
        except OSError:  # none of the usual folders takes a file
            self.folder = "a temporary folder"

    def refusal(self, path: str) -> TableError:
        """Return the error for the table that was to be copied."""
        return TableError(
            path=path,
            problem=f"cannot be copied to {self.folder} ({self.strerror})",
            fix="free some space there, or name another folder in TMPDIR",
        )


class Snapshot:
    """Some bytes without a name, to be read any number of times: they are gone with the process.

    Raises NoCopyError where the disk does not take all of them.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.lock = Lock()
        with _writing():
            # Without a buffer: each pass has one of its own.
            self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # closed when nobody reads it any more
            weakref.finalize(self, self.file.close)
            # With a buffer, since without one a write may take a part of the bytes, and is no error. A
            # duplicate, since closing the buffer closes its descriptor.
            out = os.fdopen(os.dup(self.file.fileno()), "wb")
        try:
            for piece in pieces:
                with _writing():
                    out.write(piece)
        finally:
            with _writing():
                out.close()

    @classmethod
    def of(cls, stream: BinaryIO) -> Self:
        """Keep what is left of a stream."""
        return cls(iter(lambda: stream.read(_BUFFER), b""))

    def open(self) -> BinaryIO:
        """Open it for one pass."""
        return io.BufferedReader(_Pass(self))


@contextmanager
def _writing() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise NoCopyError(error) from error


class _Pass(io.RawIOBase):
    """Reads a snapshot that others read too, from a position of its own."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._snapshot.file.fileno()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_CUR:
            offset += self._position
        elif whence == os.SEEK_END:
            offset += os.fstat(self.fileno()).st_size
        self._position = offset
        return offset

    def readinto(self, buffer: WriteableBuffer) -> int:
        # Locked: a source that is read in a thread, and its output, read one table at the same time.
        with self._snapshot.lock:
            self._snapshot.file.seek(self._position)
            count = self._snapshot.file.readinto(buffer)
        self._position += count
        return count
