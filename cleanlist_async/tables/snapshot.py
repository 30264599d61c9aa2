"""A private copy of a file, without a name: it is gone with the process, however that ends."""

from __future__ import annotations

import io
import os
import tempfile
import weakref
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from cleanlist_async.tables.errors import TableError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PIECE: Final = 1 << 18


class NoCopyError(OSError):
    """A private copy cannot be written. Its *folder* is where temporary files are."""

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
    """Some bytes as they were, to be read any number of times.

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
        return cls(iter(lambda: stream.read(_PIECE), b""))

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
