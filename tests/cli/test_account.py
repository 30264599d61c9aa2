import json

import pytest

from cleanlist_async.sandbox import Fault
from tests.cli.command_line import KEY


@pytest.mark.smoke
def test_whoami_shows_the_user_and_the_scopes(cli, serve):
    with serve(scopes={KEY: ["lists:read", "enrich:read"]}):
        me = cli.json("whoami")
        table = cli("whoami").out
    assert me["organization_id"] == "org_sandbox"
    assert me["scopes"] == ["lists:read", "enrich:read"]
    assert "task_id" not in me
    for words in ("organization     Sandbox", "plan             pro", "lists:read, enrich:read"):
        assert words in table


@pytest.mark.parametrize("body", [{"credits": None}, {"credits": "plenty"}])
def test_credits_reports_an_answer_without_a_balance(cli, serve, body):
    with serve(faults=[Fault("/credits/balance", body=body)]):
        done = cli("credits")
    assert done.code == 4
    assert "contains no balance" in done.error
    assert done.out == ""


def test_an_answer_without_a_balance_does_not_stop_an_enrichment(cli, serve, people):
    cli.write(people(2))
    with serve(faults=[Fault("/credits/balance", body={"credits": None})]):
        assert cli("enrich", "in.csv", "-o", "out.csv", "-y", "--window-s", "0.5").code == 0


def test_usage_prints_calls_and_errors(cli, serve):
    with serve():
        cli("whoami")
        report = cli.json("usage", "--days", "30", "--by", "day")
        table = cli("usage").out.splitlines()
    assert (report["days"], report["group_by"], report["total_calls"]) == (30, "day", 2)
    assert table[0].split() == ["tool", "calls", "errors", "credits"]
    assert ["/api/v2/whoami", "1", "0", "0"] in [line.split() for line in table]
    assert table[-1].split()[:2] == ["all", "3"]


@pytest.mark.parametrize(("args", "says"), [(("--by", "moon"), "group_by"), (("--days", "366"), "days")])
def test_wrong_options_of_usage_are_refused(cli, serve, args, says):
    with serve() as sandbox:
        done = cli("usage", *args)
        assert sandbox.ledger.requests == []
    assert done.code == 4
    assert says in done.error


def test_a_scope_that_is_missing_is_named(cli, serve):
    with serve(scopes={KEY: []}):
        done = cli("usage")
    assert done.code == 4
    assert "admin:api_keys" in done.error
    assert done.out == ""


def test_credits_are_printed_on_standard_output(cli, serve):
    with serve(credits=1234.5):
        assert cli("credits").out == "1,234.5\n"
        assert json.loads(cli("credits", "--json").out) == {"credits": 1234.5}
