"""Jobs by name at the command line: one command starts and resumes them, and the store has it all."""

from __future__ import annotations

import json
from collections import Counter

import pytest

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
    assert [(job["job"], job["state"], job["contacts"]) for job in listed] == [("crm", "finished", 32)]
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


def test_rows_that_changed_are_named_and_the_job_goes_on_without_the_input(cli, serve, people, look):
    cli.write(people(20))
    with serve(faults=[Fault("/enrich/bulk", when="before", status=402, body={"detail": "no"})]) as sandbox:
        assert cli(*RUN, "-y", *FAST).code != 0
        cli.write([*people(4), people(81)[80], *people(20)[5:]])
        changed = cli(*RUN, "-y", *FAST)
        assert changed.code == 1
        assert "contact 5 changed" in changed.error
        assert cli("job", "run", "crm", "-y", "-o", "all.csv", *FAST).code == 0
        check(sandbox, 20)
    exported = look("export", "crm", "in.csv", "-o", "rest.csv")
    assert "1 contact is not as the job began with" in exported.err
    assert [bool(row["cleanlist_status"]) for row in cli.results("rest.csv")] == [True] * 4 + [False] + [
        True
    ] * 15


def test_an_unknown_chunk_is_shown_resolved_and_gone(cli, serve, people, look):
    cli.write(people(10))
    with serve(faults=[Fault("/enrich/bulk", when="after", reset=True)]) as sandbox:
        done = cli(*RUN, "-y", "-o", "out.csv", *FAST)
        assert done.code == 3, done.err
        shown = look("unknown", "crm")
        assert shown.code == 3
        number = json.loads(look("unknown", "crm", "--json").out)["unknown"][0]["number"]
        assert f"job resolve crm {number} --resubmit" in shown.err
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


def test_a_path_is_a_journal(cli, serve, people, look):
    cli.write(people(5))
    with serve() as sandbox:
        for _ in range(2):
            assert cli("job", "run", "run.journal", "in.csv", "-y", *FAST).code == 0
        check(sandbox, 5)
    assert json.loads(look("status", "run.journal", "--json").out)["state"] == "complete"
