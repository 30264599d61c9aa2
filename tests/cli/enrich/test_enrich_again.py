"""The same command again, after whatever ended the run before it: nothing is bought twice or lost."""

import os
import pty
import signal
import stat
import sys

import pytest

from cleanlist_async.sandbox import Fault
from tests.cli.command_line import FAST, check_results, until
from tests.cli.enrich.interrupted_runs import COMMAND, resolve_by_the_ledger

pytestmark = pytest.mark.sockets


def at_a_terminal(cli, *args):
    """Start a command as the leader of a session with a terminal of its own. Returns its pid and our end."""
    pid, ours = pty.fork()
    if pid == 0:
        os.chdir(cli.folder)
        os.execve(sys.executable, [sys.executable, "-m", "cleanlist_async", *args], cli.env)
    return pid, ours


def check_all_bought_once(cli, sandbox, given):
    check_results(cli, sandbox, given)
    assert len(sandbox.ledger.contacts) == len(given)
    assert not sandbox.ledger.duplicates()
    assert sum(float(row["cleanlist_credits"]) for row in cli.results()) == sandbox.ledger.credits_charged
    assert {path.name for path in cli.folder.iterdir()} == {"in.csv", "out.csv"}


@pytest.mark.parametrize("bought", [1, 251, 501])
def test_a_killed_run_is_gone_on_with(cli, serve, people, bought):
    given = cli.write(people(600))
    with serve(workflow_s=0.7, window_s=1.0) as sandbox:
        process = cli.start(*COMMAND)
        until(lambda: len(sandbox.ledger.contacts) >= bought)
        until(lambda: "accepted" in cli("audit").out)
        process.kill()
        process.communicate(timeout=60)
        again = cli(*COMMAND)
        if again.code == 3:  # killed between a submit and its answer: held until somebody decides
            resolve_by_the_ledger(cli, sandbox)
            again = cli(*COMMAND)
        assert again.code == 0, again.err
        assert " of 600 contacts are known from earlier runs, " in again.err
        check_all_bought_once(cli, sandbox, given)


def test_a_closed_terminal_ends_a_run_as_sigterm_does(cli, serve, people):
    given = cli.write(people(600))
    with serve(workflow_s=12.0, window_s=1.0) as sandbox:
        pid, ours = at_a_terminal(cli, *COMMAND)
        until(lambda: len(sandbox.ledger.contacts) >= 500)
        os.close(ours)
        _, ended = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(ended) == 129
        statuses = [row["cleanlist_status"] for row in cli.results()]
        assert statuses.count("pending") + statuses.count("found") + statuses.count("not_found") >= 500
        assert cli(*COMMAND).code == 0
        check_all_bought_once(cli, sandbox, given)


def test_a_hang_up_that_is_ignored_as_nohup_does_ends_nothing(cli, serve, people):
    given = cli.write(people(300))
    with serve(workflow_s=0.7, window_s=1.0) as sandbox:
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            process = cli.start(*COMMAND)
        finally:
            signal.signal(signal.SIGHUP, before)
        until(lambda: sandbox.ledger.contacts)
        process.send_signal(signal.SIGHUP)
        assert cli.finish(process).code == 0
        check_all_bought_once(cli, sandbox, given)


def test_after_a_top_up_the_same_command_buys_the_rest(cli, serve, people):
    given = cli.write(people(500))
    with serve(credits=250.0) as sandbox:
        first = cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST)
        assert first.code == 4, first.err
        assert "Top up, then go on with the same command" in first.err
        command = first.err.strip().splitlines()[-1].split()
        assert command == ["cleanlist-async", "enrich", "in.csv", "-o", "out.csv", *FAST, "--yes"]
        sandbox.set_credits(1_000.0)
        again = cli(*command[1:])
        assert again.code == 0, again.err
        assert "250 of 500 contacts are known from earlier runs, 250 to buy." in again.err
        check_all_bought_once(cli, sandbox, given)


def test_after_a_top_up_a_fresh_run_goes_on_and_does_not_begin_anew(cli, serve, people):
    given = cli.write(people(500))
    with serve(credits=250.0) as sandbox:
        first = cli("enrich", "in.csv", "-o", "out.csv", "-y", "--fresh", *FAST)
        assert "Top up, then go on with the same command without --fresh" in first.err
        command = first.err.strip().splitlines()[-1].split()
        sandbox.set_credits(1_000.0)
        again = cli(*command[1:], "-y")
        assert again.code == 0, again.err
        check_all_bought_once(cli, sandbox, given)


