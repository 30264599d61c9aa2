"""Jobs by name at the command line: one command starts and resumes them, and the store has it all."""

from __future__ import annotations

import errno
import json
import re
import tempfile
from collections import Counter

import pytest

from cleanlist_async.cli.job import looking
from cleanlist_async.sandbox import Fault
from tests.cli.command_line import FAST, CommandLine, until
from tests.cli.job.runs import check, without_ids

pytestmark = pytest.mark.sockets

RUN = ("job", "run", "crm", "in.csv")


def test_the_same_command_starts_resumes_and_ends_a_job(cli, serve, people):
    first, *others = people(520)
    cli.write([first, ["Only", "", "", "", "", "no"], *others, [*first[:-1], "again"]])
    with serve(workflow_s=1.0, window_s=1.0) as sandbox:
        process = cli.start(*RUN, "-y", "-o", "out.csv", "--window-s", "1")
        until(lambda: len(sandbox.ledger.contacts) >= 250)
        process.terminate()
        stopped = cli.finish(process)
        assert stopped.code == 143, stopped.err
        assert "job run crm in.csv -o out.csv" in stopped.err
        done = cli.json(*RUN, "-y", "-o", "out.csv", "--window-s", "1")
        check(sandbox, 520)
        assert (done["state"], done["credits_spent"]) == ("complete", sandbox.ledger.credits_charged)
        requests = len([one for one in sandbox.ledger.requests if one.method == "POST"])
        again = cli(*RUN, "-o", "again.csv", "--window-s", "1")
        assert again.code == 0, again.err
        assert requests == len([one for one in sandbox.ledger.requests if one.method == "POST"])
    assert without_ids(cli.results("again.csv")) == without_ids(cli.results("out.csv"))


def test_a_killed_job_is_finished_on_a_machine_with_an_empty_disk(cli, serve, people, postgres, tmp_path):
    cli.write(people(1100))
    with postgres.schema() as url, serve(workflow_s=1.0, window_s=1.0) as sandbox:
        cli.env["CLEANLIST_STORE"] = url
        process = cli.start(*RUN, "-y", "--window-s", "1")
        until(lambda: len(sandbox.ledger.contacts) >= 500)
        process.kill()
        process.wait()
        (tmp_path / "elsewhere").mkdir()
        other = CommandLine(tmp_path / "elsewhere")
        other.env |= {name: value for name, value in cli.env.items() if name.startswith("CLEANLIST_")}
        done = other("job", "run", "crm", "-o", "out.csv", "--window-s", "1")
        unknown = json.loads(other("job", "unknown", "crm", "--json").out)["unknown"]
        assert done.code == (3 if unknown else 0), done.err
        assert not sandbox.ledger.duplicates()
    statuses = Counter(row["cleanlist_status"] for row in other.results())
    assert statuses["unknown"] == sum(chunk["contacts"] for chunk in unknown)
    assert statuses["found"] + statuses["not_found"] + statuses["unknown"] == 1100


def test_a_job_is_looked_at_and_exported_from_the_store_alone(cli, serve, people, look):
    given = cli.write([*people(30), ["Only", "", "", "", "", ""], people(1)[0]])
    with serve():
        assert cli(*RUN, "-y", "-o", "out.csv", *FAST).code == 0
    listed = json.loads(look("ls", "--json").out)["jobs"]
    assert [(job["job"], job["state"], job["contacts"]) for job in listed] == [("crm", "complete", 32)]
    assert look("status", "crm").out.split()[:2] == ["state", "complete"]
    rules = {
        rule["rule"]: rule["contacts"] for rule in json.loads(look("report", "crm", "--json").out)["rules"]
    }
    assert (sum(rules.values()), rules["duplicate"], rules["invalid"]) == (32, 1, 1)
    with_input = look("export", "crm", "in.csv", "-o", "a.csv")
    assert with_input.code == 0, with_input.err
    assert cli.read("a.csv") == cli.read("out.csv")
    (cli.folder / "in.csv").unlink()
    without = look("export", "crm", "-o", "b.csv")
    assert without.code == 0, without.err
    assert [row["cleanlist_email"] for row in cli.results("b.csv")] == [
        row["cleanlist_email"] for row in cli.results("out.csv")
    ]
    assert len(given) == 32


