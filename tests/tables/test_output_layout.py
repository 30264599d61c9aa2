"""A CSV of a table that had no text: no cell becomes a formula, and its encoding and delimiter are chosen."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from cleanlist_async.tables import ContactTable, EnrichedWriter, TableError
from tests.support.cases import each_case

FORMULA = "=cmd|' /C calc'!A0"
HEADER = ["First Name", "Last Name", "Website", "=Note", "Score"]
PEOPLE = [
    ["Ada", "Lovelace", "engines.example", FORMULA, -5],
    ["Łukasz", "Müller", "navy.example", "@lukasz", 1.5],
    ["Grace", "Hopper", "navy.example", "+49 30 123", -0.25],
    ["Alan", "Turing", "navy.example", "-", 0],
]
GUARDED = [f"'{FORMULA}", "'@lukasz", "+49 30 123", "-"]


def workbook(folder: Path, *, title: str | None = "=Leads; all") -> Path:
    book = xlsxwriter.Workbook(folder / "in.xlsx", {"strings_to_formulas": False})
    sheet = book.add_worksheet()
    rows = [*([[title]] if title else []), HEADER, *PEOPLE]
    for at, row in enumerate(rows):
        for column, cell in enumerate(row):
            write = sheet.write_string if isinstance(cell, str) else sheet.write_number
            write(at, column, cell)
    book.close()
    return folder / "in.xlsx"


def written(source: Path, name: str, **options: object) -> Path:
    table = ContactTable.open(source, **options)
    target = source.with_name(name)
    with EnrichedWriter(target, table, ["cleanlist_status"]) as writer:
        for row in table.rows():
            writer.put(row.index, {"cleanlist_status": "found"})
    return target


def rows_of(path: Path, *, delimiter: str = ",", encoding: str = "utf-8") -> list[list[str]]:
    with path.open(encoding=encoding, newline="") as stream:
        return list(csv.reader(stream, delimiter=delimiter))


def source_of(folder: Path, kind: str) -> Path:
    """The people in a file whose cells have types."""
    made = workbook(folder, title=None)
    if kind in {"parquet", "arrow"}:
        columns = {name: [row[at] for row in PEOPLE] for at, name in enumerate(HEADER)}
        pq.write_table(pa.table(columns), folder / "in.parquet")
        made = folder / "in.parquet"
    return made if made.suffix == f".{kind}" else written(made, f"in.{kind}")


@each_case("kind", ["xlsx", "parquet", "arrow", "json", "jsonl"])
@each_case("suffix", ["csv", "tsv"])
def test_what_was_text_in_another_format_is_no_formula_in_a_csv(tmp_path, kind, suffix):
    out = written(source_of(tmp_path, kind), f"out.{suffix}")
    header, *rows = rows_of(out, delimiter="\t" if suffix == "tsv" else ",")
    assert header[:5] == [*HEADER[:3], "'=Note", "Score"]
    assert [row[3] for row in rows] == GUARDED
    assert [float(row[4]) for row in rows] == [-5, 1.5, -0.25, 0]


def test_the_formulas_of_a_csv_are_its_owners(tmp_path):
    (tmp_path / "in.csv").write_text("Email,=A1\na@b.co,=1+1\n")
    assert rows_of(written(tmp_path / "in.csv", "out.csv"))[0][1] == "=A1"
    assert rows_of(written(tmp_path / "in.csv", "out.tsv"), delimiter="\t")[1][1] == "=1+1"


@each_case(
    ("encoding", "read_as"),
    [("cp1250", "cp1250"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("cp1252", "utf-8-sig")],
)
def test_the_layout_of_a_csv_is_chosen_where_the_input_has_none(tmp_path, encoding, read_as):
    source = workbook(tmp_path)
    out = written(source, "out.csv", encoding=encoding, delimiter="semicolon")
    title, header, *rows = rows_of(out, delimiter=";", encoding=read_as)
    assert title[0] == "'=Leads; all"
    assert header[:5] == [*HEADER[:3], "'=Note", "Score"]
    assert [row[:4] for row in rows] == [[*row[:3], note] for row, note in zip(PEOPLE, GUARDED, strict=True)]
    (tmp_path / "lines.jsonl").write_text('{"email": "a@b.co"}\n')
    lines = written(tmp_path / "lines.jsonl", "lines.csv", delimiter=";")
    assert lines.read_text() == "email;cleanlist_status\na@b.co;found\n"


@each_case("options", [{"encoding": "cp1252"}, {"delimiter": ";"}])
def test_a_layout_that_neither_input_nor_output_has_is_refused(tmp_path, options):
    source = workbook(tmp_path)
    with pytest.raises(TableError, match=r"out\.parquet: has no encoding or delimiter to choose"):
        written(source, "out.parquet", **options)
    assert not list(tmp_path.glob("out*"))


@each_case(
    ("options", "message"),
    [
        ({"encoding": "hex"}, 'cannot be written as "hex": no text encoding has that name'),
        ({"delimiter": "::"}, "'::' is not a delimiter"),
    ],
)
def test_a_layout_that_does_not_exist_is_refused(tmp_path, options, message):
    with pytest.raises(TableError, match=message):
        ContactTable.open(workbook(tmp_path), **options)
