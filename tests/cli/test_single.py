"""``enrich-person`` and ``enrich-company``: asked about, bought once, shown, and stopped without a loss."""

import json
import signal
import subprocess
import sys

import pytest

from cleanlist_async.sandbox import Fault, Shape
from tests.cli.command_line import FAST, KEY, until

ADA = ("--first-name", "Ada", "--last-name", "Love", "--domain", "engine.example")
ONE = ("enrich-person", "--create-list", "People", *ADA, *FAST)


@pytest.mark.smoke
def test_a_person_is_bought_once_and_shown(cli, serve):
    with serve(hit_rate=1.0) as sandbox:
        done = cli(*ONE, "--type", "full", "--yes")
        assert sandbox.ledger.credits_charged == 11
        assert len(sandbox.ledger.contacts) == 1
    assert done.code == 0, done.err
    fields = dict(line.split(None, 1) for line in done.out.splitlines())
    assert fields["result"] == "found"
    assert "@engine.example" in fields["e-mail"]
    assert fields["credits"] == "11"


def test_a_person_as_json(cli, serve):
    with serve(hit_rate=1.0):
        answer = cli.json(*ONE, "--max-credits", "1")
    assert answer["found"] is True
    assert answer["stopped_by"] is None
    assert answer["status"]["result"]["email"]
    assert answer["started"]["workflow_id"] == answer["status"]["workflow_id"]
    assert answer["started"]["lead_list_id"]


def test_nothing_found_is_reported_and_costs_nothing(cli, serve):
    with serve(hit_rate=0.0) as sandbox:
        done = cli(*ONE, "--yes")
        assert sandbox.ledger.credits_charged == 0
    assert done.code == 0
    assert "nothing found" in done.out


def test_a_person_is_not_bought_unasked(cli, serve):
    with serve() as sandbox:
        alone = cli(*ONE, "--type", "phone_only")
        over = cli(*ONE, "--type", "phone_only", "--max-credits", "9")
        no = cli.answer("n\n", *ONE)
        assert sandbox.ledger.requests == []
        yes = cli.answer("y\n", *ONE)
        assert len(sandbox.ledger.contacts) == 1
    assert (alone.code, over.code, no.code, yes.code) == (2, 3, 1, 0)
    assert "10 credits" in alone.error
    assert "--max-credits is 9" in over.error
    assert "1 credit. Continue?" in yes.err


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("--list", "x", *ADA, "--type", "none"), 2, "partial, phone_only, full"),
        (ADA, 2, "--create-list"),
        (("--list", "x", "--create-list", "y", *ADA), 2, "--create-list"),
        (("--list", "x", "--first-name", "Ada"), 4, "needs email"),
    ],
)
def test_wrong_options_of_a_person_are_refused(cli, serve, args, code, says):
    with serve() as sandbox:
        done = cli("enrich-person", *args, "--yes")
        assert sandbox.ledger.requests == []
    assert done.code == code
    assert says in done.error


def test_a_missing_key_is_reported_before_the_price(cli):
    done = cli(*ONE)
    assert done.code == 2
    assert "CLEANLIST_API_KEY" in done.error


def test_no_wait_prints_the_ids_at_once(cli, serve):
    with serve(workflow_s=30.0):
        answer = cli.json(*ONE, "--yes", "--no-wait")
        list_id = answer["started"]["lead_list_id"]
        assert answer["status"] is None
        done = cli("enrich-person", "--list", list_id, *ADA, "--yes", "--no-wait")
    assert "enrich-" in done.out
    assert list_id in done.out


def test_a_wait_that_ends_loses_nothing(cli, serve):
    with serve(workflow_s=30.0):
        done = cli(*ONE, "--yes", "--timeout-s", "0.5", "--json")
    assert done.code == 3
    answer = json.loads(done.out)
    assert answer["stopped_by"]["type"] == "WaitTimeoutError"
    assert f"list show {answer['started']['lead_list_id']}" in done.err


def test_a_workflow_that_fails(cli, serve):
    with serve(shape=Shape(failed_workflows=1.0)):
        done = cli(*ONE, "--yes")
    assert done.code == 3
    assert "ended as failed" in done.error


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_ends_the_wait_and_not_the_purchase(cli, serve, number, code):
    with serve(workflow_s=30.0) as sandbox:
        process = cli.start(*ONE, "--yes", "--json")
        until(lambda: sandbox.ledger.requests_of("*/enrichment/status/*"))
        process.send_signal(number)
        done = cli.finish(process)
    assert done.code == code, done.err
    answer = json.loads(done.out)
    assert answer["started"]["workflow_id"]
    assert answer["stopped_by"]["message"] == "stopped by a signal"
    assert "list show" in done.err


def test_a_lost_answer_is_not_asked_for_again(cli, serve):
    with serve(faults=[Fault("*/enrichment/person", when="after", reset=True)]) as sandbox:
        done = cli(*ONE, "--yes")
        assert len(sandbox.ledger.contacts) == 1
    assert done.code == 3
    assert done.error


def test_a_company_is_bought_once_and_shown(cli, serve):
    with serve() as sandbox:
        alone = cli("enrich-company", "--domain", "engine.example")
        assert sandbox.ledger.requests == []
        done = cli("enrich-company", "--domain", "engine.example", "--yes")
        answer = cli.json("enrich-company", "--domain", "engine.example", "--max-credits", "1")
        assert sandbox.ledger.credits_charged == 2
    assert alone.code == 2
    assert "can cost 1 credit," in alone.error
    assert "engine.example" in done.out
    assert answer["credits_charged"] == 1
    assert answer["company"]["domain"] == "engine.example"
    assert KEY not in json.dumps(answer)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8", "cp437"])
def test_what_was_paid_for_is_shown_whatever_characters_the_output_has(cli, serve, encoding):
    name = "Łódź 🧵 Tkaniny"
    command = [sys.executable, "-m", "cleanlist_async", "enrich-company", "--company-name", name, "--yes"]
    with serve() as sandbox:
        env = cli.env | {"PYTHONIOENCODING": encoding}
        shown = subprocess.run(command, env=env, capture_output=True, check=False)
        answer = subprocess.run([*command, "--json"], env=env, capture_output=True, check=False)
        assert sandbox.ledger.credits_charged == 2
    assert (shown.returncode, answer.returncode) == (0, 0), shown.stderr + answer.stderr
    assert b"Tkaniny" in shown.stdout
    assert json.loads(answer.stdout)["company"]["name"] == name


def test_a_company_needs_an_identifier(cli, serve):
    with serve() as sandbox:
        done = cli("enrich-company", "--yes")
        assert sandbox.ledger.requests == []
    assert done.code == 4
    assert "needs domain" in done.error
