import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from cleanlist_async.cli.enrich.enriched_table import EnrichedTable
from cleanlist_async.cli.enrich.inputs import TableContacts, TableOptions
from cleanlist_async.cli.enrich.result_file import Job, ResultFile
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.tables import ContactTable, EnrichedWriter, TableError


@pytest.fixture
def job(tmp_path, people, cli):
    cli.write(people(5))
    table = ContactTable.open(tmp_path / "in.csv")
    return Job(TableContacts.read(table), str(tmp_path / "out.csv"))


def result(index, **more):
    return EnrichmentResult(
        index, Contact(), "found", email=f"{index}@x.example", credits_charged=1.0, **more
    )


def test_results_that_the_disk_refuses_are_rescued(job, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    stopped = []
    file = ResultFile(job, lambda: stopped.append(1))
    file.take(result(0))

    def full(*_):
        raise TableError(path="out.csv", problem="cannot be written (No space left on device)")

    monkeypatch.setattr(EnrichedWriter, "put", full)
    for index in (1, 2):
        file.take(result(index))
    file.close()
    assert stopped == [1]
    assert file.problem is not None
    (note,) = file.notes
    lines = [json.loads(line) for line in Path(note.rpartition(" ")[2]).read_text().splitlines()]
    assert [line["cleanlist_email"] for line in lines] == ["0@x.example", "1@x.example", "2@x.example"]
    assert [line["row"] for line in lines] == [2, 3, 4]


def test_workflows_of_results_that_no_disk_takes_are_named(job, monkeypatch):
    file = ResultFile(job, lambda: None)

    def full(*_, **__):
        raise TableError(path="out.csv", problem="cannot be written (No space left on device)")

    def no_folder(**_):
        raise OSError("No space left on device")

    monkeypatch.setattr(EnrichedWriter, "put", full)
    monkeypatch.setattr(tempfile, "mkstemp", no_folder)
    for index, workflow_id in enumerate(["wf_1", "wf_1", "wf_2"]):
        file.take(result(index, workflow_id=workflow_id))
    file.close()
    assert file.notes == ["the results of these workflows are in no file: wf_1 wf_2"]


def test_what_was_never_read_is_counted_and_written_as_failed(job, cli):
    file = ResultFile(job, lambda: None)
    file.take(result(3))
    file.close()
    assert {status: count for status, count in file.tally.statuses.items() if count} == {
        "found": 1,
        "failed": 4,
    }
    assert [row["cleanlist_status"] for row in cli.results()] == ["failed"] * 3 + ["found", "failed"]
    assert file.problem is None


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
def test_a_file_enriched_twice_is_read_by_its_last_enrichment(job, cli, tmp_path, name):
    first = ResultFile(job, lambda: None)
    first.take(result(0))
    first.close()
    table = ContactTable.open(tmp_path / "out.csv")
    again = Job(TableContacts.read(table), str(tmp_path / f"again-{name}"))
    second = ResultFile(again, lambda: None)
    second.take(result(1, workflow_id="w"))
    second.close()
    enriched = EnrichedTable.open(again.output, TableOptions())
    assert enriched.table.headers == table.headers
    assert [cells["cleanlist_status"] for _, cells in enriched.rows()] == ["failed", "found"] + ["failed"] * 3
    assert [row.contact for row, _ in enriched.rows()] == [row.contact for row in table.rows()]


def test_results_that_are_in_a_store_are_not_rescued_and_what_a_killed_run_left_is_replaced(
    job, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed = ResultFile(replace(job, is_in_store=True), lambda: None)
    killed.take(result(0))
    file = ResultFile(replace(job, is_in_store=True), lambda: None)
    assert [path.name for path in tmp_path.glob("out*")] == ["out.csv.tmp"]

    def full(*_):
        raise TableError(path="out.csv", problem="cannot be written (No space left on device)")

    monkeypatch.setattr(EnrichedWriter, "put", full)
    file.take(result(1))
    file.close()
    assert file.problem is not None
    assert file.notes == []
    assert not list(tmp_path.glob("cleanlist-results-*"))
    killed.close()
