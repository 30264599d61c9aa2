"""A short version of each crash test; the whole ones run by hand: ``python -m tests.crash.lines`` ..."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sqlite3

import pytest

from tests.crash import cancels, disks, faults, lines, storms, syscalls
from tests.crash.auditor import audit
from tests.crash.bench import Bench
from tests.crash.clocks import run_jumping
from tests.crash.work import CONTACTS, MODES, live
from tests.support.cases import each_case

pytestmark = pytest.mark.sockets


def figure(command, *arguments: str) -> dict:
    """Run a command, which must succeed, and return the figure it prints."""
    out, problems = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(problems):
        status = command.main(list(arguments))
    assert status == 0, problems.getvalue()
    return json.loads(out.getvalue().splitlines()[-1])


@pytest.mark.smoke
def test_kills_at_a_few_lines():
    assert figure(lines, "--modes", "plain", "--stride", "2900")["plain"]["positions"] >= 2


def test_cancellations_faults_and_full_disks_at_a_few_places():
    assert figure(cancels, "--modes", "tracked", "--shapes", "run", "--stride", "40")["tracked run"][
        "positions"
    ]
    assert figure(faults, "--stride", "60")["cases"] >= 8
    assert figure(disks, "--modes", "exact", "--sizes", "3")["exact"]["sizes"] == 3


@pytest.mark.parametrize("mode", MODES)
def test_kill_at_executed_lines(mode):
    found = figure(lines, "--modes", mode, "--stride", "211")[mode]
    assert found["positions"] >= 25
    assert (found["dup"], found["lost"]) == (0, 0)
    assert found["unknown_max"] <= 1


def test_kill_between_a_journal_and_its_record():
    found = figure(lines, "--modes", "plain", "--code", "record", "--stride", "15")["plain"]
    assert found["positions"] >= 30
    assert (found["dup"], found["lost"]) == (0, 0)


@pytest.mark.skipif(not syscalls.is_available(), reason="needs strace")
def test_kills_and_errors_at_system_calls():
    found = figure(syscalls, "--modes", "plain", "--stride", "61")["plain"]
    assert found["kills"]
    assert found["errors"]


def test_cancellation_at_loop_steps():
    found = figure(cancels, "--modes", "plain", "--stride", "12")
    assert found["plain run"]["positions"] >= 8


def test_full_disks():
    found = figure(disks, "--sizes", "5", "--jobs", "1")
    assert [found[mode]["sizes"] for mode in MODES] == [5] * len(MODES)


def test_faults_at_every_request():
    found = figure(faults, "--stride", "7")
    assert found["kinds"] >= 30


@pytest.mark.smoke
def test_every_kind_of_fault_is_known_to_the_whole_run():
    cases = [mishap for mishap in faults.ALL for place in faults.PLACES if faults.can_meet(mishap, place)]
    assert len(cases) >= faults.TARGET
    assert len(faults.BY_NAME) == len(faults.ALL) >= 30


@pytest.mark.timeout(1_800)  # it takes three minutes, and many times that on a busy machine
@each_case("first", range(0, 300, 50))
def test_storms(first):
    found = figure(storms, "--seed", str(first), "--runs", "50", "--jobs", "1")
    assert found["kills"] > 50
    assert found["faults"] > 20  # a fault waits for its request, and many runs are killed before
    assert found["runs_with_unknown"]


# -- the auditor can say no ------------------------------------------------------------------------


@pytest.fixture
def finished(tmp_path):
    """A finished job: its journal, and the server's ledger."""

    async def main(loop):
        async with Bench(tmp_path, loop) as bench:
            await live(bench.life)
            await bench.settle()
            return bench.journal, bench.ledger()

    journal, ledger = run_jumping(main)
    assert audit(journal, ledger, CONTACTS, over=True).problems == []
    return journal, ledger


def damaged(journal, statement: str):
    copy = shutil.copy(journal, journal.with_suffix(".damaged"))
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.executescript(f"PRAGMA ignore_check_constraints = ON; {statement};")
    return type(journal)(copy)


@pytest.mark.smoke
def test_the_auditor_sees_a_contact_bought_twice(finished):
    journal, ledger = finished
    again = [{**record, "workflow_id": "pub-other"} for record in ledger["accepted"][:5]]
    finding = audit(journal, {**ledger, "accepted": ledger["accepted"] + again}, CONTACTS)
    assert finding.duplicates == 5
    assert finding.lost == 1


@pytest.mark.smoke
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE chunks SET state = 'planned', workflow_id = NULL WHERE number = 2",
        "UPDATE chunks SET workflow_id = 'pub-nobody' WHERE number = 1",
        "DELETE FROM chunks WHERE number = 3",
        "UPDATE chunks SET last = last - 1 WHERE number = 4",
        "DELETE FROM attempts WHERE chunk = 1",
        "DELETE FROM results WHERE place = 7",
        "UPDATE results SET credits_charged = 99 WHERE place = 7",
    ],
)
def test_the_auditor_sees_damage(finished, statement):
    journal, ledger = finished
    finding = audit(damaged(journal, statement), ledger, CONTACTS, over=True)
    assert finding.problems or finding.lost
