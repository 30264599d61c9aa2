"""Files that are not text, from the command line: the same command, the same memory, the same columns."""

import json
import shlex
import signal

import pyarrow.parquet as pq
import pytest
import python_calamine
import xlsxwriter

from tests.cli.command_line import FAST, HEADERS, until

pytestmark = [pytest.mark.sockets, pytest.mark.slow]


def write_workbook(folder, rows):
    book = xlsxwriter.Workbook(folder / "in.xlsx", {"strings_to_formulas": False})
    sheet = book.add_worksheet("Leads")
    for at, row in enumerate([HEADERS, *rows]):
        sheet.write_row(at, 0, row)
    book.close()


def test_a_workbook_is_enriched_into_parquet_once(cli, serve, people):
    write_workbook(cli.folder, people(3))
    with serve(workflow_s=0.2) as sandbox:
        assert cli("enrich", "in.xlsx", "-o", "out.parquet", "-y", *FAST).code == 0
        again = cli("enrich", "in.xlsx", "-o", "out.parquet", "-y", "--overwrite", "--json", *FAST)
        own = cli("enrich", "out.parquet", "-o", "more.xlsx", "-y", "--json", *FAST)
        assert len(sandbox.ledger.contacts) == 3
    assert (again.code, json.loads(again.out)["credits"], own.code) == (0, 0, 0)
    read = pq.read_table(cli.folder / "out.parquet")
    assert read.column_names[: len(HEADERS)] == HEADERS
    assert set(read["cleanlist_status"].to_pylist()) <= {"found", "not_found"}
    header, *rows = (
        python_calamine.CalamineWorkbook.from_path(cli.folder / "more.xlsx").get_sheet_by_index(0).to_python()
    )
    assert header == read.column_names
    assert [row[len(HEADERS)] for row in rows] == read["cleanlist_status"].to_pylist()


def test_the_output_can_be_standard_output(cli, serve, people):
    cli.write(people(2))
    with serve(workflow_s=0.2):
        done = cli("enrich", "in.csv", "-o", "-", "-y", *FAST)
    assert done.code == 0, done.err
    header, *rows = done.out.splitlines()
    assert (header.split(",")[: len(HEADERS)], len(rows)) == (HEADERS, 2)


def test_a_job_and_its_export_read_and_write_workbooks(cli, serve, people):
    write_workbook(cli.folder, people(2))
    with serve(workflow_s=0.2) as sandbox:
        done = cli("job", "run", "crm", "in.xlsx", "-y", *FAST)
        assert done.code == 0, done.err
        exported = cli("job", "export", "crm", "-o", "out.xlsx")
        assert exported.code == 0, exported.err
        assert len(sandbox.ledger.contacts) == 2


def test_plan_and_validate_name_the_rows_of_the_sheet(cli, people):
    write_workbook(cli.folder, [*people(1), ["Katherine", "Johnson", "", "", "", ""]])
    assert "row 3: needs" in cli("plan", "in.xlsx").out
    assert "row 3: invalid" in cli("validate", "in.xlsx", "--sheet", "Leads").out
    assert 'has no sheet "Nobody"' in cli("plan", "in.xlsx", "--sheet", "Nobody").error


def rows_of(cli, name="out.csv"):
    return [row["cleanlist_status"] for row in cli.results(name)]


def test_rows_that_are_not_chosen_stay_without_a_result(cli, serve, people):
    cli.write([*people(2), ["Bea", "Has", "", "bea.example", "", "a note"], *people(5)[2:]])
    options = ("enrich", "in.csv", "-o", "out.csv", "-y", "--overwrite", *FAST)
    with serve(workflow_s=0.2, hit_rate=1.0) as sandbox:
        assert cli(*options, "--limit", "2").code == 0
        assert rows_of(cli) == ["found", "found", "", "", "", ""]
        assert cli(*options, "--only-missing", "Notes", "--limit", "3").code == 0
        assert rows_of(cli) == ["found", "found", "", "found", "", ""]
        assert cli(*options, "--sample", "4").code == 0
        sampled = rows_of(cli)
        assert sampled.count("found") == 4
        assert cli(*options, "--sample", "4").code == 0
        assert rows_of(cli) == sampled
        assert 'there is no column "Nothing"' in cli(*options, "--only-missing", "Nothing").error
        assert sandbox.ledger.duplicates() == {}
        assert cli(*options).code == 0
    assert rows_of(cli) == ["found"] * 6


GERMAN = ("--encoding", "cp1252", "--delimiter", ";", "--sheet", "Leads")


def test_a_workbook_becomes_a_csv_for_a_german_excel_and_is_its_own_output_again(cli, serve, people):
    write_workbook(cli.folder, [*people(2), ["Jörg", "Groß", "", "gross.example", "", "=cmd|' /C calc'!A0"]])
    command = ("enrich", "in.xlsx", "-o", "out.csv", "-y", *GERMAN)
    with serve() as sandbox:
        macros = cli("enrich", "in.xlsx", "-o", "out.xlsm", "-y")
        assert ".json, .xlsx, .parquet" in macros.error
        assert "leave out --encoding" in cli("enrich", "in.xlsx", "-o", "out.jsonl", "-y", *GERMAN).error
        for _ in "12":
            done = cli(*command, *FAST)
            assert done.code == 0, done.err
        assert len(sandbox.ledger.contacts) == 3
    last = (cli.folder / "out.csv").read_bytes().decode("cp1252").splitlines()[-1]
    assert last.startswith("Jörg;Groß;;gross.example;;'=cmd|' /C calc'!A0;")


@pytest.mark.parametrize(
    ("output", "typed"), [("out.csv", "--encoding cp1252 --delimiter ';'"), ("o.xlsx", "")]
)
def test_collect_is_told_how_the_output_is_read(cli, serve, people, output, typed):
    write_workbook(cli.folder, people(2))
    options = GERMAN if typed else GERMAN[4:]
    with serve(workflow_s=1.0) as sandbox:
        process = cli.start("enrich", "in.xlsx", "-o", output, "-y", *options, *FAST)
        until(lambda: sandbox.ledger.contacts)
        process.send_signal(signal.SIGINT)
        stopped = cli.finish(process).err
        (command,) = [line for line in stopped.splitlines() if "cleanlist-async collect" in line]
        assert " ".join(f"cleanlist-async collect {output} {typed} --window-s 0.5".split()) == command.strip()
        collected = cli(*shlex.split(command)[1:])
        assert collected.code == 0, collected.err
