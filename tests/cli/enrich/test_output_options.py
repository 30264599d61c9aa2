"""What an output holds is a choice, and no choice makes the next run buy again, or lose what was bought."""

from __future__ import annotations

import signal

import pytest

from cleanlist_async.sandbox import Fault
from tests.cli.command_line import FAST, HEADERS, until

pytestmark = pytest.mark.sockets

CHOSEN = ("--columns", "email,cleanlist_status", "--rename", "email=Work mail", "--only", "found")
CRM = ("--input-columns", "Notes, first_name", "--columns", "email,phones", "--only", "found")


def enrich(cli, *options, source="in.csv", output="out.csv"):
    return cli("enrich", source, "-o", output, "-y", *options, *FAST)


def found_in(cli, name="full.csv") -> list[str]:
    return [row["cleanlist_email"] for row in cli.results(name) if row["cleanlist_status"] == "found"]


@pytest.mark.smoke
def test_columns_names_and_rows_are_chosen(cli, serve, people):
    given = cli.write(people(40))
    with serve() as sandbox:
        assert enrich(cli, output="full.csv").code == 0
        chosen = enrich(cli, *CHOSEN)
        assert chosen.code == 0, chosen.err
        assert len(sandbox.ledger.contacts) == len(given)
    header, *rows = cli.read()
    assert header == [*HEADERS, "Work mail", "cleanlist_status"]
    assert [row[-2] for row in rows] == found_in(cli)
    assert 0 < len(rows) < len(given)


def test_the_shape_of_a_crm_is_one_command(cli, serve, people):
    cli.write([[*row[:-1], f"lead {number}"] for number, row in enumerate(people(40))])
    with serve() as sandbox:
        assert "there is no column" in enrich(cli, "--input-columns", "Lead ID").error
        assert sandbox.ledger.contacts == []
        assert enrich(cli, output="full.csv").code == 0
        done = enrich(cli, *CRM)
        assert done.code == 0, done.err
        job = cli("job", "run", "crm", "in.csv", "-y", "-o", "job.csv", *CRM, *FAST)
        assert job.code == 0, job.err
        assert cli("job", "export", "crm", "in.csv", "-o", "export.csv", *CRM).code == 0
        own = cli("job", "export", "crm", "-o", "own.csv", "--input-columns", "row", "--columns", "email")
        assert own.code == 0, own.err
    header, *rows = cli.read()
    assert header == ["Notes", "First Name", "cleanlist_email", "cleanlist_phones"]
    found = [row for row in cli.results("full.csv") if row["cleanlist_status"] == "found"]
    assert [row[:3] for row in rows] == [
        [row["Notes"], row["First Name"], row["cleanlist_email"]] for row in found
    ]
    assert cli.read("job.csv") == cli.read("export.csv") == cli.read()
    assert cli.read("own.csv")[0] == ["row", "cleanlist_email"]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(CHOSEN, marks=pytest.mark.smoke),
        ("--columns", "email"),
        ("--columns", "error,phones", "--only", "found", "--only", "not_found"),
        ("--rename", "status=Outcome"),
        ("--only", "failed"),
        pytest.param(CRM, marks=pytest.mark.smoke),
        ("--input-columns", "Last Name,First Name"),
        ("--input-columns", "Notes,Website", "--columns", "email"),
    ],
)
def test_the_same_command_writes_its_output_again_and_buys_nothing(cli, serve, people, options):
    cli.write([*people(9), *people(3), ["", "", "", "", "", "invalid"]])
    with serve() as sandbox:
        assert enrich(cli, *options).code == 0
        first = (cli.folder / "out.csv").read_bytes()
        again = enrich(cli, *options)
        assert again.code == 0, again.err
        assert (cli.folder / "out.csv").read_bytes() == first
        assert len(sandbox.ledger.contacts) == 9
        other = enrich(
            cli, "--columns", "task_id", *options[2:]
        )  # of another choice, so not known for its own
        assert "already exists" in other.error


