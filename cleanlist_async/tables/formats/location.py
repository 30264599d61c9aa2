"""Where the bytes of a table are: a file, or an address that fsspec knows."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from cleanlist_async.checks import extra_missing
from cleanlist_async.errors import CleanlistError, ConfigurationError

if TYPE_CHECKING:
    from types import ModuleType

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


def is_address(path: str) -> bool:
    """Whether *path* is an address such as ``s3://bucket/contacts.csv``, and no path of this machine."""
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
    """Return what tells one state of an object from another: its ETag, else its version; empty for neither.

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
    """Copy a file to an address, or to standard output. Raises OSError if that fails."""
    with path.open("rb") as source:
        if address == STDOUT:
            for piece in iter(lambda: source.read(_PIECE), b""):
                _write_all(sys.stdout.buffer, piece)
            sys.stdout.buffer.flush()
            return
        with opened(address, "wb") as stream:
            shutil.copyfileobj(source, stream)


def _write_all(stream: BinaryIO, piece: bytes) -> None:
    """Write all of a piece: with PYTHONUNBUFFERED a write to standard output may take a part of it."""
    rest = memoryview(piece)
    while rest:
        rest = rest[stream.write(rest) :]


def needed(module: str, extra: str, instead: str = "") -> ModuleType:
    """Import a module of an extra. Raises ConfigurationError if it is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        kind = _KINDS.get(module.partition(".")[0], "These files")
        problem = f'{kind} need the extra "{extra}" ({missing.name} is not installed).'
        raise extra_missing(problem, extra, instead) from missing