@pytest.mark.smoke
def test_what_is_known_is_written_without_asking_and_without_buying(cli, serve, people):
    given = cli.write(people(30))
    with serve() as sandbox:
        assert cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST).code == 0
        first = (cli.folder / "out.csv").read_bytes()
        (cli.folder / "out.csv").unlink()
        again = cli("enrich", "in.csv", "-o", "out.csv", *FAST)
        assert again.code == 0, again.err
        assert "30 of 30 contacts are known from earlier runs, 0 to buy." in again.err
        assert (cli.folder / "out.csv").read_bytes() == first
        check_all_bought_once(cli, sandbox, given)


def test_fresh_buys_anew_after_asking(cli, serve, people):
    cli.write(people(3))
    with serve() as sandbox:
        assert cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST).code == 0
        refused = cli("enrich", "in.csv", "-o", "again.csv", "--fresh", *FAST)
        assert refused.code == 2
        assert len(sandbox.ledger.contacts) == 3
        asked = cli.answer("y\n", "enrich", "in.csv", "-o", "again.csv", "--fresh", *FAST)
        assert "Spend up to 3 credits?" in asked.err
        assert asked.code == 0, asked.err
        assert len(sandbox.ledger.contacts) == 6


def test_an_output_of_the_same_rows_is_written_again_and_no_other_file_is(cli, serve, people):
    cli.write(people(3))
    with serve() as sandbox:
        assert cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST).code == 0
        assert cli("enrich", "in.csv", "-o", "out.csv", *FAST).code == 0
        cli.write(people(4))
        assert "already exists" in cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST).error
        assert cli("enrich", "in.csv", "-o", "out.csv", "-y", "--overwrite", *FAST).code == 0
        assert len(sandbox.ledger.contacts) == 4
        cli.env["CLEANLIST_STORE"] = "other.db"  # which knows nothing of what is in the output
        refused = cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST)
        assert "already exists" in refused.error
        assert len(sandbox.ledger.contacts) == 4


# -- its own output ------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", [pytest.param("the same", marks=pytest.mark.smoke), "another"])
def test_of_its_own_output_only_rows_without_an_outcome_are_sent(cli, serve, people, store):
    given = cli.write(people(500))
    with serve(credits=250.0) as sandbox:
        assert cli("enrich", "in.csv", "-o", "first.csv", "-y", *FAST).code == 4
        sandbox.set_credits(1_000.0)
        if store == "another":
            cli.env["CLEANLIST_STORE"] = str(cli.folder / "other.db")
        assert cli.json("plan", "first.csv")["plan"]["contacts"] == 250
        again = cli("enrich", "first.csv", "-o", "out.csv", "-y", *FAST)
        assert again.code == 0, again.err
        assert "250 rows of an earlier run have an outcome and keep it" in again.err
        assert "cleanlist_email" not in again.err
        check_results(cli, sandbox, given)
        assert not sandbox.ledger.duplicates()
        assert len(sandbox.ledger.contacts) == 500
    assert cli.read("out.csv")[0] == cli.read("first.csv")[0]


def test_pending_rows_of_its_own_output_are_fetched_not_bought(cli, serve, people):
    given = cli.write(people(500))
    with serve(workflow_s=1.5, window_s=1.0) as sandbox:
        process = cli.start("enrich", "in.csv", "-o", "first.csv", "-y", "--window-s", "1")
        until(lambda: len(sandbox.ledger.contacts) >= 250)
        process.send_signal(signal.SIGINT)
        assert cli.finish(process).code == 130
        cli.env["CLEANLIST_STORE"] = str(cli.folder / "other.db")  # as on another machine
        assert cli("enrich", "first.csv", "-o", "out.csv", "-y", "--window-s", "1").code == 0
        check_results(cli, sandbox, given)
        assert not sandbox.ledger.duplicates()


def test_its_own_output_is_bought_anew_with_fresh(cli, serve, people):
    cli.write(people(5))
    with serve() as sandbox:
        assert cli("enrich", "in.csv", "-o", "first.csv", "-y", *FAST).code == 0
        assert cli("enrich", "first.csv", "-o", "out.csv", "-y", "--fresh", *FAST).code == 0
        assert len(sandbox.ledger.contacts) == 10
    assert cli.read("out.csv")[0] == cli.read("first.csv")[0]


def test_rows_of_its_own_output_that_lack_a_result_are_bought_anew_and_the_others_keep_theirs(
    cli, serve, people
):
    given = cli.write(people(20))
    with serve(hit_rate=0.5) as sandbox:
        assert cli("enrich", "in.csv", "-o", "first.csv", "-y", *FAST).code == 0
        lacking = [row for row in cli.results("first.csv") if not row["cleanlist_email"]]
        options = ("--only-missing", "cleanlist_email", "-y", *FAST)
        again = cli("enrich", "first.csv", "-o", "out.csv", "--fresh", *options)
        assert again.code == 0, again.err
        assert len(sandbox.ledger.contacts) == 20 + len(lacking)
        check_results(cli, sandbox, given)
        misspelt = ("--only-missing", "cleanlist_emial", "-y", *FAST)
        unknown = cli("enrich", "first.csv", "-o", "more.csv", *misspelt)
        assert 'did you mean "cleanlist_email"' in unknown.error
    assert 0 < len(lacking) < 20