def test_an_export_that_a_full_disk_would_cut_short_says_so(cli, serve, people, monkeypatch):
    cli.write(people(3))
    with serve(workflow_s=0.2):
        assert cli("job", "run", "crm", "in.csv", "-y", *FAST).code == 0

    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(looking, "TemporaryDirectory", full)
    done = cli("job", "export", "crm", "-o", "out.csv")
    copied = f"the contacts of the job: cannot be copied to {tempfile.gettempdir()} (No space left on device)"
    assert (done.code, copied in done.error) == (1, True), done.err
    assert not (cli.folder / "out.csv").exists()


def test_what_a_job_exports_of_its_own_copy_is_no_formula(cli, serve):
    cli.write([["=cmd|' /C calc'!A0", "Low", "Locks", "lock.example", "", ""]])
    with serve(workflow_s=0.2):
        assert cli("job", "run", "crm", "in.csv", "-y", *FAST).code == 0
        assert cli("job", "export", "crm", "-o", "out.csv").code == 0
    (row,) = cli.results()
    assert row["first_name"] == "'=cmd|' /C calc'!A0"


def test_rows_that_changed_are_named_and_the_job_goes_on_without_the_input(cli, serve, people, look):
    cli.write(people(20))
    with serve(faults=[Fault("/enrich/bulk", when="before", status=402, body={"detail": "no"})]) as sandbox:
        assert cli(*RUN, "-y", *FAST).code != 0
        cli.write([*people(4), people(81)[80], *people(20)[5:]])
        changed = cli(*RUN, "-y", *FAST)
        assert changed.code == 1
        assert "row 6 changed" in changed.error
        assert cli("job", "run", "crm", "-y", "-o", "all.csv", *FAST).code == 0
        check(sandbox, 20)
    exported = look("export", "crm", "in.csv", "-o", "rest.csv")
    assert "row 6 changed; what is not as the job began with" in exported.err
    assert [bool(row["cleanlist_status"]) for row in cli.results("rest.csv")] == [True] * 4 + [False] + [
        True
    ] * 15


def test_receipts_of_a_named_job_need_no_input(cli, serve, people, look):
    cli.write(people(30))
    with serve() as sandbox:
        assert cli(*RUN, "-y", *FAST).code == 0
        charged = sandbox.ledger.credits_charged
    (cli.folder / "in.csv").unlink()
    done = look("report", "crm", "-o", "receipts.csv")
    assert done.code == 0, done.err
    assert sum(float(row["receipt_credits"]) for row in cli.results("receipts.csv")) == charged
    refused = look("report", "none.journal", "-o", "r.csv")
    assert refused.code != 0
    assert not (cli.folder / "r.csv").exists()


def test_a_job_that_another_process_runs_is_refused_with_a_code_of_its_own(cli, serve, people):
    cli.write(people(5))
    with serve(workflow_s=30.0) as sandbox:
        running = cli.start(*RUN, "-y", *FAST)
        until(lambda: sandbox.ledger.contacts)
        locked = cli(*RUN, "-y", *FAST)
        running.kill()
        cli.finish(running)
    assert locked.code == 6, locked.err
    assert "is run by process" in locked.error


