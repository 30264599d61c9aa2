"""The mode of a new file: no user may read an output who could not read its input."""

from __future__ import annotations

import os

import pytest

from cleanlist_async.tables import ContactTable, EnrichedWriter


@pytest.fixture
def table(tmp_path) -> ContactTable:
    path = tmp_path / "in.csv"
    path.write_text("Email\na@b.co\n", newline="")
    return ContactTable.open(path)


needs_permissions = pytest.mark.skipif(not hasattr(os, "getegid"), reason="needs permissions of POSIX")


def mode_of(path):
    return path.stat().st_mode & 0o777


@pytest.fixture
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


@needs_permissions
@pytest.mark.parametrize(
    ("source", "written"),
    [(0o600, 0o600), (0o640, 0o640), (0o644, 0o644), (0o400, 0o600), (0o777, 0o666), (0o604, 0o604)],
)
def test_nobody_may_read_the_output_who_may_not_read_the_input(table, tmp_path, open_umask, source, written):
    (tmp_path / "in.csv").chmod(source)
    with EnrichedWriter(tmp_path / "out.csv", table) as writer:
        assert mode_of(writer.part_path) == written
        writer.flush_partial()
    assert mode_of(tmp_path / "out.csv") == written


@needs_permissions
@pytest.mark.parametrize(("source", "written"), [(0o600, 0o600), (0o640, 0o640), (0o400, 0o600)])
def test_a_file_on_standard_input_counts_as_one_that_is_named(
    tmp_path, open_umask, monkeypatch, source, written
):
    path = tmp_path / "in.csv"
    path.write_text("Email\na@b.co\n", newline="")
    path.chmod(source)
    with path.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        EnrichedWriter(tmp_path / "out.csv", ContactTable.open("-")).close()
    assert mode_of(tmp_path / "out.csv") == written


@needs_permissions
def test_a_pipe_on_standard_input_has_no_permissions_to_go_by(tmp_path, open_umask, monkeypatch):
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        pipe.write("Email\na@b.co\n")
    with os.fdopen(reading) as stream:
        monkeypatch.setattr("sys.stdin", stream)
        EnrichedWriter(tmp_path / "out.csv", ContactTable.open("-")).close()
    assert mode_of(tmp_path / "out.csv") == 0o666


@needs_permissions
def test_an_output_that_is_written_over_is_opened_to_nobody(table, tmp_path, open_umask):
    (tmp_path / "out.csv").touch(0o640)
    EnrichedWriter(tmp_path / "out.csv", table, overwrite=True).close()
    assert mode_of(tmp_path / "out.csv") == 0o640


@needs_permissions
def test_the_umask_holds(table, tmp_path):
    (tmp_path / "in.csv").chmod(0o666)
    before = os.umask(0o027)
    try:
        EnrichedWriter(tmp_path / "out.csv", table).close()
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "out.csv") == 0o640


@pytest.mark.skipif(not hasattr(os, "getegid") or os.geteuid() != 0, reason="needs to change a group")
@pytest.mark.parametrize(("source", "written"), [(0o640, 0o600), (0o644, 0o644), (0o660, 0o600)])
def test_what_the_group_of_the_input_may_is_nothing_to_another_group(
    table, tmp_path, open_umask, source, written
):
    os.chown(tmp_path / "in.csv", -1, 12_345)
    (tmp_path / "in.csv").chmod(source)
    EnrichedWriter(tmp_path / "out.csv", table).close()
    assert mode_of(tmp_path / "out.csv") == written


@needs_permissions
def test_a_file_that_turns_into_utf_8_on_the_way_is_as_private(tmp_path, open_umask):
    source = tmp_path / "in.csv"
    source.write_bytes("Email\njos\xe9@x.example\n".encode("cp1252"))
    source.chmod(0o600)
    table = ContactTable.open(source, encoding="cp1252")
    with EnrichedWriter(tmp_path / "out.csv", table, ["cleanlist_email"]) as writer:
        writer.put(0, {"cleanlist_email": "\u82b1@x.example"})
        assert writer.notes
        assert mode_of(writer.part_path) == 0o600
    assert mode_of(tmp_path / "out.csv") == 0o600
