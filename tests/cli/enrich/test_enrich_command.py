import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cleanlist_async.sandbox import Fault
from tests.cli.command_line import FAST, check_results, until

pytestmark = pytest.mark.sockets


def requests_after_a_result(sandbox):
    """Count the requests that were admitted after the first that was about results."""
    admitted = [request for request in sandbox.ledger.requests if request.admitted]
    paths = [request.path.rpartition("/")[2] for request in admitted]
    return len(paths) - paths.index("status") - 1 if "status" in paths else 0


def by_status(rows):
    grouped = {}
    for row in rows:
        grouped.setdefault(row["cleanlist_status"], []).append(row)
    return grouped


@pytest.mark.smoke
def test_every_cell_is_kept_and_every_result_is_in_its_row(cli, serve, people):
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
def test_duplicates_are_bought_once_and_invalid_rows_are_skipped(cli, serve, people):
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


def test_nothing_is_bought_without_a_terminal_or_a_yes(cli, serve, people):
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
def test_no_more_than_max_credits_is_spent(cli, serve, people):
    cli.write(people(20))
    with serve(hit_rate=1.0) as sandbox:
        done = cli("enrich", "in.csv", "-o", "out.csv", "--max-credits", "7", *FAST)
        assert sandbox.ledger.credits_charged == 7
    assert done.code == 3
    assert "--max-credits 7" in done.error
    statuses = [row["cleanlist_status"] for row in cli.results()]
    assert statuses.count("found") == 7
    assert statuses.count("failed") == 13


def test_a_server_that_dies_takes_no_result_with_it(cli, serve, people):
    cli.write(people(2000))
    with serve(workflow_s=0.05, latency_s=0.05, key_limit=4, window_s=1.5) as sandbox:
        process = cli.start(
            "enrich", "in.csv", "-o", "out.csv", "-y", "--json", "--window-s", "1.5", "--max-retries", "1"
        )
        until(lambda: requests_after_a_result(sandbox) >= 4)  # as many tokens: the answer is in the client
        sandbox.halt()
        accepted = {contact.contact["first_name"] for contact in sandbox.ledger.contacts}
        done = cli.finish(process)
        assert done.code in {3, 5}, done.err
        statuses = json.loads(done.out)["statuses"]
        assert sum(statuses.values()) == 2000
        assert statuses.get("found", 0) > 0
        results = cli.results()
        names = {name: {row["First Name"] for row in rows} for name, rows in by_status(results).items()}
        assert accepted.isdisjoint(names.get("failed", ()))
        # A submit that was on its way when the server died may not have arrived.
        assert accepted >= set().union(*names.values()) - names.get("failed", set()) - names.get(
            "unknown", set()
        )
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


def test_a_submit_whose_outcome_is_unknown_is_reported(cli, serve, people):
    cli.write(people(2))
    with serve(faults=[Fault("/enrich/bulk", when="after", reset=True)]) as sandbox:
        done = cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST)
        assert len(sandbox.ledger.contacts) == 2
    assert done.code == 3
    assert "unknown: " in done.err
    assert [row["cleanlist_status"] for row in cli.results()] == ["unknown", "unknown"]


def test_a_revoked_key_is_not_shown(cli, serve, people):
    cli.write(people(2))
    with serve() as sandbox:
        sandbox.revoke(sandbox.api_key)
        done = cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST)
    assert done.code == 4
    assert not (cli.folder / "out.csv").exists()


def test_no_connection_is_exit_code_5(cli, serve, people):
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
        until(lambda: cli("collect", "out.csv", *FAST).code == 0)
        check_results(cli, sandbox, cli.read("in.csv")[1:])


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


def test_nothing_is_bought_if_the_disk_has_no_room_for_the_output(cli, serve, people, monkeypatch):
    cli.write(people(3))
    usage = shutil.disk_usage(cli.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000))
    with serve() as sandbox:
        done = cli("enrich", "in.csv", "-o", "out.csv", "--yes", *FAST)
        assert not sandbox.ledger.contacts
    assert done.code == 1
    assert "out.csv: may need 0.0 MB, and its disk has 0.0 MB left; free some space" in done.error


def test_the_disk_of_temporary_files_must_have_room_for_what_is_delivered_elsewhere(
    cli, serve, people, monkeypatch, tmp_path
):
    cli.write(people(40))
    usage, temporary = shutil.disk_usage(cli.folder), Path(tempfile.gettempdir())
    free = {temporary: 1_000}
    monkeypatch.setattr(
        shutil, "disk_usage", lambda folder: usage._replace(free=free.get(folder, usage.free))
    )
    with serve() as sandbox:
        done = cli("enrich", "in.csv", "-o", "-", "-y", *FAST)
        assert f"and the disk of {temporary} has 0.0 MB left; free some space, or name another" in done.error
        assert sandbox.ledger.contacts == []