def test_who_waits_for_a_job_goes_on_when_the_other_has_ended(cli, serve, people, monkeypatch):
    monkeypatch.setattr("cleanlist_async.cli.job.order._LOOK_EVERY_S", 0.05)
    cli.write(people(5))
    with serve(workflow_s=2.0) as sandbox:
        running = cli.start(*RUN, "-y", *FAST)
        until(lambda: sandbox.ledger.contacts)
        done = cli(*RUN, "-y", "--wait", *FAST)
        assert cli.finish(running).code == 0
        check(sandbox, 5)
    assert done.code == 0, done.err
    assert done.err.count("Waiting for its end") == 1
    assert cli.json("job", "status", "crm")["state"] == "complete"


def test_the_list_and_the_status_have_one_word_for_a_state(cli, serve, people, look):
    cli.write(people(5))
    with serve(faults=[Fault("/enrich/bulk", when="before", status=402, body={"detail": "no"})]):
        assert cli(*RUN, "-y", *FAST).code == 4
        assert cli("job", "run", "b", "in.csv", "-y", *FAST).code == 0
    with serve(faults=[Fault("/enrich/bulk", when="after", reset=True)]):
        cli.write(people(9)[5:])
        assert cli("job", "run", "c", "in.csv", "-y", *FAST).code == 3
    listed = {job["job"]: job["state"] for job in json.loads(look("ls", "--json").out)["jobs"]}
    assert listed == {name: json.loads(look("status", name, "--json").out)["state"] for name in listed}
    assert listed == {"crm": "paused", "b": "complete", "c": "complete_with_unknown"}
    assert "complete with unknown" in look("ls").out


def test_the_unfinished_jobs_are_listed_by_name_for_a_script(cli, serve, people, look):
    cli.write(people(30))
    with serve() as sandbox:
        sandbox.add_fault(Fault("/enrich/bulk", when="before", status=402, body={"detail": "no"}))
        assert cli("job", "run", "crm 1", "in.csv", "-y", *FAST).code == 4
        assert cli("job", "run", "done", "in.csv", "-y", *FAST).code == 0
    assert look("ls", "--names").out == "crm 1\ndone\n"
    assert look("ls", "--unfinished", "--names").out == "crm 1\n"
    (listed,) = json.loads(look("ls", "--unfinished", "--json").out)["jobs"]
    assert (listed["name"], listed["job"], listed["state"]) == ("crm 1", "crm 1", "paused")
    assert look("ls", "--names", "--json").code == 2
    status = json.loads(look("status", "crm 1", "--json").out)
    assert (status["name"], status["job"]) == ("crm 1", "crm 1")


def test_json_tells_a_used_up_budget_from_what_is_pending(cli, serve, people):
    cli.write(people(30))
    with serve():
        assert cli("budget", "set", "--per-day", "10", *FAST).code == 0
        stop = cli.json(*RUN, "-y", *FAST, code=3)["stopped_by"]
        assert (stop["type"], stop["period"]) == ("BudgetExceededError", "day")
        assert stop["period_ends_at"].endswith("T00:00:00+00:00")
        assert cli("budget", "set", "--no-limit", *FAST).code == 0
        own = cli.json(*RUN, "-y", "--max-credits", "12", *FAST, code=3)["stopped_by"]
        assert (own["type"], own["period"], own["period_ends_at"]) == ("BudgetExceededError", None, None)


def test_an_unknown_chunk_is_shown_resolved_and_gone(cli, serve, people, look):
    cli.write(people(10))
    with serve(faults=[Fault("/enrich/bulk", when="after", reset=True)]) as sandbox:
        done = cli(*RUN, "-y", "-o", "out.csv", *FAST)
        assert done.code == 3, done.err
        shown = look("unknown", "crm")
        assert shown.code == 3
        number = json.loads(look("unknown", "crm", "--json").out)["unknown"][0]["number"]
        assert f"job resolve crm {number} --resubmit" in shown.err
        assert re.search(r"since \(UTC\)", shown.out)
        assert re.search(r"\d\d:\d\d:\d\d +APIConnectionError: ", shown.out)
        in_store = cli("store", "show")
        assert "job unknown crm" in in_store.err
        assert "store resolve" not in in_store.err
        assert re.search(r"\d\d:\d\d:\d\d +crm +APIConnectionError: ", in_store.out)
        workflow = sandbox.ledger.contacts[0].workflow_id
        decided = look("resolve", "crm", str(number), "--accepted", workflow)
        assert decided.code == 0, decided.err
        assert "job run crm" in decided.err
        assert cli("job", "run", "crm", "-o", "out.csv", "--overwrite", *FAST).code == 0
        check(sandbox, 10)
    assert "unknown" not in {row["cleanlist_status"] for row in cli.results()}


