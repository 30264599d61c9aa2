"""Compressions: each is a row of one table, which reading and writing use."""

from __future__ import annotations

import bz2
import gzip
import io
from collections.abc import Callable

import pytest
import zstandard

from cleanlist_async.tables import ContactTable, EnrichedWriter, TableError
from cleanlist_async.tables.formats.location import COMPRESSIONS, Compression, decompressed
from tests.support.cases import each_case

TEXT = b"First Name,Last Name,Website\r\nAda,Lovelace,engines.example\r\n"
UNPACKED: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".zst": lambda data: zstandard.ZstdDecompressor().stream_reader(data).read(),
}
BZIP2 = Compression(
    magic=b"BZh",
    reader=bz2.BZ2File,
    writer=lambda stream: bz2.BZ2File(stream, mode="wb"),
)


@pytest.fixture(params=[*COMPRESSIONS, ".bz2"])
def suffix(request, monkeypatch):
    """Each suffix of the table, and that of a row which is added to it."""
    if request.param == ".bz2":
        monkeypatch.setitem(COMPRESSIONS, ".bz2", BZIP2)
        monkeypatch.setitem(UNPACKED, ".bz2", bz2.decompress)
    return request.param


def write(folder, suffix):
    (folder / "in.csv").write_bytes(TEXT)
    table = ContactTable.open(folder / "in.csv")
    with EnrichedWriter(folder / f"out.csv{suffix}", table) as writer:
        writer.put(0, {"cleanlist_status": "found"})
    return folder / f"out.csv{suffix}"


def test_an_output_is_compressed_as_its_suffix_says(tmp_path, suffix):
    written = UNPACKED[suffix](write(tmp_path, suffix).read_bytes())
    assert written.startswith(b"First Name,Last Name,Website,")
    assert b"Ada,Lovelace,engines.example,found" in written


def test_what_was_written_is_read_whatever_it_is_called(tmp_path, suffix):
    renamed = write(tmp_path, suffix).rename(tmp_path / "again.csv")
    assert [contact.last_name for contact in ContactTable.open(renamed).contacts()] == ["Lovelace"]


def test_damage_is_told_as_damage(tmp_path, suffix):
    magic = COMPRESSIONS[suffix].magic
    (tmp_path / "in.csv").write_bytes(magic + b"no such thing at all, and long enough to be looked at")
    with pytest.raises(TableError, match=r"in\.csv: is damaged"):
        ContactTable.open(tmp_path / "in.csv")


class _Failing(io.RawIOBase):
    """A stream that fails after its first bytes."""

    def __init__(self, start: bytes, failure: Exception) -> None:
        self._start, self._failure = start, failure

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if not self._start:
            raise self._failure
        buffer[: len(self._start)] = self._start
        count, self._start = len(self._start), b""
        return count


@each_case(
    "failure", [ConnectionResetError("gone"), TimeoutError("late"), OSError("no number"), EOFError("!")]
)
def test_a_stream_that_cannot_be_read_is_not_damaged(suffix, failure):
    content = decompressed(io.BufferedReader(_Failing(COMPRESSIONS[suffix].magic + bytes(8), failure)))
    with pytest.raises(type(failure), match=str(failure)):
        content.read(100)
