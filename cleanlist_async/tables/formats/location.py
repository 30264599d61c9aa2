"""Where the bytes of a table are, a file or an address that fsspec knows, and how they are compressed."""

from __future__ import annotations

import gzip
import io
import shutil
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from cleanlist_async.checks import extra_missing
from cleanlist_async.errors import CleanlistError, ConfigurationError

if TYPE_CHECKING:
    from types import ModuleType

    from _typeshed import WriteableBuffer

STDOUT: Final = "-"
_PIECE: Final = 1 << 18
_KINDS: Final = {
    "python_calamine": "Excel files",
    "xlsxwriter": "Excel files",
    "pyarrow": "Parquet and Arrow files",
    "zstandard": "Files with .zst",
    "narwhals": "Frames",
    "fsspec": "Addresses such as s3://...",
}

_LONGEST_MAGIC: Final = 4


def is_address(path: str) -> bool:
    """Whether *path* is an address such as ``s3://bucket/contacts.csv``."""
    scheme, separator, _ = path.partition("://")
    return bool(separator) and scheme.isalnum()


@contextmanager
def opened(address: str, mode: str) -> Generator[BinaryIO]:
    """Open an address. Raises OSError if it cannot be reached, ConfigurationError without the extra."""
    fsspec = needed("fsspec", "cloud")
    try:
        with fsspec.open(address, mode) as stream:
            yield cast("BinaryIO", stream)
    except (OSError, CleanlistError):
        raise
    except ImportError as missing:
        raise ConfigurationError(str(missing), fix="Install the package that it names.") from missing
    except Exception as error:  # each file system has errors of its own
        raise OSError(f"{type(error).__name__}: {error}") from error


def version_of(address: str) -> str:
    """Return an object's ETag, else its version; empty for neither.

    A weak ETag (``W/``) stands for several states.
    """
    try:
        file = needed("fsspec", "cloud").open(address)
        file.fs.invalidate_cache()  # a listing of a minute ago may be of another version
        told = {key.replace("_", "").lower(): value for key, value in file.fs.info(file.path).items()}
    except Exception:  # noqa: BLE001  # reading it says what is wrong; some servers only refuse to describe it
        return ""
    found = (str(told.get(key) or "") for key in ("etag", "versionid", "generation"))
    return next((text for text in found if text not in {"", "null"} and not text.startswith("W/")), "")


def deliver(path: Path, address: str) -> None:
    """Copy a file to an address, or to standard output. Raises OSError."""
    with path.open("rb") as source:
        if address == STDOUT:
            for piece in iter(lambda: source.read(_PIECE), b""):
                rest = memoryview(piece)
                while rest:  # with PYTHONUNBUFFERED it may take a part of the piece
                    rest = rest[sys.stdout.buffer.write(rest) :]
            sys.stdout.buffer.flush()
            return
        with opened(address, "wb") as stream:
            shutil.copyfileobj(source, stream)


def needed(module: str, extra: str, instead: str = "") -> ModuleType:
    """Import a module of an extra. Raises ConfigurationError if it is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        kind = _KINDS.get(module.partition(".")[0], "These files")
        problem = f'{kind} need the extra "{extra}" ({missing.name} is not installed).'
        raise extra_missing(problem, extra, instead) from missing


@dataclass(frozen=True, slots=True)
class Compression:
    """How files of one suffix are compressed: their first bytes, at most four; a stream's reader and writer.

    Whatever the reader's `read` raises is damage. The writer leaves the stream open when it is closed.
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

    Reading it raises DamagedError, and what reading *stream* raises.
    """
    # Streams of fsspec have no peek().
    buffered: Any = stream if hasattr(stream, "peek") else io.BufferedReader(cast("Any", stream))
    compression = _compression_of(buffered.peek(_LONGEST_MAGIC)[:_LONGEST_MAGIC])
    if compression is None:
        return cast("BinaryIO", buffered)
    failures: list[Exception] = []

    def compressed_bytes(size: int) -> bytes:
        try:
            return cast("bytes", buffered.read(size))
        except Exception as error:
            failures.append(error)
            raise

    reader = compression.reader(io.BufferedReader(_Raw(compressed_bytes)))

    def content(size: int) -> bytes:
        try:
            return cast("bytes", reader.read(size))
        except MemoryError:  # it says nothing of the data
            raise
        except Exception as error:  # each compression has errors of its own, plain OSErrors among them
            if failures:
                raise failures[-1] from error
            raise DamagedError(str(error)) from error

    return io.BufferedReader(_Raw(content))


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


class _Raw(io.RawIOBase):
    """A stream of what a function reads."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        data = self._read(len(view))
        view[: len(data)] = data
        return len(data)