def test_a_no_leaves_no_job_and_a_purge_no_contact(cli, serve, people, look):
    cli.write(people(5))
    with serve() as sandbox:
        assert cli.answer("n\n", *RUN, *FAST).code == 1
        assert json.loads(look("ls", "--json").out) == {"jobs": []}
        assert cli(*RUN, "-y", *FAST).code == 0
        check(sandbox, 5)
    assert look("purge", "crm", "-y").code == 0
    gone = look("export", "crm", "-o", "gone.csv")
    assert gone.code == 1
    assert "removed" in gone.err
    assert not list(cli.folder.glob("gone*"))


def test_what_is_not_there_is_said(cli, serve, look):
    for command in (("status", "crm"), ("unknown", "crm"), ("export", "crm", "-o", "x.csv")):
        done = look(*command)
        assert done.code == 1
        assert "there is no job crm" in done.error
    with serve():
        done = cli("job", "run", "crm", "-y", *FAST)
    assert done.code == 2
    assert "name its input" in done.error


def test_a_name_that_the_store_does_not_have_is_said_with_the_same_exit_code(cli, serve, people, look):
    cli.write(people(3))
    with serve():
        assert cli(*RUN, "-y", *FAST).code == 0
    for command in ("status", "unknown", "report", "purge"):
        done = look(command, "other", "--json", *(["-y"] if command == "purge" else []))
        error = json.loads(done.out)["error"]
        assert (done.code, error["type"], error["exit_code"]) == (1, "JobNotFoundError", 1)
        assert "no job 'other'" in done.error


def test_a_submit_of_another_job_that_holds_contacts_is_shown_and_decided(cli, serve, people, look):
    cli.write(people(10))
    with serve(faults=[Fault("/enrich/bulk", when="after", reset=True)]) as sandbox:
        assert cli("job", "run", "first", "in.csv", "-y", *FAST).code == 3
        ended = cli(*RUN, "-y", *FAST)
        assert "10 contacts are unknown" in ended.err
        assert "job unknown crm" in ended.err
        done = cli.json(*RUN, "-y", *FAST, code=3)
        assert (done["state"], done["results"]) == ("complete_with_unknown", {"unknown": 10})
        assert re.search(r"unknown +10 +contacts that may have been bought", look("status", "crm").out)
        shown, told = look("unknown", "crm"), look("unknown", "crm", "--json")
        assert (shown.code, told.code) == (3, 3)
        assert re.search(r"10 +job first +APIConnectionError", shown.out)
        [submit] = json.loads(told.out)["held_by"]
        command = f"store resolve {submit['submission']} --workflow WORKFLOW_ID"
        assert command in shown.err
        workflow = sandbox.ledger.contacts[0].workflow_id
        decided = cli("store", "resolve", submit["submission"], "--workflow", workflow)
        assert decided.code == 0, decided.err
        assert cli("job", "run", "crm", *FAST).code == 0
        assert look("unknown", "crm").code == 0
        check(sandbox, 10)


def test_a_path_is_a_journal(cli, serve, people, look):
    cli.write(people(5))
    with serve() as sandbox:
        for _ in range(2):
            assert cli("job", "run", "run.journal", "in.csv", "-y", *FAST).code == 0
        check(sandbox, 5)
    assert json.loads(look("status", "run.journal", "--json").out)["state"] == "complete"