@pytest.mark.parametrize(
    "options", [CHOSEN, ("--columns", "email"), ("--columns", "error", "--only", "found")]
)
def test_an_output_with_results_that_the_store_does_not_have_is_not_replaced(cli, serve, people, options):
    cli.write(people(9))
    with serve() as sandbox:
        assert enrich(cli, *options).code == 0
        cli.env["CLEANLIST_STORE"] = str(cli.folder / "other.db")
        assert "with results that the store does not have" in enrich(cli, *options).error
        assert len(sandbox.ledger.contacts) == 9


@pytest.mark.parametrize("columns", ["email", "status", "email,phones,credits", "status,workflow_id"])
def test_a_part_of_an_enrichment_is_not_taken_for_a_whole_one_or_for_none(cli, serve, people, columns):
    given = cli.write(people(9))
    with serve() as sandbox:
        assert enrich(cli, "--columns", columns).code == 0
        cli.env["CLEANLIST_STORE"] = str(cli.folder / "other.db")  # as on another machine
        refused = enrich(cli, source="out.csv", output="more.csv")
        assert refused.code == 1
        assert "out.csv: has columns of an enrichment without cleanlist_" in refused.error
        assert "enrich the file that it was made from" in refused.err
        assert cli("plan", "out.csv").code == 1
        assert len(sandbox.ledger.contacts) == len(given)
        assert enrich(cli, "--fresh", source="out.csv", output="more.csv").code == 0
        assert len(sandbox.ledger.contacts) == 2 * len(given)


def test_rows_that_were_chosen_are_its_own_output(cli, serve, people):
    cli.write(people(40))
    with serve() as sandbox:
        assert enrich(cli, output="full.csv").code == 0
        assert enrich(cli, "--only", "found").code == 0
        cli.env["CLEANLIST_STORE"] = str(cli.folder / "other.db")
        again = enrich(cli, source="out.csv", output="more.csv")
        assert again.code == 0, again.err
        assert len(sandbox.ledger.contacts) == 40
        assert cli.read("more.csv") == cli.read()
        rest = enrich(cli, "--only", "not_found", source="full.csv", output="rest.csv")
        assert rest.code == 0, rest.err
        assert len(sandbox.ledger.contacts) == 40
    assert len(cli.results("rest.csv")) + len(cli.results()) == 40


def test_a_run_that_was_stopped_goes_on_with_the_same_choice(cli, serve, people):
    cli.write(people(500))
    with serve(workflow_s=1.5, window_s=1.0) as sandbox:
        command = ("enrich", "in.csv", "-o", "out.csv", "-y", *CHOSEN, "--window-s", "1")
        process = cli.start(*command)
        until(lambda: len(sandbox.ledger.contacts) >= 250)
        process.send_signal(signal.SIGINT)
        stopped = cli.finish(process)
        assert stopped.code == 130
        assert "The same command fetches them for free" in stopped.err
        assert "cleanlist-async collect" not in stopped.err
        typed = stopped.err.strip().splitlines()[-1]
        assert "--columns email,cleanlist_status --rename 'email=Work mail' --only found" in typed
        assert cli(*command).code == 0
        assert len(sandbox.ledger.contacts) == 500
        assert not sandbox.ledger.duplicates()
        assert enrich(cli, output="full.csv").code == 0
    assert [row["Work mail"] for row in cli.results()] == found_in(cli)


def test_rows_without_headers_are_known_again(cli, serve, people):
    cli.write(people(9), headers=None)
    options = ("--no-header", "--map", "first_name=1", "--map", "last_name=2", "--map", "company_domain=4")
    with serve() as sandbox:
        for _ in "12":
            done = enrich(cli, *options, "--columns", "status,email")
            assert done.code == 0, done.err
        assert len(sandbox.ledger.contacts) == 9