# -- what happens to the files meanwhile -----------------------------------------------------------------


@pytest.mark.parametrize("change", ["grows", "is another list", "is gone"])
def test_an_input_that_changes_meanwhile_changes_nothing(cli, serve, people, change):
    given = cli.write(people(500))
    with serve(workflow_s=0.7, window_s=1.0) as sandbox:
        process = cli.start(*COMMAND)
        until(lambda: sandbox.ledger.contacts)
        if change == "is gone":
            (cli.folder / "in.csv").unlink()
        else:
            cli.write(people(700) if change == "grows" else people(500)[::-1])
        done = cli.finish(process)
        assert done.code == 0, done.err
        check_results(cli, sandbox, given)
        assert len(sandbox.ledger.contacts) == 500


def test_of_two_runs_on_one_output_the_second_is_refused(cli, serve, people):
    given = cli.write(people(250))
    with serve(workflow_s=1.5, window_s=1.0) as sandbox:
        process = cli.start(*COMMAND)
        until(lambda: sandbox.ledger.contacts)
        second = cli(*COMMAND)
        assert second.code == 1
        assert f"out.csv: is being written by another run (process {process.pid})" in second.error
        assert cli.finish(process).code == 0
        check_all_bought_once(cli, sandbox, given)


def test_two_runs_on_two_outputs_buy_each_contact_once(cli, serve, people):
    given = cli.write(people(500))
    with serve(workflow_s=0.7, window_s=1.0) as sandbox:
        runs = [
            cli.start("enrich", "in.csv", "-o", name, "-y", "--window-s", "1") for name in ("a.csv", "b.csv")
        ]
        for run in runs:
            done = cli.finish(run)
            assert done.code == 0, done.err
        assert len(sandbox.ledger.contacts) == 500
        for name in ("a.csv", "b.csv"):
            check_results(cli, sandbox, given, name)


# -- the store ------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_the_store_is_private_and_its_size_is_told(cli, serve, people):
    cli.write(people(3))
    before = os.umask(0)
    try:
        with serve():
            done = cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST)
    finally:
        os.umask(before)
    folder = cli.data / "cleanlist-async"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert f"Store: {folder / 'store.db'}: 3 results, " in done.err


def test_a_store_that_cannot_be_used_sends_nothing(cli, serve, people):
    cli.write(people(3))
    (cli.folder / "not-a-store.db").write_text("something else entirely, and long enough for a header\n" * 9)
    with serve() as sandbox:
        done = cli("enrich", "in.csv", "-o", "out.csv", "-y", "--store", "not-a-store.db", *FAST)
        assert done.code == 1, done.err
        assert "store" in done.error
        assert sandbox.ledger.contacts == []
    assert not (cli.folder / "out.csv").exists()


def test_a_key_that_is_revoked_meanwhile_is_named_in_how_to_go_on(cli, serve, people):
    given = cli.write(people(500))
    with serve() as sandbox:
        sandbox.add_fault(Fault("/enrich/bulk", nth=2, status=401))
        first = cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST)
        assert first.code == 4
        assert "Set a key that may do this, then go on with the same command" in first.err
        assert cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST).code == 0
        check_all_bought_once(cli, sandbox, given)


def test_a_home_that_cannot_be_written_is_one_clear_line(cli, serve, people):
    cli.write(people(3))
    cli.env["XDG_DATA_HOME"] = "/proc/nowhere"
    with serve() as sandbox:
        done = cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST)
        assert sandbox.ledger.contacts == []
    assert done.code == 1
    assert "pass --store PATH" in done.error


def test_an_outage_says_how_to_go_on(cli, serve, people):
    given = cli.write(people(500))
    with serve() as sandbox:
        sandbox.add_fault(Fault("/enrich/bulk", nth=2, status=503, times=10))
        first = cli("enrich", "in.csv", "-o", "out.csv", "-y", "--max-retries", "0", *FAST)
        assert first.code != 0
        sandbox.clear_faults()
        for submit in cli.json("store", "show")["orphans"]:
            assert cli("store", "resolve", submit["submission"], "--absent").code == 0
        assert cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST).code == 0
        check_all_bought_once(cli, sandbox, given)
