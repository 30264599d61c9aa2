"""Objects at an address: read as they are at one time, and known by their version where there is one."""

from __future__ import annotations

import errno
import io
import tempfile
from collections.abc import Callable
from importlib import import_module

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from cleanlist_async.tables import ContactTable, TableError
from tests.support.cases import each_case

CSV = b"Email,First Name\nada@acme.example,Ada\n"
GROWN = CSV + b"bo@acme.example,Bo\n"


class Objects(MemoryFileSystem):
    """An object store: each object has what the store tells about it."""

    protocol = "objects"
    store: dict[str, object] = {}  # noqa: RUF012  # as its base has it
    pseudo_dirs: list[str] = [""]  # noqa: RUF012
    told: dict[str, object] = {}  # noqa: RUF012
    before_reading: Callable[[], object] | None = None

    def info(self, path: str, **options: object) -> dict[str, object]:
        if "error" in self.told:
            raise PermissionError("may not be described")
        return {**super().info(path, **options), **self.told}

    def _open(self, path: str, mode: str = "rb", *args: object, **options: object) -> object:
        if mode == "rb" and self.before_reading is not None:
            type(self).before_reading()
        return super()._open(path, mode, *args, **options)


class WebServer(Objects):
    protocol = "http"
    store: dict[str, object] = {}  # noqa: RUF012


@pytest.fixture(autouse=True)
def _in_fsspec(monkeypatch):
    _in_registry(monkeypatch)


def _in_registry(monkeypatch) -> None:
    for kind in (Objects, WebServer):
        monkeypatch.setitem(import_module("fsspec.registry")._registry, kind.protocol, kind)
        monkeypatch.setattr(kind, "store", {})
        monkeypatch.setattr(kind, "told", {})
        monkeypatch.setattr(kind, "before_reading", None)


def digest(data: bytes = CSV, *, address: str = "objects://list.csv", **told: object) -> str:
    kind = fsspec.get_filesystem_class(address.partition(":")[0])
    kind.told = told
    kind.store.clear()
    kind().pipe(kind._strip_protocol(address), data)
    return ContactTable.open(address).fingerprint


@each_case("key", ["ETag", "etag", "VersionId", "version_id", "generation"])
def test_the_version_of_an_object_is_its_digest(key):
    first = digest(**{key: '"9b2c"'})
    assert first == digest(**{key: '"9b2c"'}) != digest()
    assert first != digest(**{key: '"9b2d"'})
    assert first != digest(address="objects://other.csv", **{key: '"9b2c"'})


def test_the_content_is_told_by_the_etag_and_not_by_a_version_of_the_same_content():
    assert digest(ETag='"9b2c"', VersionId="v1") == digest(ETag='"9b2c"', VersionId="v2")


@each_case(
    "told", [{}, {"ETag": ""}, {"ETag": 'W/"9b2c"'}, {"VersionId": None}, {"VersionId": "null"}, {"error": 1}]
)
def test_without_a_version_the_content_is_the_digest(tmp_path, told):
    (tmp_path / "list.csv").write_bytes(CSV)
    content = ContactTable.open(tmp_path / "list.csv").fingerprint
    assert digest(**told) == content
    assert digest(GROWN, **told) != content


def test_an_etag_of_a_web_server_does_not_prove_the_content():
    address = "http://host.example/list.csv"
    assert digest(address=address, ETag='"68-42"') != digest(GROWN, address=address, ETag='"68-42"')


@each_case("address", ["objects://list.csv", "http://host.example/list.csv"])
def test_an_object_that_is_replaced_while_it_is_read_is_refused(address):
    kind = fsspec.get_filesystem_class(address.partition(":")[0])
    kind.before_reading = lambda: kind.told.update(ETag='"new"')
    with pytest.raises(TableError, match="was replaced while it was read; run it again"):
        digest(address=address, ETag='"old"')


class _Broken(io.BytesIO):
    def readinto(self, buffer: object) -> int:
        raise OSError("the connection was lost")


def test_an_object_that_cannot_be_read_to_its_end_is_told_from_a_full_disk(monkeypatch):
    monkeypatch.setattr(Objects, "_open", lambda *_, **__: _Broken())
    with pytest.raises(TableError, match=r"cannot be read \(the connection was lost\); check the address"):
        digest()
    monkeypatch.undo()
    _in_registry(monkeypatch)

    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    copied = rf"^objects://list\.csv: cannot be copied to {tempfile.gettempdir()} \(No space left on device\)"
    with pytest.raises(TableError, match=copied):
        digest()
