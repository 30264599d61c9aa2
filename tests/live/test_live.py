import json
import math
import re
import signal

import pytest

from cleanlist_async.facts import PUBLIC_PREFIX
from cleanlist_async.sandbox import Fault, Shape
from tests.cli.command_line import FAST, KEY, CommandLine, until

LIVE = ("-o", "answers.json", *FAST)
CHECKS = 6
"""Requests before the first question: the OpenAPI document, and the checks of doctor."""


def answers(cli):
    return json.loads((cli.folder / "answers.json").read_text())


def by_id(found):
    return {answer["id"]: answer for answer in found["answers"]}


def ordinary(cli):
    """The ordinary command line, at the same server."""
    command_line = CommandLine(cli.folder)
    command_line.env = cli.env
    return command_line


def list_names(cli):
    return [one["name"] for one in ordinary(cli).json("lists")["lists"]]


@pytest.fixture
def spread(cli):
    """Run, and check what must hold whatever the server does."""

    def run(sandbox, *args, code=0, most=20.0):
        done = cli(*LIVE, *args)
        assert done.code == code, done.err
        found = answers(cli)
        assert sandbox.ledger.credits_charged <= found["credits"]["at_most_spent"] <= most
        assert sandbox.ledger.count(429) == 0
        assert len(found["answers"]) == found["questions"]
        for answer in found["answers"]:
            assert answer["settled"] or answer["answer"].startswith("could not be settled: ")
        check_no_data(cli, sandbox, done)
        return done, found

    return run


def check_no_data(cli, sandbox, done):
    text = (cli.folder / "answers.json").read_text()
    facts = json.dumps([answer["facts"] for answer in answers(cli)["answers"]])
    for secret in (KEY, KEY[-6:], "Doctor", "@", "cleanlist-doctor.example", "linkedin.com", "Probe", "org_"):
        assert secret not in facts
    assert "@" not in text
    for contact in sandbox.ledger.contacts:
        assert contact.workflow_id not in text
        assert contact.task_id not in text
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}", text)
    assert KEY not in text


def test_all_questions_are_settled_within_the_credits_and_nothing_is_left(cli, serve, spread):
    with serve(hit_rate=1.0) as sandbox:
        done, found = spread(sandbox, "--yes", "--max-credits", "20")
        assert found["settled"] == found["questions"] == len(found["answers"]) > 20
        assert found["credits"] == {"max": 20.0, "at_most_spent": 16.0, "balance_fell_by": 2.0}
        assert sandbox.ledger.credits_charged == 2
        assert found["cleaned_up"] == {"lists_deleted": 1, "leads_removed": 6, "left": []}
        assert list_names(cli) == ["Extension Leads"]
        (default,) = ordinary(cli).json("lists")["lists"]
        assert ordinary(cli).json("list", "show", default["list_id"])["leads"] == []
        assert {contact.enrichment_type for contact in sandbox.ledger.contacts} == {"none", "partial"}
    assert "/openapi.json is not served (status 404)" in done.err
    assert found["openapi"]["problem"] == "/openapi.json is not served (status 404)"
    settled = by_id(found)
    assert settled["public-status"]["facts"]["statuses"][-1] == "completed"
    assert settled["task-order"]["facts"] == {"in_order": True}
    assert settled["create-again"]["facts"] == {"first": 201, "again": 200, "reused": True}
    assert settled["too-large"]["facts"]["status"] == 413
    assert settled["quote-required"]["facts"]["code"] == "quote_required"
    assert settled["key-form"]["facts"] == {"prefix": "clapi_", "characters": len(KEY)}
    assert settled["subset-quote"]["answer"] == "the price is for the whole list"
    assert "What do keys look like?" in done.out
    assert "It can cost 16 credits at most" in done.err
    assert len(found["not_asked"]) > 3


def test_answers_follow_the_server(cli, serve, spread):
    shape = Shape(shuffle_ids=True, results_key="tasks", row="nested", echo_input=True)
    headers = [("X-Request-Id", "req_123456"), ("X-RateLimit-Remaining", "7")]
    fault = Fault("/webhooks/deliveries", when="after", headers=headers)
    with serve(shape=shape, modern_validation="error", faults=[fault], seed=3) as sandbox:
        _, found = spread(sandbox, "--yes")
    settled = by_id(found)
    assert settled["task-order"]["facts"] == {"in_order": False}
    assert settled["public-status"]["answer"].startswith("4 rows under tasks")
    assert settled["validation"]["answer"] == "v2: 400 with error; v1: 400 with error"
    assert settled["request-id"]["facts"] == {"of_successes": ["x-request-id"], "of_refusals": []}
    assert settled["headers"]["facts"]["limit_headers"] == ["x-ratelimit-remaining"]
    assert "req_123456" not in json.dumps(found)