def test_an_input_that_a_full_disk_would_cut_short_buys_nothing(cli, serve, people):
    cli.write([[*row[:-1], "x" * 200] for row in people(100)])
    limit = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        " resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192));"
        " from cleanlist_async.cli.app import run_guarded; sys.exit(run_guarded(sys.argv[1:]))"
    )
    with serve() as sandbox:
        command = [sys.executable, "-c", limit, "enrich", "in.csv", "-o", "out.csv", "-y"]
        env = cli.env | {"PYTHONDONTWRITEBYTECODE": "1"}  # a compiled module would be cut short too
        done = subprocess.run(command, cwd=cli.folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "in.csv: cannot be copied to " in done.stderr
        assert sandbox.ledger.contacts == []


def test_a_base_url_that_moved_is_named_before_anything_is_sent(cli, serve, people):
    cli.write(people(3))
    moved = [("location", "https://www.api.example/api/v1/public/credits/balance")]
    with serve(faults=(Fault(status=308, headers=moved, times=100),)) as sandbox:
        done = cli("enrich", "in.csv", "-o", "out.csv", "--yes", *FAST)
        assert not sandbox.ledger.requests_of("/enrich/bulk")
    assert done.code == 4
    assert "redirects to https://www.api.example/" in done.error
    assert "Set --base-url (CLEANLIST_BASE_URL) to https://www.api.example." in done.error


def test_the_limit_is_shown_before_anything_is_sent(cli, serve, people):
    cli.write(people(54))
    with serve():
        done = cli("enrich", "in.csv", "-o", "out.csv", "--dry-run", "--max-credits", "40", *FAST)
    assert "0 to 54, limited to 40" in done.err
    assert "about 10 s" in done.err


def test_the_command_to_go_on_has_the_options_as_they_were_typed(cli, serve, people):
    cli.write(people(60))
    options = ("--type", "phone_only", "--max-credits", "40", "--limit", "50", "--only-missing", "Notes")
    with serve(hit_rate=1.0):
        done = cli("enrich", "in.csv", "-o", "out.csv", "--yes", *options, *FAST)
    command = done.err.splitlines()[-1].split()
    assert done.code == 3
    assert command[:5] == ["cleanlist-async", "enrich", "in.csv", "-o", "out.csv"]
    assert sorted(command[5:]) == sorted(["--yes", *options, *FAST])
    assert "The limit holds for one run" in done.err


ONE_KNOWN = (
    "The e-mail address of 1 contact to buy is known, and full pays it again: phone_only buys only what is"
    " missing, for up to 10 credits instead of 11."
)
THREE_KNOWN = (
    "The e-mail addresses of 3 contacts to buy are known, and full pays them again: phone_only buys only what"
    " is missing, for up to 30 credits instead of 33."
)


def test_what_is_missing_in_a_row_is_said_in_its_cell_in_plain_words(cli, serve, people):
    cli.write([*people(1), ["Only", "Name", "", "", "", ""]])
    with serve():
        cli("enrich", "in.csv", "-o", "out.csv", "--yes", *FAST)
    assert cli.results()[1]["cleanlist_error"] == (
        "needs a company (Company) or its web address (Website), or a LinkedIn profile (LinkedIn URL)"
    )


def test_credits_of_earlier_runs_are_shown_apart(cli, serve, people):
    given = people(5)
    with serve(hit_rate=1.0) as sandbox:
        cli.write(given[:3])
        cli("enrich", "in.csv", "-o", "out.csv", "--yes", *FAST)
        cli.write(given)
        answer = cli.json("enrich", "in.csv", "-o", "more.csv", "--yes", *FAST)
        assert sandbox.ledger.credits_charged == 5
    assert (answer["credits"], answer["earlier_credits"]) == (2, 3)


@pytest.mark.parametrize(("count", "line"), [(1, ONE_KNOWN), (3, THREE_KNOWN)])
def test_full_after_partial_says_what_it_would_pay_again(cli, serve, people, count, line):
    with serve(hit_rate=1.0):
        cli.write(people(count))
        assert "full pays" not in cli("enrich", "in.csv", "-o", "out.csv", "--yes", *FAST).err
        cli.write(people(5))
        full = cli("enrich", "in.csv", "-o", "more.csv", "--type", "full", "--dry-run", *FAST)
        assert line in full.err
        phones = cli("enrich", "in.csv", "-o", "more.csv", "--type", "phone_only", "--dry-run", *FAST)
        assert "full pays" not in phones.err
        job = cli("job", "run", "crm", "in.csv", "--type", "full", "--yes", *FAST)
        assert line in job.err, job.err


def test_its_output_with_a_column_renamed_is_known(cli, serve, people):
    given = cli.write(people(5))
    columns = ("--columns", "email", "--rename", "email=Work mail")
    with serve(hit_rate=1.0) as sandbox:
        assert cli("enrich", "in.csv", "-o", "first.csv", "--yes", *columns, *FAST).code == 0
        assert cli.read("first.csv")[0][-1] == "Work mail"
        again = cli("enrich", "first.csv", "-o", "out.csv", "--yes", *FAST)
        assert "5 of 5 contacts are known from earlier runs, 0 to buy." in again.err
        assert "Work mail" in again.err  # it is read as the e-mail address
        assert len(sandbox.ledger.contacts) == len(given) == 5
        assert [row["cleanlist_email"] for row in cli.results()] == [
            row["Work mail"] for row in cli.results()
        ]


def test_what_a_stopped_run_submitted_is_paid_by_it_and_not_by_the_next(cli, serve, people):
    cli.write(people(5))
    with serve(hit_rate=1.0, workflow_s=2.0) as sandbox:
        process = cli.start("enrich", "in.csv", "-o", "out.csv", "--yes", *FAST)
        until(lambda: len(sandbox.ledger.contacts) == 5)
        until(lambda: "accepted" in cli("audit").out)
        process.send_signal(signal.SIGINT)
        stopped = cli.finish(process)
        answer = cli.json("enrich", "in.csv", "-o", "out.csv", "--yes", *FAST)
    assert stopped.code == 130
    assert "up to 5  on top, for what is pending" in stopped.err
    assert (answer["credits"], answer["earlier_credits"]) == (0, 5)
