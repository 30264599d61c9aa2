"""A private copy of a file, without a name: it is gone with the process, however that ends."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import weakref
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Snapshot:
    """The bytes of a stream as they were, to be read any number of times. Raises OSError for a full disk."""

    def __init__(self, stream: BinaryIO) -> None:
        self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # closed when nobody reads it any more
        weakref.finalize(self, self.file.close)
        shutil.copyfileobj(stream, self.file)

    def open(self) -> BinaryIO:
        """Open it for one pass."""
        return io.BufferedReader(_Pass(self))


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
        self._snapshot.file.seek(self._position)
        count = self._snapshot.file.readinto(buffer)
        self._position += count
        return count
