from __future__ import annotations

import json
import signal

import pytest

from tests.cli.command_line import FAST, check_results, until

COLUMNS = ("--no-header", "--map", "first_name=1", "--map", "last_name=2", "--map", "company_domain=4")

pytestmark = pytest.mark.sockets


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_is_collected(cli, serve, people, number, code):
    given = cli.write(people(1100))
    with serve(workflow_s=1.5, window_s=1.0) as sandbox:
        process = cli.start("enrich", "in.csv", "-o", "out.csv", "-y", "--json", "--window-s", "1")
        until(lambda: len(sandbox.ledger.contacts) >= 500)
        process.send_signal(number)
        done = cli.finish(process)
        assert done.code == code, done.err
        stopped = json.loads(done.out)
        pending = stopped["statuses"]["pending"]
        assert pending == len(sandbox.ledger.contacts)
        assert stopped["stopped_by"]["type"] == number.name
        assert (
            f"{pending:,} contacts are pending in {len(stopped['pending_workflows'])} workflows" in done.err
        )
        command = next(line for line in done.err.splitlines() if line.startswith("  cleanlist-async collect"))
        assert command.split() == ["cleanlist-async", "collect", "out.csv", "--window-s", "1"]
        header = cli.read()[0]

        collected = cli(*command.split()[1:], "--json")
        assert collected.code == 0, collected.err
        assert json.loads(collected.out)["statuses"].get("pending", 0) == 0
        assert len(sandbox.ledger.contacts) == pending
    rows = cli.read()
    assert rows[0] == header
    assert [row[: len(given[0])] for row in rows[1:]] == given
    results = cli.results()
    assert sum(row["cleanlist_status"] in {"found", "not_found"} for row in results) == pending
    for row in results[:pending]:
        contact = {
            "first_name": row["First Name"],
            "last_name": row["Last Name"],
            "company_domain": "engine.example",
        }
        if row["cleanlist_status"] != "failed":
            assert row["cleanlist_email"] == (sandbox.expected(contact, "partial").email or "")
    assert {path.name for path in cli.folder.iterdir()} == {"in.csv", "out.csv"}


def test_a_file_is_collected_to_the_same_as_if_it_had_never_been_stopped(cli, serve, people):
    given = cli.write([*people(250), people(1)[0]])
    with serve(workflow_s=0.7, window_s=0.5) as sandbox:
        process = cli.start("enrich", "in.csv", "-o", "out.csv", "-y", *FAST)
        until(lambda: len(sandbox.ledger.contacts) == 250)
        process.send_signal(signal.SIGINT)
        assert cli.finish(process).code == 130
        assert {row["cleanlist_status"] for row in cli.results()} == {"pending"}
        assert cli("collect", "out.csv", "-o", "new.csv", *FAST).code == 0
        check_results(cli, sandbox, given, "new.csv")
        assert cli("collect", "out.csv", *FAST).code == 0
        again = cli("collect", "out.csv", *FAST)
        assert again.code == 1
        assert "no pending contacts" in again.error
        assert cli("enrich", "in.csv", "-o", "whole.csv", "-y", *FAST).code == 0
    assert cli.read("out.csv") == cli.read("new.csv")
    own = ("cleanlist_workflow_id", "cleanlist_task_id")
    assert [{**row, **dict.fromkeys(own)} for row in cli.results("new.csv")] == [
        {**row, **dict.fromkeys(own)} for row in cli.results("whole.csv")
    ]


def test_collect_with_a_bad_key_leaves_the_file_alone(cli, serve, people):
    cli.write(people(30))
    with serve(workflow_s=1.0) as sandbox:
        process = cli.start("enrich", "in.csv", "-o", "out.csv", "-y", *FAST)
        until(lambda: sandbox.ledger.contacts)
        process.send_signal(signal.SIGINT)
        assert cli.finish(process).code == 130
        before = (cli.folder / "out.csv").read_bytes()
        sandbox.revoke(sandbox.api_key)
        done = cli("collect", "out.csv", *FAST)
    assert done.code == 4
    assert (cli.folder / "out.csv").read_bytes() == before


@pytest.mark.parametrize(("options", "suffix"), [(COLUMNS, "csv"), ((), "csv"), ((), "jsonl")])
def test_a_stopped_run_is_collected_in_other_layouts(cli, serve, people, options, suffix):
    given = people(30)
    cli.write(given, headers=None) if options else cli.write(given)
    out = f"out.{suffix}"
    with serve(workflow_s=1.0) as sandbox:
        process = cli.start("enrich", "in.csv", "-o", out, "-y", *options, *FAST)
        until(lambda: sandbox.ledger.contacts)
        process.send_signal(signal.SIGINT)
        stopped = cli.finish(process)
        assert stopped.code == 130, stopped.err
        command = next(
            line for line in stopped.err.splitlines() if line.startswith("  cleanlist-async collect")
        )
        assert cli(*command.split()[1:]).code == 0
    text = (cli.folder / out).read_text()
    assert "pending" not in text
    assert text.count("found") == 30
    if suffix == "jsonl":
        lines = [json.loads(line) for line in text.splitlines()]
        assert [line["First Name"] for line in lines] == [row[0] for row in given]
        assert sum(name.startswith("cleanlist_status") for name in lines[0]) == 1