@pytest.mark.parametrize("options", [("--columns", "email"), ("--only", "found"), ("--rename", "status=S")])
def test_a_type_that_no_store_keeps_must_tell_what_is_pending(cli, serve, people, options):
    cli.write(people(3))
    with serve() as sandbox:
        refused = enrich(cli, "--type", "none", *options)
        assert refused.code == 2
        assert "the output must say what is pending" in refused.error
        assert sandbox.ledger.contacts == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--columns", "emial"), "error: --columns: 'emial' is no column of an enrichment"),
        (("--rename", "email"), "each new name in --rename must be text that is not blank"),
        (("--only", "done"), "error: --only: 'done' is no outcome"),
    ],
)
def test_what_does_not_exist_is_refused_before_anything_is_sent(cli, serve, people, options, message):
    cli.write(people(3))
    with serve() as sandbox:
        refused = enrich(cli, *options)
        assert (refused.code, message in refused.error) == (2, True), refused.err
        assert sandbox.ledger.contacts == []


# -- suppression -----------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_suppressed_contacts_are_not_sent_and_their_rows_stay(cli, serve, people):
    given = cli.write([*people(3), ["Eve", "Gone", "Lost", "lost.example", "", ""]])
    (cli.folder / "stop.csv").write_text("E-Mail;Domain\n;lost.example\n")
    with serve() as sandbox:
        plan = cli.json("plan", "in.csv", "--suppress", "stop.csv")["plan"]
        assert (plan["contacts"], plan["invalid"], plan["chunks"]) == (4, 1, 1)
        assert "row 5: suppressed" in enrich(cli, "--suppress", "stop.csv", "--dry-run").err
        sandbox.add_fault(Fault("/enrich/bulk", nth=1, status=401))
        stopped = enrich(cli, "--suppress", "stop.csv")
        assert "--suppress stop.csv" in stopped.err.strip().splitlines()[-1]
        done = enrich(cli, "--suppress", "stop.csv")
        assert done.code == 0, done.err
        assert len(sandbox.ledger.contacts) == 3
    assert [row[:6] for row in cli.read()[1:]] == given
    assert cli.results()[-1]["cleanlist_error"] == "suppressed"


def test_a_suppression_that_cannot_be_read_sends_nothing(cli, serve, people):
    cli.write(people(3))
    (cli.folder / "stop.csv").write_text("E-Mail\nlost.example\nnobody\n")
    with serve() as sandbox:
        assert "stop.csv, row 3: holds no" in enrich(cli, "--suppress", "stop.csv").error
        assert enrich(cli, "--suppress", "gone.csv").code == 2
        assert sandbox.ledger.contacts == []


# -- jobs --------------------------------------------------------------------------------------------------


def test_a_job_writes_and_exports_a_choice_and_sends_no_suppressed_contact(cli, serve, people):
    cli.write([*people(20), ["Eve", "Gone", "Lost", "lost.example", "", ""]])
    (cli.folder / "stop.txt").write_text("lost.example\n")
    with serve() as sandbox:
        done = cli(
            "job", "run", "crm", "in.csv", "-y", "-o", "out.csv", "--suppress", "stop.txt", *CHOSEN, *FAST
        )
        assert done.code == 0, done.err
        assert len(sandbox.ledger.contacts) == 20
        assert cli("job", "export", "crm", "-o", "full.csv").code == 0
        assert cli("job", "export", "crm", "in.csv", "-o", "again.csv", *CHOSEN).code == 0
        named = cli("job", "export", "crm", "-o", "named.csv", "--columns", "email", "--only", "invalid")
        assert named.code == 0, named.err
    assert [row["Work mail"] for row in cli.results()] == found_in(cli)
    assert cli.read("again.csv") == cli.read()
    assert [row["row"] for row in cli.results("named.csv")] == ["21"]


def test_a_job_that_writes_nothing_refuses_a_choice(cli, serve, people):
    cli.write(people(3))
    with serve() as sandbox:
        refused = cli("job", "run", "crm", "in.csv", "-y", "--only", "found", *FAST)
        assert (refused.code, "name a file" in refused.error) == (2, True), refused.err
        assert sandbox.ledger.contacts == []
