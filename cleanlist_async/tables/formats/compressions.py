"""The compressions that a table is read from and written with: one row for each."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from cleanlist_async.tables.formats.location import needed

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_LONGEST_MAGIC: Final = 4


@dataclass(frozen=True, slots=True)
class Compression:
    """How files of one suffix are compressed.

    Attributes
    ----------
    magic
        What each of them begins with, at most four bytes.
    reader
        Returns the content of a stream. Whatever its `read` raises for what it was given is damage.
    writer
        Returns a stream that compresses into another, which stays open when this one is closed.

    """

    magic: bytes
    reader: Callable[[BinaryIO], Any]
    writer: Callable[[BinaryIO], Any]


def _zstd_reader(stream: BinaryIO) -> Any:
    # Across frames: a file may have several, of which only the first would be read.
    return needed("zstandard", "files").ZstdDecompressor().stream_reader(stream, read_across_frames=True)


def _zstd_writer(stream: BinaryIO) -> Any:
    compressor = needed("zstandard", "files").ZstdCompressor()
    # The stream stays open, since its owner still has to sync it.
    return io.BufferedWriter(compressor.stream_writer(stream, closefd=False))


COMPRESSIONS: Final[dict[str, Compression]] = {
    ".gz": Compression(
        magic=b"\x1f\x8b",
        reader=lambda stream: gzip.GzipFile(fileobj=stream),
        # Without a time, so that the same table gives the same bytes.
        writer=lambda stream: gzip.GzipFile(fileobj=stream, mode="wb", mtime=0),
    ),
    ".zst": Compression(magic=b"\x28\xb5\x2f\xfd", reader=_zstd_reader, writer=_zstd_writer),
}


class DamagedError(ValueError):
    """What was read is not what its first bytes say."""


def is_compressed(start: bytes) -> bool:
    """Whether a file that begins so is compressed."""
    return _compression_of(start) is not None


def decompressed(stream: BinaryIO) -> BinaryIO:
    """Return the content of a stream, which may be compressed; by its first bytes.

    Reading it raises DamagedError where the data is damaged, and what reading *stream* raises.
    """
    # Streams of fsspec have no peek().
    buffered: Any = stream if hasattr(stream, "peek") else io.BufferedReader(cast("Any", stream))
    compression = _compression_of(buffered.peek(_LONGEST_MAGIC)[:_LONGEST_MAGIC])
    if compression is None:
        return cast("BinaryIO", buffered)
    source = _Source(buffered)
    return io.BufferedReader(_Content(compression.reader(io.BufferedReader(source)), source))


@contextmanager
def compressed(stream: BinaryIO, compression: Compression | None) -> Generator[BinaryIO]:
    """Compress what is written into *stream*."""
    if compression is None:
        yield stream
        return
    with compression.writer(stream) as writer:
        yield writer


def _compression_of(start: bytes) -> Compression | None:
    return next((one for one in COMPRESSIONS.values() if start.startswith(one.magic)), None)


class _Source(io.RawIOBase):
    """Reads a compressed stream, and remembers why it could not be read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.failure: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        try:
            data = self._stream.read(len(view))
        except Exception as error:
            self.failure = error
            raise
        view[: len(data)] = data
        return len(data)


class _Content(io.RawIOBase):
    """Reads what a compressed stream holds."""

    def __init__(self, reader: Any, source: _Source) -> None:
        self._reader = reader
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        try:
            data = self._reader.read(len(view))
        except MemoryError:  # it says nothing of the data
            raise
        except Exception as error:  # each compression has errors of its own, plain OSErrors among them
            if self._source.failure is not None:
                raise self._source.failure from error
            raise DamagedError(str(error)) from error
        view[: len(data)] = data
        return len(data)
