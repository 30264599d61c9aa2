"""What of an enrichment is written: columns, their names, and the rows of some outcomes, in every format."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import python_calamine

from cleanlist_async import ConfigurationError
from cleanlist_async.tables import ContactTable, EnrichedWriter, OutputChoice, TableError
from cleanlist_async.tables.output_choice import ADDED
from tests.support.cases import each_case

CSV = "Email,Note\na@b.co,one\n\nc@d.co,two\ne@f.co,three\nTotal: 3 rows,\n"
OUTCOMES = [("found", "x@b.co"), ("not_found", ""), ("found", "z@f.co")]
SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".xlsx", ".parquet", ".arrow", ".csv.gz")


@pytest.fixture
def table(tmp_path) -> ContactTable:
    return as_table(tmp_path, ".csv")


def as_table(folder: Path, suffix: str) -> ContactTable:
    """A table of three people, in a file of any format."""
    text = folder / "in.csv"
    text.write_text(CSV)
    if suffix == ".csv":
        return ContactTable.open(text)
    path = folder / f"in{suffix}"
    with EnrichedWriter(path, ContactTable.open(text), choice=OutputChoice.of("error", {"error": "Why"})):
        pass
    return ContactTable.open(path)


def written(table: ContactTable, path: Path, choice: OutputChoice) -> list[dict[str, str]]:
    with EnrichedWriter(path, table, choice=choice) as writer:
        for index in (2, 0, 1):
            status, email = OUTCOMES[index]
            writer.put(index, {"cleanlist_status": status, "cleanlist_email": email})
    read = ContactTable.open(path)
    places = range(len(read.headers))
    return [
        dict(zip(read.headers, read.source.texts(record, places), strict=True))
        for record in read.source.records()
        if record.is_contact
    ]


@each_case("before", SUFFIXES)
@each_case("after", SUFFIXES)
def test_columns_are_chosen_and_named_and_rows_left_out_in_every_format(tmp_path, before, after):
    table = as_table(tmp_path, before)
    choice = OutputChoice.of(["email", "cleanlist_status"], {"email": "Found"}, "found")
    rows = written(table, tmp_path / f"out{after}", choice)
    assert [list(row)[-2:] for row in rows] == [["Found", "cleanlist_status"]] * 2
    assert [(row["Email"], row["Note"], row["Found"], row["cleanlist_status"]) for row in rows] == [
        ("a@b.co", "one", "x@b.co", "found"),
        ("e@f.co", "three", "z@f.co", "found"),
    ]


CRM = (
    "Leads of November,,,\nLead ID,First Name,Email,Note\n7,Ada,a@b.co,one\n\n8,Bo,c@d.co\n"
    "9,Cy,e@f.co,three,more\nTotal: 3 rows,,,\n"
)


@each_case("before", SUFFIXES)
@each_case("after", SUFFIXES)
def test_columns_of_the_input_are_chosen_in_their_order_in_every_format(tmp_path, before, after):
    text = tmp_path / "crm.csv"
    text.write_text(CRM)
    source = text
    if before != ".csv":
        source = tmp_path / f"in{before}"
        with EnrichedWriter(
            source, ContactTable.open(text), choice=OutputChoice.of("error", {"error": "Why"})
        ):
            pass
    choice = OutputChoice.of(
        ["email"], {"email": "Work mail"}, ["found", "not_found"], input_columns=["note", "Lead ID"]
    )
    rows = written(ContactTable.open(source, {"email": "Email"}), tmp_path / f"out{after}", choice)
    assert rows == [
        {"Note": "one", "Lead ID": "7", "Work mail": "x@b.co"},
        {"Note": "", "Lead ID": "8", "Work mail": ""},
        {"Note": "three", "Lead ID": "9", "Work mail": "z@f.co"},
    ]


def test_titles_and_footers_go_with_the_columns_that_are_left_out(tmp_path):
    (tmp_path / "in.csv").write_text(CRM)
    table = ContactTable.open(tmp_path / "in.csv")
    written(table, tmp_path / "out.csv", OutputChoice.of("status", input_columns=["email", "Lead ID"]))
    assert (tmp_path / "out.csv").read_text() == (
        "Email,Lead ID,cleanlist_status\na@b.co,7,found\nc@d.co,8,not_found\ne@f.co,9,found\n"
    )


def test_a_chosen_column_of_parquet_keeps_its_type(tmp_path):
    people = pa.table(
        {"Email": ["a@b.co", "c@d.co", "e@f.co"], "Score": [1, 2, None], "Tags": [["x"], [], None]}
    )
    pq.write_table(people, tmp_path / "in.parquet")
    choice = OutputChoice.of("status", input_columns=["Tags", "Score"])
    with EnrichedWriter(tmp_path / "out.parquet", ContactTable.open(tmp_path / "in.parquet"), choice=choice):
        pass
    read = pq.read_table(tmp_path / "out.parquet")
    assert read.select(["Tags", "Score"]).equals(people.select(["Tags", "Score"]))
    assert read.column_names == ["Tags", "Score", "cleanlist_status"]


def test_a_column_that_the_input_lacks_is_refused(table, tmp_path):
    with pytest.raises(TableError, match=r'there is no column "Notes"; did you mean "Note"'):
        EnrichedWriter(tmp_path / "out.csv", table, choice=OutputChoice.of(input_columns=["Notes"]))
    assert not list(tmp_path.glob("out*"))
    with pytest.raises(ConfigurationError, match="input_columns is empty"):
        OutputChoice.of(input_columns=[""])


def test_blank_lines_and_footers_go_with_the_rows_that_are_left_out(table, tmp_path):
    written(table, tmp_path / "out.csv", OutputChoice.of("status", only=["found"]))
    assert (tmp_path / "out.csv").read_text() == (
        "Email,Note,cleanlist_status\na@b.co,one,found\ne@f.co,three,found\n"
    )
    written(table, tmp_path / "out.xlsx", OutputChoice.of("status", only=["found"]))
    sheet = python_calamine.CalamineWorkbook.from_path(tmp_path / "out.xlsx").get_sheet_by_index(0)
    assert [row[0] for row in sheet.to_python()] == ["Email", "a@b.co", "e@f.co"]


def test_a_row_without_an_outcome_is_left_out_too(table, tmp_path):
    with EnrichedWriter(tmp_path / "out.csv", table, choice=OutputChoice.of(only="failed")) as writer:
        writer.put(1, {"cleanlist_status": "failed"})
    assert [line[:6] for line in (tmp_path / "out.csv").read_text().splitlines()] == ["Email,", "c@d.co"]


def test_what_waits_is_flushed_without_the_rows_that_are_left_out(table, tmp_path):
    writer = EnrichedWriter(tmp_path / "out.csv", table, choice=OutputChoice.of("status", only="found"))
    writer.put(1, {"cleanlist_status": "not_found"})
    writer.put(2, {"cleanlist_status": "found"})
    writer.flush_partial()
    assert writer.part_path.read_text() == "Email,Note,cleanlist_status\ne@f.co,three,found\n"
    writer.put(0, {"cleanlist_status": "found"})
    assert writer.rows_written == 3
    writer.close()
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 3


def test_a_name_that_the_table_has_is_numbered(table, tmp_path):
    choice = OutputChoice.of(["status", "email"], {"email": "email"})
    rows = written(table, tmp_path / "out.csv", choice)
    assert list(rows[0]) == ["Email", "Note", "cleanlist_status", "email (2)"]
    with EnrichedWriter(tmp_path / "again.csv", table, choice=choice) as writer:
        assert writer.notes == [
            'the column email is called "email (2)", because the input has a column "email"'
        ]


def test_numbered_names_double_none_of_ours(tmp_path):
    (tmp_path / "in.csv").write_text("Email,A\na@b.co,1\n")
    choice = OutputChoice.of(["email", "phones"], {"email": "A", "phones": "A (2)"})
    with EnrichedWriter(tmp_path / "out.csv", ContactTable.open(tmp_path / "in.csv"), choice=choice):
        pass
    assert (tmp_path / "out.csv").read_text().splitlines()[0] == "Email,A,A (2),A (2) (2)"


def test_types_of_columns_survive_the_rows_that_are_left_out(tmp_path):
    people = pa.table(
        {"Email": ["a@b.co", "c@d.co", "e@f.co"], "Score": [1, 2, None], "Tags": [["x"], [], None]}
    )
    pq.write_table(people, tmp_path / "in.parquet")
    written(
        ContactTable.open(tmp_path / "in.parquet"), tmp_path / "out.parquet", OutputChoice.of(only="found")
    )
    read = pq.read_table(tmp_path / "out.parquet")
    assert read.select(people.column_names).equals(people.take([0, 2]))


def test_an_empty_choice_of_rows_is_an_empty_table(tmp_path):
    table = as_table(tmp_path, ".csv")
    written(table, tmp_path / "none.csv", OutputChoice.of("status", only="pending"))
    with EnrichedWriter(tmp_path / "none.json", table, choice=OutputChoice.of(only="pending")):
        pass
    assert (tmp_path / "none.csv").read_text() == "Email,Note,cleanlist_status\n"
    assert json.loads((tmp_path / "none.json").read_text()) == []


@each_case(
    ("arguments", "message"),
    [
        ({"keep": ["emial"]}, "'emial' is no column of an enrichment. .*There are: status, email"),
        ({"keep": []}, "keep is empty, so nothing would be written"),
        ({"keep": 7}, "keep must be names"),
        ({"keep": [None]}, "None is no column"),
        ({"rename": {"Email": "E"}}, "'Email' is no column"),
        ({"rename": ["email"]}, "rename must be a mapping"),
        ({"rename": {"email": " "}}, "each new name in rename must be text that is not blank"),
        (
            {"rename": {"email": "Same", "phones": "same"}},
            'rename: two columns of the output would be called "same"',
        ),
        ({"only": "fonud"}, "'fonud' is no outcome. .*There are: found, not_found"),
        ({"only": []}, "only is empty"),
    ],
)
def test_what_cannot_be_chosen_is_refused(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        OutputChoice.of(**arguments)


@each_case(
    ("arguments", "is_collectable"),
    [
        ({}, True),
        ({"keep": ["workflow_id", "status", "email"], "rename": {"email": "E"}}, True),
        ({"keep": ["status"]}, False),
        ({"keep": ADDED, "only": "found"}, False),
        ({"rename": {"status": "Status"}}, False),
    ],
)
def test_an_output_is_collectable_only_if_it_tells_what_is_pending(arguments, is_collectable):
    assert OutputChoice.of(**arguments).is_collectable == is_collectable
