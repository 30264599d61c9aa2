from __future__ import annotations

import json
import os
import signal
import time

import pytest

from cleanlist_async.sandbox import Fault

pytestmark = pytest.mark.sockets

FAST = ("--window-s", "0.5")


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def requests_after_a_result(sandbox):
    """Count the requests that arrived after the first that was about results."""
    paths = [request.path.rpartition("/")[2] for request in sandbox.ledger.requests]
    return len(paths) - paths.index("status") - 1 if "status" in paths else 0


def check_results(cli, sandbox, given, name="out.csv", kind="partial"):
    """Every row of the file against what the sandbox says, cells and order included."""
    _, *rows = cli.read(name)
    assert [row[: len(given[0])] for row in rows] == given
    for row in cli.results(name):
        contact = {
            "first_name": row["First Name"],
            "last_name": row["Last Name"],
            "company_name": row["Company"],
            "company_domain": "engine.example" if row["Website"] else "",
            "linkedin_url": row["LinkedIn URL"],
        }
        truth = sandbox.expected(contact, kind)
        assert row["cleanlist_status"] == ("found" if truth.successful else "not_found")
        assert row["cleanlist_email"] == (truth.email or "")
        assert row["cleanlist_phones"] == "; ".join(truth.phones)


@pytest.mark.smoke
def test_every_original_cell_stays_and_every_result_stands_in_its_row(cli, serve, people):
    given = people(600)
    given[5][-1] = '=1+1, "quoted"\nnext line'
    cli.write(given)
    with serve() as sandbox:
        done = cli("enrich", "in.csv", "-o", "out.csv", "--yes", *FAST)
        assert done.code == 0, done.err
        check_results(cli, sandbox, given)
        assert not sandbox.ledger.duplicates()
        assert sandbox.ledger.count(429) == 0
        assert len(sandbox.ledger.contacts) == 600
    assert "Written: out.csv" in done.err
    assert done.out == ""


@pytest.mark.smoke
def test_duplicates_are_bought_once_and_invalid_rows_are_kept_back(cli, serve, people):
    first, second = people(2)
    cli.write([first, ["Only", "", "", "", "", "no"], second, [*first[:-1], "again"]])
    with serve() as sandbox:
        assert cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST).code == 0
        assert len(sandbox.ledger.contacts) == 2
    results = cli.results()
    assert [row["cleanlist_status"] for row in results][1] == "invalid"
    assert results[3]["cleanlist_duplicate_of"] == "2"
    assert results[3]["cleanlist_email"] == results[0]["cleanlist_email"]
    assert results[3]["cleanlist_credits"] == "0"


def test_json_is_the_only_thing_on_standard_output(cli, serve, people):
    cli.write(people(3))
    with serve() as sandbox:
        done = cli("enrich", "in.csv", "-o", "out.csv", "-y", "--json", *FAST)
        charged = sandbox.ledger.credits_charged
    answer = json.loads(done.out)
    assert answer["contacts"] == 3
    assert answer["credits"] == charged
    assert answer["stopped_by"] is None
    assert answer["pending_workflows"] == []
    assert answer["file"] == "out.csv"


@pytest.mark.smoke
def test_a_dry_run_spends_nothing_and_writes_nothing(cli, serve, people):
    cli.write(people(251))
    with serve() as sandbox:
        done = cli("enrich", "in.csv", "-o", "out.csv", "--dry-run", "--json", *FAST)
        assert sandbox.ledger.contacts == []
        assert sandbox.balance == 1_000_000
    assert done.code == 0
    plan = json.loads(done.out)
    assert plan["plan"]["chunks"] == 2
    assert plan["balance"] == 1_000_000
    assert not list(cli.folder.glob("out*"))


def test_a_dry_run_needs_no_key(cli, people):
    cli.write(people(1))
    assert cli("enrich", "in.csv", "-o", "out.csv", "--dry-run").code == 0


def test_without_a_terminal_nobody_says_yes(cli, serve, people):
    cli.write(people(2))
    with serve() as sandbox:
        done = cli("enrich", "in.csv", "-o", "out.csv", *FAST)
        assert done.code == 2
        assert "--yes" in done.error
        assert "--max-credits" in done.error
        assert sandbox.ledger.contacts == []
        assert not (cli.folder / "out.csv").exists()
        assert cli("enrich", "in.csv", "-o", "out.csv", "--max-credits", "5", *FAST).code == 0


@pytest.mark.smoke
def test_max_credits_is_a_wall(cli, serve, people):
    cli.write(people(20))
    with serve(hit_rate=1.0) as sandbox:
        done = cli("enrich", "in.csv", "-o", "out.csv", "--max-credits", "7", *FAST)
        assert sandbox.ledger.credits_charged == 7
    assert done.code == 3
    assert "max_credits = 7" in done.error
    statuses = [row["cleanlist_status"] for row in cli.results()]
    assert statuses.count("found") == 7
    assert statuses.count("failed") == 13


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_in_the_middle_then_collected(cli, serve, people, number, code):
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


