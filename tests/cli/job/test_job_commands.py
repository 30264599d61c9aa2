"""Durable jobs at the command line: begun, stopped in every way, gone on with, written."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import sys

import pytest

from cleanlist_async.sandbox import Fault
from tests.cli.command_line import FAST, until
from tests.cli.job.runs import RESUME, START, check, status_of, without_ids

pytestmark = pytest.mark.sockets

SLOW = ("--window-s", "1")


def test_a_job_writes_what_enrich_writes(cli, serve, people, look):
    first, *others = people(520)
    cli.write([first, ["Only", "", "", "", "", "no"], *others, [*first[:-1], "again"]])
    with serve() as sandbox:
        done = cli.json(*START, "-o", "out.csv", "-y", *FAST)
        check(sandbox, 520)
        assert done["credits_spent"] == sandbox.ledger.credits_charged
        assert cli("enrich", "in.csv", "-o", "whole.csv", "-y", *FAST).code == 0
        requests = len(sandbox.ledger.requests)
        exported = json.loads(look("export", "run.journal", "in.csv", "-o", "again.csv", "--json").out)
        assert len(sandbox.ledger.requests) == requests
    assert done["state"] == "complete"
    assert done["file"] == "out.csv"
    assert done["stopped_by"] is None
    assert exported["statuses"]["invalid"] == 1
    assert cli.read("out.csv")[0] == cli.read("whole.csv")[0]
    assert without_ids(cli.results("out.csv")) == without_ids(cli.results("whole.csv"))
    assert cli.read("again.csv") == cli.read("out.csv")


def test_the_plan_says_what_it_takes_and_what_it_promises(cli, serve, people):
    cli.write([*people(251), ["Only", "", "", "", "", ""], people(1)[0]])
    with serve() as sandbox:
        done = cli(*START, *FAST)
        assert sandbox.ledger.contacts == []
        assert done.code == 2
        assert "--yes" in done.error
        assert "--max-credits" in done.error
        assert "row 253: needs a last name (Last Name) and a company (Company) or its web address" in done.err
        assert "0 to 251" in done.err
        assert 'Submit mode "plain": a submit whose answer is lost stays unknown' in done.err
        assert not (cli.folder / "run.journal").exists()
        exact = cli(*START, "--submit-mode", "exact", *FAST)
    assert "2  to be created in your workspace" in exact.err
    assert "makes a list of its own" in exact.err


def test_a_no_starts_nothing_and_a_yes_starts_the_job(cli, serve, people):
    cli.write(people(3))
    with serve() as sandbox:
        assert cli.answer("n\n", *START, *FAST).code == 1
        assert sandbox.ledger.contacts == []
        assert not (cli.folder / "run.journal").exists()
        assert cli.answer("y\n", *START, *FAST).code == 0
        check(sandbox, 3)


def test_a_started_job_is_not_started_again(cli, serve, people):
    cli.write(people(3))
    with serve() as sandbox:
        assert cli(*START, "-y", *FAST).code == 0
        again = cli(*START, "-y", *FAST)
        assert again.code == 1
        assert "job resume run.journal in.csv" in again.error
        assert cli(*RESUME, *FAST).code == 0
        check(sandbox, 3)


def test_a_pilot_is_bought_first_and_reported(cli, serve, people):
    cli.write(people(300))
    with serve(hit_rate=1.0) as sandbox:
        stopped = cli.answer("y\nn\n", *START, "--pilot", "12", *FAST)
        assert stopped.code == 1
        assert "hit rate" in stopped.err
        assert "100%" in stopped.err
        assert "Spend up to 300 credits?" in stopped.err
        check(sandbox, 12)
        assert cli(*RESUME, *FAST).code == 2  # nobody said yes to the rest
        done = cli.json(*RESUME, "--pilot", "12", "-y", *FAST)
        check(sandbox, 300)
    assert done["pilot"]["contacts"] == 12
    assert done["pilot"]["hit_rate"] == 1.0


@pytest.mark.parametrize(
    ("number", "code", "name"), [(signal.SIGINT, 130, "INTERRUPTED"), (signal.SIGTERM, 143, "TERMINATED")]
)
def test_a_stopped_job_is_resumed_by_the_command_it_prints(cli, serve, people, number, code, name):
    given = cli.write(people(1100))
    with serve(workflow_s=1.5, window_s=1.0) as sandbox:
        process = cli.start(*START, "-y", "-o", "out.csv", "--json", *SLOW)
        until(lambda: len(sandbox.ledger.contacts) >= 500)
        process.send_signal(number)
        stopped = cli.finish(process)
        assert stopped.code == code, stopped.err
        assert json.loads(stopped.out)["stopped_by"]["type"] == name
        assert json.loads(stopped.out)["state"] == "stopped"
        assert not (cli.folder / "out.csv").exists()
        command = next(line for line in stopped.err.splitlines() if "job resume" in line and line[0] == " ")
        assert command.split()[1:] == [*RESUME, "-o", "out.csv", *SLOW]
        done = cli(*command.split()[1:])
        assert done.code == 0, done.err
        check(sandbox, 1100)
        for row in cli.results():
            contact = {"first_name": row["First Name"], "last_name": row["Last Name"]}
            truth = sandbox.expected({**contact, "company_domain": "engine.example"}, "partial")
            assert row["cleanlist_email"] == (truth.email or "")
    assert [row[: len(given[0])] for row in cli.read()[1:]] == given


@pytest.mark.slow
@pytest.mark.smoke
def test_a_killed_job_is_resumed_to_the_same_results(cli, serve, people, look):
    cli.write(people(1100))
    with serve(workflow_s=1.0, window_s=1.0) as sandbox:
        process = cli.start(*START, "-y", *SLOW)
        until(lambda: len(sandbox.ledger.contacts) >= 500)
        process.kill()
        process.wait()
        before = status_of(look)
        assert before["state"] == "stopped"
        assert before["chunks"]["accepted"] >= 1
        done = cli(*RESUME, "-o", "out.csv", *SLOW)
        unknown = json.loads(look("unknown", "run.journal", "--json").out)["unknown"]
        assert done.code in {0, 3}, done.err
        assert len(unknown) == (done.code == 3)
        check(sandbox, 1100)
    lost = sum(row["cleanlist_status"] == "unknown" for row in cli.results())
    assert lost == sum(chunk["contacts"] for chunk in unknown)


def at_a_terminal(cli, *args):
    """Start a command as the leader of a session with a terminal of its own. Returns its pid and our end."""
    pid, ours = pty.fork()
    if pid == 0:
        os.chdir(cli.folder)
        os.execve(
            sys.executable, [sys.executable, "-m", "cleanlist_async", *args], {**cli.env, "COLUMNS": "80"}
        )
    return pid, ours


def read_until(ours, text):
    seen = b""
    while text not in seen:
        seen += os.read(ours, 65536)
    return seen


@pytest.mark.parametrize("hang_up", [True, False])
def test_a_closed_terminal_does_not_end_a_job(cli, serve, people, look, hang_up):
    cli.write(people(1100))
    with serve(workflow_s=1.0, window_s=1.0) as sandbox:
        pid, ours = at_a_terminal(cli, *START, "-y", "-o", "out.csv", "--json", *SLOW)
        read_until(ours, b"credits spent")
        if not hang_up:
            os.kill(pid, signal.SIGHUP)  # somebody sends it, and the terminal is still there
        os.close(ours)
        _, ended = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(ended) == 0
        check(sandbox, 1100)
    assert len(cli.results()) == 1100
    assert status_of(look)["state"] == "complete"


def test_a_closed_standard_error_does_not_end_a_job(cli, serve, people):
    cli.write(people(600))
    with serve(workflow_s=0.5, window_s=1.0) as sandbox:
        process = cli.start(*START, "-y", "--json", *SLOW)
        process.stderr.close()
        process.stdout.close()
        process.stdout = process.stderr = None
        assert process.wait(60) == 0
        check(sandbox, 600)


def test_the_live_view_fits_into_80_columns(cli, serve, people):
    cli.write(people(600))
    with serve(workflow_s=1.5, window_s=1.0):
        pid, ours = at_a_terminal(cli, *START, "-y", *SLOW)
        seen = b""
        while True:
            try:
                seen += os.read(ours, 65536)
            except OSError:
                break
        os.waitpid(pid, 0)
    text = seen.decode()
    assert "600/600" in text or "250/600" in text or "0/600" in text
    assert "requests/1 s" in text
    assert "waiting for 3 workflows" in text


def test_a_job_out_of_credits_resumes_after_a_top_up(cli, serve, people, look):
    cli.write(people(500))
    with serve(credits=300.0, hit_rate=1.0) as sandbox:
        done = cli.json(*START, "-y", *FAST, code=4)
        assert done["state"] == "paused"
        assert done["stopped_by"]["type"] == "InsufficientCreditsError"
        assert done["shortfall_credits"] == 200
        paused = look("status", "run.journal")
        assert "paused" in paused.out
        again = cli(*RESUME, *FAST)
        assert again.code == 4
        assert "200 credits short" in again.err
        assert "job resume run.journal in.csv" in again.err
        sandbox.set_credits(1_000.0)
        assert cli(*RESUME, *FAST).code == 0
        check(sandbox, 500)


def test_max_credits_stops_a_job_until_it_is_raised(cli, serve, people):
    cli.write(people(20))
    with serve(hit_rate=1.0) as sandbox:
        done = cli(*START, "--max-credits", "7", *FAST)
        assert done.code == 3
        assert "--max-credits N" in done.err
        assert sandbox.ledger.credits_charged == 7
        assert cli(*RESUME, *FAST).code == 3  # the old limit still holds
        assert cli(*RESUME, "--max-credits", "20", *FAST).code == 0
        check(sandbox, 20)


def test_the_cache_buys_nothing_twice(cli, serve, people, look):
    cli.write(people(60))
    with serve() as sandbox:
        assert cli(*START, "-y", "--cache", "bought", *FAST).code == 0
        other = ("job", "start", "in.csv", "--journal", "other.journal", "-y", "--cache", "bought")
        assert cli(*other, *FAST).code == 0
        check(sandbox, 60)
    rules = json.loads(look("report", "other.journal", "--json").out)["rules"]
    assert [(rule["rule"], rule["contacts"], rule["credits"]) for rule in rules] == [("cache", 60, 0)]


def test_another_input_is_refused(cli, serve, people, look):
    given = people(5)
    cli.write(given)
    with serve(hit_rate=1.0, credits=0.0) as sandbox:
        assert cli(*START, "-y", *FAST).code == 4
        cli.write(given[:-1])
        changed = cli(*RESUME, *FAST)
        assert changed.code == 1
        assert "in.csv" in changed.error
        sandbox.set_credits(100.0)
        assert cli(*RESUME[:-1], "-y", *FAST).code == 0
        # What still matches comes out, and nothing on another row.
        assert look("export", "run.journal", "in.csv", "-o", "out.csv").code == 0
        assert [row[:2] for row in cli.read()[1:]] == [row[:2] for row in given[:-1]]
        check(sandbox, 5)


def test_a_bad_key_and_no_connection_have_their_exit_codes(cli, serve, people):
    cli.write(people(5))
    with serve() as sandbox:
        sandbox.revoke(sandbox.api_key)
        assert cli(*START, "-y", *FAST).code == 4
        sandbox.halt()
        assert cli(*START, "-y", *FAST).code == 5
    assert not (cli.folder / "run.journal").exists()


def test_a_stop_in_the_pilot_keeps_what_was_bought(cli, serve, people):
    cli.write(people(30))
    with serve(workflow_s=5.0) as sandbox:
        process = cli.start(*START, "-y", "--pilot", "5", *FAST)
        until(lambda: sandbox.ledger.contacts)
        process.send_signal(signal.SIGINT)
        stopped = cli.finish(process)
        assert stopped.code == 130
        assert len(sandbox.ledger.contacts) == 5
    assert "job resume run.journal in.csv" in stopped.err


# -- webhooks --------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", pytest.param("[::1]", marks=pytest.mark.skipif(not has_ipv6(), reason="needs IPv6"))],
)
def test_a_webhook_settles_a_lost_submit(cli, serve, people, host):
    cli.write(people(40))
    port = free_port()
    lost = Fault("/enrich/bulk", when="after", reset=True)
    with serve(workflow_s=0.5, faults=[lost]) as sandbox:
        webhook = ("--webhook", f"http://{host}:{port}/hooks", "--listen", f"{host}:{port}")
        done = cli.json(*START, "-y", *webhook, *FAST)
        assert done["state"] == "complete"
        check(sandbox, 40)


def test_a_webhook_without_listen_is_refused(cli, serve, people):
    cli.write(people(4))
    with serve() as sandbox:
        deaf = cli(*START, "-y", "--webhook", "http://127.0.0.1:8788/hooks", *FAST)
        assert (deaf.code, "--listen" in deaf.err) == (2, True)
        for address in ("8788", "127.0.0.1:0", "127.0.0.1:x", "nowhere.invalid:80"):
            assert cli(*START, "-y", "--listen", address, *FAST).code == 2
        assert sandbox.ledger.contacts == []


def test_a_file_of_the_job_is_no_output(cli, serve, people):
    cli.write(people(3))
    start = ("job", "start", "in.csv", "--journal", "run.csv")
    with serve() as sandbox:
        for kept in ("run.csv", "bought.csv", "./run.csv"):
            done = cli(*start, "--cache", "bought.csv", "-y", "-o", kept, "--overwrite", *FAST)
            assert (done.code, done.error) == (
                1,
                f"error: {kept}: belongs to the job; write to another file",
            )
        assert sandbox.ledger.contacts == []
        assert cli(*start, "-y", *FAST).code == 0
    before = (cli.folder / "run.csv").read_bytes()
    for command in ("export", "report"):
        assert cli("job", command, "run.csv", "in.csv", "-o", "run.csv", "--overwrite").code == 1
    assert (cli.folder / "run.csv").read_bytes() == before


@pytest.mark.parametrize("size", ["0", "-1", "251"])
def test_a_pilot_of_no_size_leaves_nothing(cli, serve, people, size):
    cli.write(people(3))
    with serve():
        done = cli(*START, "--pilot", size, "-y", *FAST)
    assert done.code == 2
    assert "1 to 250" in done.error
    assert "Resume" not in done.err
    assert not (cli.folder / "run.journal").exists()


# -- a journal that is not the latest --------------------------------------------------------------


@pytest.mark.parametrize("how", ["old", "emptied", "removed"])
def test_a_journal_that_is_not_the_latest_is_refused_until_it_is_adopted(how, cli, serve, people):
    cli.write(people(520))
    journal = cli.folder / "run.journal"
    with serve() as sandbox:
        assert cli(*START, "--max-credits", "250", "-y", *FAST).code == 3
        backup = journal.read_bytes()
        assert cli(*RESUME, "--max-credits", "300", "-y", *FAST).code == 3
        bought = len(sandbox.ledger.contacts)
        journal.unlink()
        if how != "removed":
            journal.write_bytes(backup if how == "old" else b"")
        again = RESUME if how == "old" else START
        refused = cli(*again, "-y", *FAST)
        assert refused.code == 1
        assert "--adopt" in refused.error
        assert len(sandbox.ledger.contacts) == bought
        assert cli(*again, "--adopt", "--max-credits", "1000", "-y", *FAST).code == 0
        assert len(sandbox.ledger.times_accepted()) == 520
