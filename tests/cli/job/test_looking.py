import json
import os
import subprocess
import sys

import pytest

from cleanlist_async.cli.job.show import status_figures
from cleanlist_async.job.journal.lock import JournalLock
from cleanlist_async.job.reader import reading
from cleanlist_async.job.status import JobStatus
from tests.cli.command_line import FAST, until
from tests.cli.job.runs import RESUME, START, check, status_of

pytestmark = pytest.mark.sockets


def test_the_status_can_be_asked_all_the_time(cli, serve, people, look):
    cli.write(people(2000))
    states, path = [], cli.folder / "run.journal"
    with serve(workflow_s=1.0, window_s=1.0) as sandbox:
        process = cli.start(*START, "-y", "--window-s", "1")
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
    assert look("report", "run.journal", "-o", "more.csv").code == 0
    assert sum(float(row["receipt_credits"]) for row in cli.results("more.csv")) == spent


@pytest.mark.parametrize("command", ["status", "unknown", "report"])
def test_what_is_no_journal_is_refused(cli, look, command):
    (cli.folder / "in.csv").write_text("First Name\nAda\n" * 100)
    for name in ("nothing", "in.csv"):
        done = look(command, name)
        assert done.code == 1
        assert name in done.err
    assert (cli.folder / "in.csv").read_text() == "First Name\nAda\n" * 100
    assert {path.name for path in cli.folder.iterdir()} == {"in.csv"}


def test_a_journal_in_use_is_locked(cli, serve, people, look):
    cli.write(people(3))
    with serve():
        assert cli(*START, "-y", *FAST).code == 0
        with JournalLock(cli.folder / "run.journal"):
            for args in (RESUME, (*START, "-y"), ("job", "purge", "run.journal", "-y")):
                done = cli(*args)
                assert done.code == 6
                assert f"process {os.getpid()}" in done.error
            assert look("status", "run.journal").code == 0


def test_the_status_can_be_read_after_a_crash_in_the_middle_of_a_write(cli, serve, people, look):
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


def test_who_was_suppressed_is_not_said_to_be_refused_by_the_server():
    status = JobStatus(
        name="crm",
        state="complete",
        enrichment_type="partial",
        submit_mode="plain",
        contacts=10,
        invalid=0,
        duplicates=0,
        chunks={},
        results={"invalid": 10},
        credits_spent=0.0,
        credits_held=0.0,
        credits_at_risk=0.0,
        max_credits=None,
    )
    remarks = {name: remark for name, _, remark in status_figures(status, is_running=False)}
    assert remarks["invalid"].startswith("not bought: suppressed, or")
