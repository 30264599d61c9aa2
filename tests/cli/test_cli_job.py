"""Durable jobs at the command line: begun, stopped in every way, gone on with, written."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from typing import NamedTuple

import pytest

from cleanlist_async.cli.main import run_guarded
from cleanlist_async.job.lock import JournalLock
from cleanlist_async.job.reading import reading
from cleanlist_async.sandbox import Fault
from tests.cli.command_line import FAST, KEY, until
from tests.job.worlds import edit

pytestmark = pytest.mark.sockets

SLOW = ("--window-s", "1")
START = ("job", "start", "in.csv", "--journal", "run.journal")
RESUME = ("job", "resume", "run.journal", "in.csv")


@pytest.fixture(autouse=True)
def no_key_on_the_disk(cli):
    yield
    for path in cli.folder.iterdir():
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path.name


class Answer(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def look(cli, monkeypatch, capsys):
    """Run a command that only reads or marks the journal, in this process: quicker than one of its own."""
    monkeypatch.chdir(cli.folder)
    for name in cli.env:
        if name.startswith("CLEANLIST_"):
            monkeypatch.delenv(name)

    def run(*args):
        capsys.readouterr()
        code = run_guarded(["job", *args])
        return Answer(code, *capsys.readouterr())

    return run


def status_of(look):
    return json.loads(look("status", "run.journal", "--json").out)


def without_ids(results):
    own = dict.fromkeys(("cleanlist_workflow_id", "cleanlist_task_id"))
    return [{**row, **own} for row in results]


def check(sandbox, contacts):
    """Every contact was bought once."""
    assert not sandbox.ledger.duplicates()
    assert len(sandbox.ledger.contacts) == contacts
    assert sandbox.ledger.count(429) == 0


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
        assert "row 253: needs linkedin_url" in done.err
        assert "0 to 251" in done.err
        assert 'Submit mode "plain": a submit whose answer is lost stays unknown' in done.err
        assert not (cli.folder / "run.journal").exists()
        exact = cli(*START, "--submit-mode", "exact", *FAST)
    assert "2  to be created in your workspace" in exact.err
    assert "makes a list of its own" in exact.err


def test_somebody_says_no_and_then_yes(cli, serve, people):
    cli.write(people(3))
    with serve() as sandbox:
        assert cli.answer("n\n", *START, *FAST).code == 1
        assert sandbox.ledger.contacts == []
        assert not (cli.folder / "run.journal").exists()
        assert cli.answer("y\n", *START, *FAST).code == 0
        check(sandbox, 3)


def test_a_job_that_has_begun_is_not_begun_again(cli, serve, people):
    cli.write(people(3))
    with serve() as sandbox:
        assert cli(*START, "-y", *FAST).code == 0
        again = cli(*START, "-y", *FAST)
        assert again.code == 1
        assert "job resume run.journal in.csv" in again.error
        assert cli(*RESUME, *FAST).code == 0
        check(sandbox, 3)


def test_a_pilot_is_bought_first_and_told(cli, serve, people):
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
def test_stopped_then_resumed_by_the_command_that_was_told(cli, serve, people, number, code, name):
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


def test_killed_then_resumed(cli, serve, people, look):
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
def test_a_closed_terminal_ends_no_job(cli, serve, people, look, hang_up):
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


def test_nobody_reads_standard_error(cli, serve, people):
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
    assert "requests per 1 s" in text
    assert "waits for 3 workflows" in text


def test_the_status_can_be_asked_all_the_time(cli, serve, people, look):
    cli.write(people(2000))
    states, path = [], cli.folder / "run.journal"
    with serve(workflow_s=1.0, window_s=1.0) as sandbox:
        process = cli.start(*START, "-y", *SLOW)
        until(lambda: sandbox.ledger.contacts)
        while process.poll() is None or len(states) < 100:
            with reading(path) as reader:
                states.append((reader.is_running, reader.status().state))
        done = cli.finish(process)
        assert done.code == 0, done.err
        check(sandbox, 2000)
    assert (True, "running") in states
    assert states[-1] == (False, "complete")
    assert cli("job", "status", "run.journal").out.split()[:2] == ["state", "complete"]


def test_out_of_credits_then_topped_up(cli, serve, people, look):
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
        assert "200 credits are missing" in again.err
        assert "job resume run.journal in.csv" in again.err
        sandbox.set_credits(1_000.0)
        assert cli(*RESUME, *FAST).code == 0
        check(sandbox, 500)


def test_max_credits_is_a_wall_that_may_be_moved(cli, serve, people):
    cli.write(people(20))
    with serve(hit_rate=1.0) as sandbox:
        done = cli(*START, "--max-credits", "7", *FAST)
        assert done.code == 3
        assert "--max-credits N" in done.err
        assert sandbox.ledger.credits_charged == 7
        assert cli(*RESUME, *FAST).code == 3  # the old wall stands
        assert cli(*RESUME, "--max-credits", "20", *FAST).code == 0
        check(sandbox, 20)


def test_unknown_is_held_until_somebody_decides(cli, serve, people, look):
    cli.write(people(30))
    with serve(faults=[Fault("/enrich/bulk", when="after", reset=True)]) as sandbox:
        done = cli(*START, "-y", "-o", "out.csv", *FAST)
        assert done.code == 3, done.err
        assert "1 chunk is unknown" in done.err
        assert {row["cleanlist_status"] for row in cli.results()} == {"unknown"}
        assert cli(*RESUME, *FAST).code == 3
        check(sandbox, 30)
        shown = look("unknown", "run.journal")
        assert shown.code == 3
        assert "1 to 30" in shown.out
        assert "job resolve run.journal 1 --resubmit" in shown.err
        for bad in ((), ("--resubmit", "--abandon"), ("--absent",), ("--i-checked", "--abandon")):
            assert look("resolve", "run.journal", "1", *bad).code == 2
        assert look("resolve", "run.journal", "9", "--abandon").code == 1
        decided = json.loads(look("resolve", "run.journal", "1", "--resubmit", "--json").out)
        assert decided["credits_at_risk"] == 30
        assert look("unknown", "run.journal").code == 0
        done = cli(*RESUME, "-o", "out.csv", "--overwrite", *FAST)
        assert done.code == 0, done.err
        assert len(sandbox.ledger.contacts) == 60
    assert "unknown" not in {row["cleanlist_status"] for row in cli.results()}


@pytest.mark.parametrize("how", ["accepted", "absent", "abandon"])
def test_the_other_decisions(cli, serve, people, look, how):
    cli.write(people(3))
    with serve(faults=[Fault("/enrich/bulk", when="after", reset=True)]) as sandbox:
        assert cli(*START, "-y", *FAST).code == 3
        workflow = sandbox.ledger.contacts[0].workflow_id
        answer = {"accepted": ("--accepted", workflow), "absent": ("--absent", "--i-checked")}
        done = look("resolve", "run.journal", "1", *answer.get(how, ("--abandon",)))
        assert done.code == 0, done.err
        assert cli(*RESUME, *FAST).code == 0
        assert len(sandbox.ledger.contacts) == (6 if how == "absent" else 3)
    assert status_of(look)["state"] == "complete"


def test_a_report_comes_to_the_credit(cli, serve, people, look):
    cli.write([*people(40), people(1)[0], ["Only", "", "", "", "", ""]])
    with serve() as sandbox:
        assert cli(*START, "-y", *FAST).code == 0
        report = json.loads(look("report", "run.journal", "in.csv", "-o", "receipts.csv", "--json").out)
        spent = sandbox.ledger.credits_charged
    assert report["credits_spent"] == spent
    rules = {rule["rule"]: rule for rule in report["rules"]}
    assert sum(rule["credits"] for rule in rules.values()) == spent
    assert sum(rule["contacts"] for rule in rules.values()) == 42
    assert rules["duplicate"]["contacts"] == rules["invalid"]["contacts"] == 1
    receipts = cli.results("receipts.csv")
    assert sum(float(row["receipt_credits"]) for row in receipts) == spent
    assert [row["receipt_rule"] for row in receipts][-2:] == ["duplicate", "none"]
    assert all(row["receipt_workflow_id"] for row in receipts[:-1])
    assert look("report", "run.journal", "-o", "more.csv").code == 2


def test_purge_leaves_no_contact_data(cli, serve, people, look):
    cli.write(people(60))
    with serve(hit_rate=1.0):
        assert cli(*START, "-y", "-o", "out.csv", "--cache", "bought", *FAST).code == 0
    emails = [row["cleanlist_email"].encode() for row in cli.results()]
    assert all(emails)
    path = cli.folder / "run.journal"
    assert emails[0] in path.read_bytes()
    asked = cli("job", "purge", "run.journal")
    assert asked.code == 2
    assert "--yes" in asked.error
    assert cli.answer("n\n", "job", "purge", "run.journal").code == 1
    assert emails[0] in path.read_bytes()
    assert look("purge", "run.journal", "--cache", "bought", "-y", "--json").code == 0
    for name in ("run.journal", "bought"):
        data = (cli.folder / name).read_bytes()
        assert not any(email in data for email in emails), name
        assert b"Ada" not in data
    assert status_of(look)["results"] == {"found": 60}
    gone = look("export", "run.journal", "in.csv", "-o", "gone.csv")
    assert gone.code == 1
    assert "purged" in gone.err
    assert not list(cli.folder.glob("gone*"))


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
    with serve() as sandbox:
        assert cli(*START, "-y", *FAST).code == 0
        cli.write(given[:-1])
        changed = cli(*RESUME, *FAST)
        assert changed.code == 1
        assert "in.csv" in changed.error
        assert look("export", "run.journal", "in.csv", "-o", "out.csv").code == 1
        assert not list(cli.folder.glob("out*"))
        check(sandbox, 5)


def test_a_bad_key_and_no_connection(cli, serve, people):
    cli.write(people(5))
    with serve() as sandbox:
        sandbox.revoke(sandbox.api_key)
        assert cli(*START, "-y", *FAST).code == 4
        sandbox.halt()
        assert cli(*START, "-y", *FAST).code == 5
    assert not (cli.folder / "run.journal").exists()


@pytest.mark.parametrize("command", ["status", "unknown", "report"])
def test_what_is_no_journal_is_refused(cli, look, command):
    (cli.folder / "in.csv").write_text("First Name\nAda\n" * 100)
    for name in ("nothing", "in.csv"):
        done = look(command, name)
        assert done.code == 1
        assert name in done.err
    assert (cli.folder / "in.csv").read_text() == "First Name\nAda\n" * 100
    assert {path.name for path in cli.folder.iterdir()} == {"in.csv"}


def test_a_journal_that_somebody_writes_is_locked(cli, serve, people, look):
    cli.write(people(3))
    with serve():
        assert cli(*START, "-y", *FAST).code == 0
        with JournalLock(cli.folder / "run.journal"):
            for args in (RESUME, (*START, "-y"), ("job", "purge", "run.journal", "-y")):
                done = cli(*args)
                assert done.code == 1
                assert f"process {os.getpid()}" in done.error
            assert look("status", "run.journal").code == 0


def test_a_crash_in_the_middle_of_a_write_is_no_bar_to_looking(cli, serve, people, look):
    cli.write(people(3))
    with serve():
        assert cli(*START, "-y", *FAST).code == 0
    before = status_of(look)
    crash = (
        "import os, sqlite3; db = sqlite3.connect('run.journal', isolation_level=None);"
        " db.execute('PRAGMA journal_mode=TRUNCATE'); db.execute('PRAGMA cache_size=1');"
        " db.execute('BEGIN IMMEDIATE'); db.execute('DROP TRIGGER results_changed');"
        " db.execute(\"UPDATE results SET raw = hex(zeroblob(200000)), status = 'lost'\");"
        " os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", crash], cwd=cli.folder, check=True)
    assert (cli.folder / "run.journal-journal").stat().st_size > 0
    assert status_of(look) == before


def test_stopped_by_nobody_in_the_pilot(cli, serve, people):
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
def test_a_webhook_tells_what_became_of_a_submit(cli, serve, people, host):
    cli.write(people(40))
    port = free_port()
    lost = Fault("/enrich/bulk", when="after", reset=True)
    with serve(workflow_s=0.5, faults=[lost]) as sandbox:
        webhook = ("--webhook", f"http://{host}:{port}/hooks", "--listen", f"{host}:{port}")
        done = cli.json(*START, "-y", *webhook, *FAST)
        assert done["state"] == "complete"
        check(sandbox, 40)


def test_a_webhook_that_nobody_would_hear_is_refused(cli, serve, people):
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
                f"error: {kept}: is a file of the job itself; write to another file",
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


def test_commands_to_copy_are_quoted_and_count_what_is_left(cli, serve, people, look):
    cli.write(people(3))
    (cli.folder / "in.csv").rename(cli.folder / "my in.csv")
    with serve(faults=[Fault("/enrich/bulk", when="after", reset=True)]):
        done = cli("job", "start", "my in.csv", "--journal", "my run", "-y", *FAST)
        assert "job unknown 'my run'" in done.err
        assert "job resolve 'my run' 1 --abandon" in look("unknown", "my run").err
        first = look("resolve", "my run", "1", "--accepted", "public_bulk_mistyped").err
        assert "job resume 'my run' 'my in.csv'" in first
    edit(cli.folder / "my run", "UPDATE chunks SET state = 'remote_expired'")
    second = look("resolve", "my run", "1", "--accepted", "public_bulk_right")
    assert "more" not in second.err
    assert "Resume the job:" in second.err


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
