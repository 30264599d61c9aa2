"""Files that are not text: every cell that is not ours comes back as it was, with its type."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest
import python_calamine
import xlsxwriter
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async.tables import ContactTable, EnrichedWriter, TableError
from tests.support.cases import each_case

HEADER = ("First Name", "Last Name", "Website")
PEOPLE = (("Ada", "Lovelace", "engines.example"), ("Grace", "Hopper", "navy.example"))
FOUND = {"cleanlist_status": "found", "cleanlist_email": "a@b.example", "cleanlist_credits": "1"}
FOUND |= {"cleanlist_phones": "+44 20; +44 21"}


def workbook(path: Path, rows: Sequence[Sequence[object]], *, name: str = "People") -> Path:
    book = xlsxwriter.Workbook(path, {"strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet(name)
    book.add_worksheet("Other")
    moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    for at, row in enumerate(rows):
        for column, cell in enumerate(row):
            if isinstance(cell, dt.datetime):
                sheet.write_datetime(at, column, cell, moment)
            elif isinstance(cell, str):
                sheet.write_string(at, column, cell)
            elif cell is not None:
                sheet.write(at, column, cell)
    book.close()
    return path


def sheet_of(path: Path, index: int = 0) -> list[list[object]]:
    sheet = python_calamine.CalamineWorkbook.from_path(path).get_sheet_by_index(index)
    return sheet.to_python(skip_empty_area=False)


def parquet(path: Path, columns: dict[str, object]) -> pa.Table:
    names = [cell for cell, _, _ in PEOPLE], [cell for _, cell, _ in PEOPLE], [cell for *_, cell in PEOPLE]
    table = pa.table(dict(zip(HEADER, names, strict=True)) | columns)
    pq.write_table(table, path)
    return table


def enriched(source: Path | str, output: Path | str, **options: object) -> ContactTable:
    """Write what `enrich` would write if everybody were found."""
    table = ContactTable.open(source, snapshot=True, **options)
    with EnrichedWriter(output, table) as writer:
        for row in table.rows():
            writer.put(row.index, FOUND)
    return table


def names_in(path: Path | str) -> list[tuple[str | None, ...]]:
    contacts = ContactTable.open(path).contacts()
    return [(contact.first_name, contact.last_name, contact.company_domain) for contact in contacts]


@each_case("suffix", ["csv", "tsv", "jsonl", "json", "xlsx", "parquet", "arrow", "csv.gz", "jsonl.zst"])
def test_every_format_is_written_and_read_again(tmp_path, suffix):
    source = workbook(tmp_path / "in.xlsx", [HEADER, *PEOPLE])
    enriched(source, tmp_path / f"out.{suffix}")
    enriched(tmp_path / f"out.{suffix}", tmp_path / "again.csv")
    assert names_in(tmp_path / f"out.{suffix}") == list(PEOPLE)
    assert names_in(tmp_path / "again.csv") == list(PEOPLE)
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name or "packed" in path.name] == []


def test_a_workbook_keeps_titles_types_and_texts_that_look_like_formulas(tmp_path):
    moment = dt.datetime.fromisoformat("2026-11-30T12:30")
    rows = [
        ["Leads of November", *[None] * 6],
        [*HEADER, "Phone", "Since", "Amount", "Agreed"],
        ["Ada", "Lovelace", "engines.example", "0044", moment, 12.5, True],
        ["Grace", "Hopper", "navy.example", "=1+1", None, 3, False],
    ]
    table = enriched(workbook(tmp_path / "in.xlsx", rows), tmp_path / "out.xlsx")
    title, header, ada, grace = sheet_of(tmp_path / "out.xlsx")
    assert title[0] == "Leads of November"
    assert header[:8] == [*rows[1], "cleanlist_status"]
    assert ada[:8] == [*rows[2], "found"]
    assert grace[:8] == ["Grace", "Hopper", "navy.example", "=1+1", "", 3, False, "found"]
    assert table.notes[0] == 'sheet "People" is read and written, not Other (--sheet)'
    assert [row.number for row in table.rows()] == [3, 4]


def test_a_workbook_with_macros_is_read_and_not_written(tmp_path):
    source = workbook(tmp_path / "in.xlsx", [HEADER, *PEOPLE]).rename(tmp_path / "in.XLSM")
    enriched(source, tmp_path / "out.xlsx")
    assert names_in(tmp_path / "out.xlsx") == list(PEOPLE)
    with pytest.raises(TableError, match=r"would be a workbook without its macros; end the name in \.xlsx"):
        enriched(source, tmp_path / "out.xlsm")


def test_numbers_below_the_header_of_a_code_are_noted(tmp_path):
    rows = [[*HEADER, "PLZ", "Kunden-ID", "Amount"], [*PEOPLE[0], 1067, "007", 12.5]]
    table = ContactTable.open(workbook(tmp_path / "in.xlsx", rows))
    list(table.rows())
    assert [note for note in table.notes if "numbers" in note] == [
        (
            "PLZ holds numbers: zeros in front that only Excel's number format shows are not read or written;"
            " format the column as text to keep them"
        )
    ]


def formulas(path: Path, cells: Sequence[str]) -> Path:
    """A workbook with people and one column of cells, each given as XML."""
    workbook(
        path, [[*HEADER, "Note"], *[[*PEOPLE[0], f"cell {at}"] for at in range(len(cells))]], name="A & B"
    )
    changed = path.with_name("changed.xlsx")
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(changed, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name == "xl/worksheets/sheet1.xml":
                for at, cell in enumerate(cells, 2):
                    content = re.sub(rf'<c r="D{at}"[^>]*>.*?</c>'.encode(), cell.encode(), content)
            after.writestr(name, content)
    return changed


VALUED = (
    '<c r="D2"><f>1+1</f><v>2</v></c>',
    '<c r="D3" t="str"><f>""</f><v></v></c>',
    '<c r="D4" t="str"><f>A1</f><v>Ada</v></c>',
    '<c r="D5" t="e"><f>1/0</f><v>#DIV/0!</v></c>',
    '<c r="D6"/>',
    '<c r="D7" t="inlineStr"><is><t>text</t></is></c>',
)
UNVALUED = (
    '<c r="D2"><f>A2&amp;B2</f></c>',
    '<c r="D3" s="1"><f>A2</f><v></v></c>',
    '<c r="D4"><f t="shared" si="0"/><v/></c>',
    '<c r="D5" t="str"><f>A2</f></c>',
    "<c r='D6'><f>A2</f><v /></c>",
    '<c r="D7"><f>A2</f></c>',
)


def test_formulas_without_a_value_are_noted_by_the_addresses_of_their_cells(tmp_path):
    (note,) = [
        note
        for note in ContactTable.open(formulas(tmp_path / "in.xlsx", UNVALUED)).notes
        if "formula" in note
    ]
    assert note.startswith(
        "6 cells (D2, D3, D4, D5, D6, ...) with a formula and no value: read and written as blank; open the"
    )
    assert [row.cells[3] for row in ContactTable.open(tmp_path / "changed.xlsx").rows()] == [""] * 6


def test_formulas_with_a_value_are_not_noted(tmp_path):
    table = ContactTable.open(formulas(tmp_path / "in.xlsx", VALUED))
    assert [row.cells[3] for row in table.rows()] == ["2", "", "Ada", "", "", "text"]
    assert not [note for note in table.notes if "formula" in note]


def test_formulas_of_other_sheets_are_not_noted(tmp_path):
    path = formulas(tmp_path / "in.xlsx", UNVALUED)
    with pytest.raises(TableError, match="is empty"):
        ContactTable.open(path, sheet="Other")


@each_case(
    ("cover", "problem"), [("Report of November", "none of the column headers is known"), (None, "is empty")]
)
def test_a_cover_names_the_other_sheets(tmp_path, cover, problem):
    book = xlsxwriter.Workbook(tmp_path / "in.xlsx")
    sheet = book.add_worksheet("Cover")
    if cover is not None:
        sheet.write_string(0, 0, cover)
    for name in ("Leads", "More"):
        book.add_worksheet(name).write_row(0, 0, HEADER)
    book.close()
    with pytest.raises(TableError, match=problem) as caught:
        ContactTable.open(tmp_path / "in.xlsx")
    assert str(caught.value).endswith(
        ', or pass --sheet with the one to read instead of "Cover": "Leads", "More"'
    )


def test_a_sheet_is_chosen_by_name_or_number(tmp_path):
    book = xlsxwriter.Workbook(tmp_path / "in.xlsx")
    book.add_worksheet("Notes").write_string(0, 0, "nothing here")
    sheet = book.add_worksheet("Leads")
    for at, row in enumerate([HEADER, *PEOPLE]):
        sheet.write_row(at, 0, row)
    book.close()
    for chosen in ("Leads", "leads", " LEADS", "2"):
        first = next(ContactTable.open(tmp_path / "in.xlsx", sheet=chosen).contacts())
        assert first.first_name == "Ada"
    with pytest.raises(TableError, match='has no sheet "Lead"; it has: Notes, Leads'):
        ContactTable.open(tmp_path / "in.xlsx", sheet="Lead")


def test_a_parquet_file_keeps_every_column_and_its_type(tmp_path):
    given_table = parquet(
        tmp_path / "in.parquet",
        {
            "n": pa.array([1, None], pa.int32()),
            "at": pa.array(
                [dt.datetime.fromisoformat("2026-01-01")] * 2, pa.timestamp("us", "Europe/Berlin")
            ),
            "kind": pa.array(["x", "y"]).dictionary_encode(),
            "list": [[1], None],
            "price": pa.array([1, 2], pa.decimal128(10, 2)),
        },
    )
    enriched(tmp_path / "in.parquet", tmp_path / "out.parquet")
    read = pq.read_table(tmp_path / "out.parquet")
    assert read.select(given_table.column_names).equals(given_table)
    assert read["cleanlist_status"].to_pylist() == ["found", "found"]
    assert read["cleanlist_phones"].to_pylist() == [["+44 20", "+44 21"]] * 2
    assert read["cleanlist_credits"].to_pylist() == [1.0, 1.0]


def test_json_keeps_types_of_a_data_file(tmp_path):
    parquet(tmp_path / "in.parquet", {"n": [1, None], "list": [["a"], None], "x": [float("nan"), 0.5]})
    for suffix in ("json", "jsonl"):
        enriched(tmp_path / "in.parquet", tmp_path / f"out.{suffix}")
        text = (tmp_path / f"out.{suffix}").read_text()
        rows = json.loads(text) if suffix == "json" else [json.loads(line) for line in text.splitlines()]
        assert [(row["n"], row["list"], row["x"]) for row in rows] == [(1, ["a"], None), (None, None, 0.5)]


def test_an_arrow_file_of_many_dictionaries_is_made_of_a_parquet_file(tmp_path):
    schema = pa.schema(
        [*((name, pa.string()) for name in HEADER), ("k", pa.dictionary(pa.int32(), pa.string()))]
    )
    with pq.ParquetWriter(tmp_path / "in.parquet", schema) as writer:
        for kind in ("x", "y"):
            columns = [pa.array([cell]) for cell in PEOPLE[0]]
            writer.write_table(pa.table([*columns, pa.array([kind]).dictionary_encode()], schema=schema))
    enriched(tmp_path / "in.parquet", tmp_path / "out.arrow")
    with ipc.open_file(tmp_path / "out.arrow") as file:
        assert file.read_all()["k"].to_pylist() == ["x", "y"]


def test_an_array_of_json_keeps_its_objects(tmp_path):
    ada = '{"first_name":"Ada", "last_name": "Lovelace",\n "company_domain":"e.example", "id": 1.50}'
    text = f'[ {ada},\n\n{{"x": "\u2028"}}]'
    (tmp_path / "in.json").write_text(text, "utf-8")
    enriched(tmp_path / "in.json", tmp_path / "out.json")
    first, second = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert '"id": 1.50' in (tmp_path / "out.json").read_text("utf-8")
    assert (first["first_name"], first["cleanlist_status"], second["x"]) == ("Ada", "found", "\u2028")


@each_case("text", ["{}", "[1]", '[{"first_name": "Ada"', "[{}, oops]", "[{} {}]"])
def test_what_is_no_array_of_objects_is_refused(tmp_path, text):
    (tmp_path / "in.json").write_text(text)
    with pytest.raises(TableError, match=r"holds no array|is no object|is not JSON"):
        ContactTable.open(tmp_path / "in.json")


@each_case("name", ["in.xlsx", "in.parquet", "in.arrow", "in.csv.gz", "in.csv.zst"])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, name):
    magic = {"in.csv.gz": b"\x1f\x8b", "in.csv.zst": b"\x28\xb5\x2f\xfd"}.get(name, b"")
    (tmp_path / name).write_bytes(magic + b"no such thing at all, and long enough to be looked at")
    with pytest.raises(TableError, match=f"{name}: is (no|damaged)"):
        ContactTable.open(tmp_path / name)


def test_a_compressed_file_is_known_by_its_first_bytes(tmp_path):
    text = "\n".join(",".join(row) for row in [HEADER, *PEOPLE]).encode()
    for data in (gzip.compress(text), zstandard.compress(text)):
        (tmp_path / "in.csv").write_bytes(data)
        assert names_in(tmp_path / "in.csv") == list(PEOPLE)


def test_a_workbook_that_is_called_csv_says_what_to_do(tmp_path):
    workbook(tmp_path / "in.xlsx", [HEADER, *PEOPLE]).rename(tmp_path / "in.csv")
    with pytest.raises(TableError, match="pass --format xlsx"):
        ContactTable.open(tmp_path / "in.csv")
    assert len(list(ContactTable.open(tmp_path / "in.csv", format="xlsx").contacts())) == 2


def test_an_address_is_read_and_written(tmp_path):
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/in.csv", "\n".join(",".join(row) for row in [HEADER, *PEOPLE]).encode())
    enriched("memory://bucket/in.csv", "memory://bucket/out.parquet")
    read = pq.read_table(io.BytesIO(memory.cat("/bucket/out.parquet")))
    assert read["First Name"].to_pylist() == ["Ada", "Grace"]
    with pytest.raises(TableError, match="cannot be read"):
        ContactTable.open("memory://bucket/none.csv")


CELLS = {
    "text": st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8) | st.none(),
    "whole": st.integers(-(2**40), 2**40) | st.none(),
    "number": st.floats(allow_nan=False, allow_infinity=False, width=32) | st.none(),
    "flag": st.booleans() | st.none(),
    "moment": st.datetimes(*map(dt.datetime.fromisoformat, ("1950-01-01", "2100-01-01"))) | st.none(),
}


@given(st.lists(st.fixed_dictionaries(CELLS), min_size=1, max_size=5))
def test_a_data_file_comes_back_cell_by_cell(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("cells")
    types = {"text": pa.string(), "whole": pa.int64(), "number": pa.float32(), "flag": pa.bool_()}
    types["moment"] = pa.timestamp("us")
    own = {name: pa.array([row[name] for row in rows], kind) for name, kind in types.items()}
    people = {name: pa.array([cell] * len(rows)) for name, cell in zip(HEADER, PEOPLE[0], strict=True)}
    table = pa.table(people | own)
    pq.write_table(table, folder / "in.parquet")
    enriched(folder / "in.parquet", folder / "out.parquet")
    assert pq.read_table(folder / "out.parquet").select(table.column_names).equals(table)


@given(
    st.lists(
        st.fixed_dictionaries({name: CELLS[name] for name in ("text", "whole", "flag")}),
        min_size=1,
        max_size=5,
    )
)
def test_a_workbook_comes_back_cell_by_cell(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("cells")
    cells = [[*PEOPLE[0], *row.values()] for row in rows]
    workbook(folder / "in.xlsx", [[*HEADER, "a", "b", "c"], *cells])
    before = sheet_of(folder / "in.xlsx")
    enriched(folder / "in.xlsx", folder / "out.xlsx")
    assert [row[: len(before[0])] for row in sheet_of(folder / "out.xlsx")] == before


def test_a_workbook_has_days_before_its_calendar_begins_as_text(tmp_path):
    days = [dt.date(1850, 6, 1), dt.date(1900, 3, 1)]
    moments = [dt.datetime.fromisoformat(day) for day in ("1899-12-31 03:04", "1900-03-01 03:04")]
    parquet(tmp_path / "in.parquet", {"Founded": days, "Opened": moments})
    enriched(tmp_path / "in.parquet", tmp_path / "out.xlsx")
    _, early, later = (row[3:5] for row in sheet_of(tmp_path / "out.xlsx"))
    assert (early, later) == (["1850-06-01", "1899-12-31 03:04:00"], [days[1], moments[1]])
