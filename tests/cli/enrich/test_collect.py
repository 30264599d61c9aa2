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


def test_a_run_that_was_stopped_in_a_pipe_is_collected_as_it_says(cli, serve, people):
    given = cli.write(people(30))
    with serve(workflow_s=1.0) as sandbox, (cli.folder / "in.csv").open("rb") as source:
        process = cli.start("enrich", "-", "-o", "-", "-y", *FAST, stdin=source.fileno())
        until(lambda: sandbox.ledger.contacts)
        process.send_signal(signal.SIGINT)
        stopped = cli.finish(process)
        assert stopped.code == 130, stopped.err
        assert "The same command, with the same input, fetches them for free:" in stopped.err
        assert "with the same command and the same input: what was bought is not bought" in stopped.err
        command = stopped.err.splitlines()[-1]
        assert "cleanlist-async collect" not in stopped.err
        source.seek(0)
        again = cli.finish(cli.start(*command.split()[1:], "-y", stdin=source.fileno()))
        assert again.code == 0, again.err
        (cli.folder / "stopped.csv").write_text(stopped.out)
        with (cli.folder / "stopped.csv").open("rb") as output:
            collected = cli.finish(cli.start("collect", "-", *FAST, stdin=output.fileno()))
        assert collected.code == 0, collected.err
        assert len(sandbox.ledger.contacts) == 30
        (cli.folder / "out.csv").write_text(collected.out)
        check_results(cli, sandbox, given)
    assert [row["cleanlist_status"] for row in cli.results()] == [
        line.split(",")[len(given[0])] for line in again.out.splitlines()[1:]
    ]


def test_an_output_of_a_type_that_no_store_keeps_is_passed_to_collect(cli, serve, people):
    cli.write(people(3))
    with serve(workflow_s=1.0) as sandbox:
        process = cli.start("enrich", "in.csv", "-o", "-", "-y", "--type", "none", *FAST)
        until(lambda: sandbox.ledger.contacts)
        process.send_signal(signal.SIGINT)
        stopped = cli.finish(process)
        assert "Pass the output to this command to fetch them for free:" in stopped.err
        (cli.folder / "stopped.csv").write_text(stopped.out)
        command = next(line for line in stopped.err.splitlines() if "cleanlist-async collect" in line)
        with (cli.folder / "stopped.csv").open("rb") as output:
            options = ("-o", "out.jsonl")
            collected = cli.finish(cli.start(*command.split()[1:], *options, stdin=output.fileno()))
        assert collected.code == 0, collected.err
    lines = [json.loads(line) for line in (cli.folder / "out.jsonl").read_text().splitlines()]
    assert len(lines) == 3
    assert not [line for line in lines if line["cleanlist_status"] == "pending"]
