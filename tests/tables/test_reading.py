from __future__ import annotations

import csv
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cleanlist_async.tables import ENRICHMENT_COLUMNS, ContactTable, EnrichedWriter, TableError
from tests.support.cases import each_case
from tests.tables.awkward_files import READABLE, REFUSED, Readable, Refused, csv_lines

WIDTH = len(ENRICHMENT_COLUMNS)


def save(folder: Path, case: Readable | Refused) -> Path:
    path = folder / f"contacts{case.extension}"
    path.write_bytes(case.data)
    return path


def test_the_corpus_is_large_and_its_names_are_unique():
    names = [case.name for case in [*READABLE, *REFUSED]]
    assert len(names) == len(set(names)) >= 120


@each_case("case", READABLE)
def test_is_read_exactly(case, tmp_path):
    table = ContactTable.open(save(tmp_path, case), **case.options)
    rows = list(table.rows())
    assert [row.cells for row in rows] == case.rows
    assert [row.index for row in rows] == list(range(len(rows)))
    assert [row.number for row in rows] == (case.numbers or [row.number for row in rows])
    if case.note:
        assert any(case.note in note for note in table.notes), table.notes
    else:
        assert table.notes == []
    assert list(table.rows()) == rows
    assert len(table.notes) == (1 if case.note else 0), "a second pass counts nothing twice"


@pytest.mark.slow
@each_case("case", READABLE)
def test_is_written_back_with_the_same_cells(case, tmp_path):
    path = save(tmp_path, case)
    table = ContactTable.open(path, **case.options)
    target = tmp_path / f"out{case.extension}"
    with EnrichedWriter(target, table) as writer:
        for row in table.rows():
            writer.put(row.index, {"cleanlist_status": "found"})
    assert target.read_bytes().startswith(table.source.file.encoding.mark)
    again = ContactTable.open(target, **{**case.options, "encoding": table.source.file.encoding.name})
    width = len(table.headers)
    assert [row.cells[:width] + row.cells[width + WIDTH :] for row in again.rows()] == padded(
        case.rows, width
    )
    assert {row.cells[width] for row in again.rows()} <= {"found"}
    assert [row.number for row in again.rows()] == [row.number for row in table.rows()]
    if case.options.get("has_header", True):
        assert again.source.raw_headers[:width] == table.source.raw_headers
        assert again.headers[width : width + WIDTH] == ENRICHMENT_COLUMNS
    assert again.source.dialect.delimiter == table.source.dialect.delimiter
    assert again.source.dialect.line_end == table.source.dialect.line_end
    assert again.source.dialect.preamble == table.source.dialect.preamble
    assert not list(tmp_path.glob("*.part*"))


def padded(rows, width):
    return [(*row, *[""] * (width - len(row))) for row in rows]


@pytest.mark.slow
@each_case("case", REFUSED)
def test_is_refused_by_name(case, tmp_path):
    path = save(tmp_path, case)
    with pytest.raises(TableError) as caught:
        list(ContactTable.open(path, **case.options).rows())
    error = caught.value
    assert case.says in str(error)
    assert str(error).startswith(str(path))
    assert "\n" not in str(error)
    assert (error.row, error.column) == (case.row, case.column)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.row, again.column) == (str(error), error.row, error.column)


def test_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(TableError, match="cannot be read"):
            ContactTable.open(path)


@pytest.mark.slow
def test_the_limit_of_the_csv_module_is_never_lowered_and_ours_still_holds(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(csv_lines("Email,Notes", f"a@b.co,{'x' * ((1 << 20) + 1)}"))
    before = csv.field_size_limit(1 << 30)
    try:
        with pytest.raises(TableError, match='row 2, column "Notes": the cell is larger'):
            ContactTable.open(path)
        assert csv.field_size_limit() == 1 << 30
    finally:
        csv.field_size_limit(before)


def test_standard_input_can_be_read_twice(tmp_path, monkeypatch):
    source = tmp_path / "piped"
    source.write_bytes(csv_lines("Email", "a@b.co"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with source.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        table = ContactTable.open("-")
    assert table.name == "standard input"
    assert [row.contact.email for row in [*table.rows(), *table.rows()]] == ["a@b.co"] * 2
    EnrichedWriter(tmp_path / "out.csv", table).close()
    # The copy has no name, so that a killed process leaves no contacts behind.
    assert {path.name for path in tmp_path.iterdir()} == {"piped", "out.csv"}


def test_an_error_cannot_forge_a_line():
    error = TableError(path="a.csv", row=2, column="x\r\n\x1b[31mEmail", problem="bad", fix="mend it")
    assert str(error) == 'a.csv, row 2, column "x   [31mEmail": bad; mend it'
    assert str(TableError()) == ""
    assert issubclass(TableError, ValueError)


def test_a_snapshot_is_what_the_file_was(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("First Name,Last Name,Company\nAda,Love,Engines\nBob,Low,Locks\n")
    table = ContactTable.open(path, snapshot=True)
    first = table.contacts()
    assert next(first).first_name == "Ada"
    path.unlink()
    assert [contact.first_name for contact in table.contacts()] == ["Ada", "Bob"]
    assert [contact.first_name for contact in first] == ["Bob"]  # two passes at once, each at its own place
    assert table.source.file.is_unchanged()


@pytest.mark.slow
def test_threads_that_read_a_snapshot_at_once_each_read_all_of_it(tmp_path):
    path = tmp_path / "contacts.csv"
    path.write_text("email\n" + "".join(f"p{number}@acme.example\n" for number in range(20_000)))
    table = ContactTable.open(path, snapshot=True)
    whole = list(table.contacts())
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            read = list(threads.map(lambda _: list(table.contacts()), range(8)))
    finally:
        sys.setswitchinterval(interval)
    assert [contacts == whole for contacts in read] == [True] * 8


def test_a_snapshot_that_has_no_room_is_one_clear_error(tmp_path, monkeypatch):
    path = tmp_path / "in.csv"
    path.write_text("First Name,Last Name,Company\nAda,Love,Engines\n")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(TableError, match=r"in\.csv: cannot be copied to .*nowhere"):
        ContactTable.open(path, snapshot=True)