def test_a_server_that_dies_takes_no_result_with_it(cli, serve, people):
    cli.write(people(2000))
    with serve(workflow_s=0.05, latency_s=0.05, key_limit=4, window_s=1.5) as sandbox:
        process = cli.start(
            "enrich", "in.csv", "-o", "out.csv", "-y", "--json", "--window-s", "1.5", "--max-retries", "1"
        )
        until(lambda: requests_after_a_result(sandbox) >= 4)  # as many tokens: the answer is in the client
        sandbox.halt()
        accepted = {contact.identity for contact in sandbox.ledger.contacts}
        done = cli.finish(process)
        assert done.code in {3, 5}, done.err
        statuses = json.loads(done.out)["statuses"]
        assert sum(statuses.values()) == 2000
        assert statuses.get("found", 0) > 0
        results = cli.results()
        known = [row for row in results if row["cleanlist_status"] != "failed"]
        assert len(known) == len(accepted)
        for row in results:
            if row["cleanlist_status"] in {"pending", "unknown"}:
                assert row["cleanlist_status"] == "unknown" or row["cleanlist_workflow_id"]


@pytest.mark.parametrize(
    ("fault", "options", "code", "says"),
    [
        (Fault("/credits/balance", status=401), {}, 4, "error:"),
        (Fault("/enrich/bulk", status=403), {}, 4, "error:"),
        (None, {"credits": 0.0}, 4, "nsufficient"),
    ],
)
def test_the_api_refuses(cli, serve, people, fault, options, code, says):
    cli.write(people(2))
    with serve(faults=(fault,) if fault else (), **options):
        done = cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST)
    assert done.code == code, done.err
    assert says in done.error


def test_a_submit_whose_outcome_nobody_knows_is_told(cli, serve, people):
    cli.write(people(2))
    with serve(faults=[Fault("/enrich/bulk", when="after", reset=True)]) as sandbox:
        done = cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST)
        assert len(sandbox.ledger.contacts) == 2
    assert done.code == 3
    assert "unknown: " in done.err
    assert [row["cleanlist_status"] for row in cli.results()] == ["unknown", "unknown"]


def test_a_revoked_key_is_no_reason_to_show_it(cli, serve, people):
    cli.write(people(2))
    with serve() as sandbox:
        sandbox.revoke(sandbox.api_key)
        done = cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST)
    assert done.code == 4
    assert not (cli.folder / "out.csv").exists()


def test_no_connection(cli, serve, people):
    cli.write(people(2))
    with serve() as sandbox:
        sandbox.halt()
        done = cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST)
    assert done.code == 5
    assert done.error


def test_pending_at_the_end_is_exit_code_3(cli, serve, people):
    from cleanlist_async.sandbox import Shape

    cli.write(people(40))
    with serve(shape=Shape(unfinished_rows=0.3, unfinished_s=1.0)) as sandbox:
        done = cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST)
        assert done.code == 3, done.err
        assert "collect out.csv" in done.err
        time.sleep(1.0)
        assert cli("collect", "out.csv", *FAST).code == 0
        check_results(cli, sandbox, cli.read("in.csv")[1:])


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


COLUMNS = ("--no-header", "--map", "first_name=1", "--map", "last_name=2", "--map", "company_domain=4")


@pytest.mark.parametrize(("options", "suffix"), [(COLUMNS, "csv"), ((), "csv"), ((), "jsonl")])
def test_stopped_and_collected_in_other_layouts(cli, serve, people, options, suffix):
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


@pytest.mark.skipif(not hasattr(os, "getegid"), reason="needs permissions of POSIX")
def test_no_file_is_more_open_than_the_input(cli, serve, people):
    cli.write(people(3))
    (cli.folder / "in.csv").chmod(0o600)
    before = os.umask(0)
    try:
        with serve() as sandbox:
            sandbox.add_fault(Fault("/enrich/status", status=500, times=20))
            for command in (
                ("enrich", "in.csv", "-o", "out.csv", "-y", "--max-retries", "0", *FAST),
                ("collect", "out.csv", *FAST),
                ("collect", "out.csv", "-o", "again.csv", *FAST),
                ("job", "start", "in.csv", "--journal", "run.journal", "-o", "job.csv", "-y", *FAST),
                ("job", "export", "run.journal", "in.csv", "-o", "exported.csv"),
            ):
                done = cli(*command)
                assert done.code in {0, 1, 3, 4, 5}, done.err
    finally:
        os.umask(before)
    written = {path.name: path.stat().st_mode & 0o777 for path in cli.folder.iterdir() if path.is_file()}
    assert {"out.csv", "again.csv", "exported.csv", "run.journal"} <= written.keys()
    assert set(written.values()) == {0o600}