@pytest.mark.parametrize("most", [0, 3])
def test_no_more_than_max_credits_is_spent(serve, spread, most):
    with serve(hit_rate=1.0) as sandbox:
        _, found = spread(sandbox, "--max-credits", str(most), most=most)
        assert sandbox.ledger.credits_charged <= most
    unpaid = [answer for answer in found["answers"] if "--max-credits leaves" in answer["answer"]]
    assert unpaid
    assert all(answer["credits_at_most"] for answer in unpaid)
    assert by_id(found)["public-status"]["settled"]


def test_nothing_is_asked_without_a_yes(cli, serve):
    with serve() as sandbox:
        alone = cli(*LIVE)
        no = cli.answer("n\n", *LIVE, "--max-credits", "20")
        assert {request.method for request in sandbox.ledger.requests} == {"GET"}
        assert len(sandbox.ledger.requests) == 2 * CHECKS
        yes = cli.answer("y\n", *LIVE)
    assert (alone.code, no.code, yes.code) == (2, 1, 0), yes.err
    assert "--yes" in alone.error
    assert not alone.out.count("could not be settled")
    assert answers(cli)["settled"] > 20


@pytest.mark.smoke
def test_no_question_is_asked_with_a_bad_key(cli, serve):
    with serve() as sandbox:
        sandbox.revoke(KEY)
        done = cli(*LIVE, "--yes")
        assert [one.path for one in sandbox.ledger.requests] == [
            "/openapi.json",
            f"{PUBLIC_PREFIX}/auth/validate-key",
        ]
    assert done.code == 1
    assert "nothing was asked" in done.error
    assert not (cli.folder / "answers.json").exists()


def test_an_existing_file_of_answers_is_kept(cli, serve):
    (cli.folder / "answers.json").write_text("mine")
    with serve() as sandbox:
        assert cli(*LIVE, "--yes").code == 1
        assert sandbox.ledger.requests == []
    assert (cli.folder / "answers.json").read_text() == "mine"


def test_json_prints_one_object(cli, serve):
    with serve():
        answer = cli.json("--yes", *FAST)
    assert answer["ok"] is True
    assert answer["live"]["settled"] > 20


def test_missing_scopes_are_reported_before_and_after(serve, spread):
    with serve(scopes={KEY: ["credits:read"]}) as sandbox:
        done, found = spread(sandbox, "--yes")
    assert "Without lists:read and lists:write" in done.err
    assert "not cleaned up" in done.err
    assert found["cleaned_up"]["left"]
    settled = by_id(found)
    assert settled["create-again"]["answer"].endswith("InsufficientScopeError (403 insufficient_scope)")
    assert settled["linkedin-price"]["settled"] is False
    assert settled["validation"]["settled"] is True


@pytest.mark.parametrize(
    "answer",
    [
        {"body": [1, 2, 3]},
        {"body": {"status": "Ada <ada@x.example>", "workflow_id": 7, "list_id": None, "leads": {"a@b.c": 1}}},
        {"body": {"workflow_id": "w", "task_ids": "no list", "list_id": "l", "task_id": "t", "leads": 3}},
        {"body": "not json at all: ada@x.example"},
        {"body": "null"},
        {"status": 500},
        {"status": 400, "body": {"error": {"code": "ada@x.example", "details": {"Ada Love!": "x"}}}},
        {"status": 418, "body": "<html>ada@x.example</html>"},
        {"reset": True},
    ],
)
def test_odd_answers_end_in_could_not_be_settled(serve, spread, answer):
    fault = Fault(nth=CHECKS + 2, times=math.inf, **answer)
    with serve(faults=[fault]) as sandbox:
        done, found = spread(sandbox, "--yes")
    assert found["settled"] < found["questions"]
    assert "ada@" not in done.out + done.err


@pytest.mark.parametrize("status", [401, 429])
def test_nothing_more_is_asked_after_a_401_or_429(cli, serve, status):
    # The first status is asked for by the checks that come before all questions.
    with serve(faults=[Fault("*/enrich/status", nth=2, times=math.inf, status=status)]) as sandbox:
        done = cli(*LIVE, "--yes")
        assert done.code == 0
        asked = [one.path for one in sandbox.ledger.requests if one.path.endswith("/enrich/status")]
        assert len(asked) == 2
        assert sandbox.ledger.requests_of("*/credits/estimate") == []
    found = by_id(answers(cli))
    assert not found["public-status"]["settled"]
    assert found["person"]["answer"] == found["public-status"]["answer"]
    assert found["headers"]["settled"]


def test_ctrl_c_cleans_up_and_writes_what_is_known(cli, serve):
    with serve(workflow_s=60.0) as sandbox:
        process = cli.start(*LIVE, "--yes", "--window-s", "2")
        until(lambda: sandbox.ledger.requests_of("*/csv-import"))
        process.send_signal(signal.SIGINT)
        done = cli.finish(process)
        assert done.code == 130, done.err
        assert not [name for name in list_names(cli) if "doctor" in name]
    found = answers(cli)
    assert found["stopped"] is True
    assert found["cleaned_up"]["lists_deleted"] == 1
    assert len(found["answers"]) == found["questions"]
    assert by_id(found)["key-form"]["settled"]
    assert found["answers"][-1]["answer"] == "could not be settled: stopped before it was settled"
