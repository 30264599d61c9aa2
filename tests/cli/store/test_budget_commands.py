"""The commands on what may be spent, against the sandbox."""

import pytest

from tests.cli.command_line import FAST
from tests.support.cases import each_case

pytestmark = pytest.mark.sockets


@pytest.fixture
def budget(cli, serve):
    """Run a budget command on a store of its own."""
    with serve():
        cli.env["CLEANLIST_STORE"] = "store.db"
        yield lambda *args: cli("budget", *args)


def test_limits_are_set_one_by_one_and_removed_together(budget, cli):
    assert "100 credits a day (Asia/Tokyo)" in budget("set", "--per-day", "100", "--tz", "Asia/Tokyo").err
    budget("set", "--per-month", "2500.5")
    shown = cli.json("budget", "show")

    assert (shown["day"]["limit"], shown["month"]["limit"], shown["tz"]) == (100, 2500.5, "Asia/Tokyo")
    assert shown["day"]["ends"].endswith("T00:00:00+09:00")
    assert "no limit" in budget("set", "--no-limit").err
    assert cli.json("budget", "show")["month"]["limit"] is None


def test_show_prints_what_is_left(budget):
    budget("set", "--per-day", "100")
    out = budget("show").out

    assert out.split("\n")[0].split() == ["period", "limit", "spent", "or", "reserved", "left", "ends"]
    assert out.split("\n")[1].split()[:4] == ["day", "100", "0", "100"]


def test_a_pause_stops_a_command_that_would_spend(budget, cli):
    budget("pause", "a bug in the importer")
    refused = cli("enrich-company", "--domain", "a.example", "--yes")
    shown = cli.json("budget", "show")
    table = budget("show").out
    budget("resume")

    assert refused.code == 3
    assert "a bug in the importer" in refused.error
    assert shown["paused"]["reason"] == "a bug in the importer"
    assert "a bug in the importer" in table
    assert cli.json("budget", "show")["paused"] is None
    assert cli("enrich-company", "--domain", "a.example", "--yes").code == 0


@each_case(
    "args, said",
    [
        (["set"], "--no-limit"),
        (["set", "--no-limit", "--per-day", "1"], "--no-limit"),
        (["set", "--per-day", "1", "--tz", "Mars/Olympus"], "tz"),
    ],
)
def test_what_cannot_be_set_is_refused(budget, args, said):
    refused = budget(*args)

    assert refused.code == 2
    assert said in refused.error


def test_the_users_own_store_holds_the_budget_where_no_other_is_named(budget, cli):
    del cli.env["CLEANLIST_STORE"]
    budget("set", "--per-day", "5")

    assert cli.json("budget", "show")["day"]["limit"] == 5
    assert (cli.data / "cleanlist-async" / "store.db").exists()


def test_the_store_can_be_named_on_the_command_line(budget, cli):
    budget("set", "--per-day", "7", "--store", "other.db")

    assert cli.json("budget", "show", "--store", "other.db")["day"]["limit"] == 7
    assert cli.json("budget", "show")["day"]["limit"] is None


@pytest.mark.parametrize("command", [("job", "run", "crm", "in.csv"), ("enrich", "in.csv", "-o", "out.csv")])
@pytest.mark.parametrize("stop", ["the day", "a pause"])
def test_what_is_advised_at_a_budget_of_the_store_is_what_helps(cli, serve, people, command, stop):
    cli.write(people(30))
    with serve():
        if stop == "the day":
            assert cli("budget", "set", "--per-day", "10", *FAST).code == 0
        else:
            assert cli("budget", "pause", "on hold", *FAST).code == 0
        done = cli(*command, "-y", "--max-credits", "100", *FAST)
    assert done.code == 3, done.err
    advice = done.err.partition("error:")[2].partition("\n")[2]
    helps = "Wait for the next day, or raise the budget with cleanlist-async budget set, then"
    if stop == "a pause":
        helps = "Let spending go on with cleanlist-async budget resume, then"
    assert helps in " ".join(advice.split())
    assert "higher --max-credits" not in advice
    assert "--max-credits N" not in advice


@pytest.mark.parametrize("command", [("job", "run", "crm", "in.csv"), ("enrich", "in.csv", "-o", "out.csv")])
@pytest.mark.parametrize("bound", ["the run", "the day"])
def test_a_limit_below_the_price_of_one_contact_is_not_advised(cli, serve, people, command, bound):
    cli.write(people(3))
    limit = ("--max-credits", "3" if bound == "the run" else "100")
    with serve() as sandbox:
        if bound == "the day":
            assert cli("budget", "set", "--per-day", "9.5", *FAST).code == 0
        done = cli(*command, "--type", "phone_only", "-y", *limit, *FAST)
        assert not sandbox.ledger.contacts
    assert done.code == 3, done.err
    advice = " ".join(done.err.partition("error:")[2].partition("\n")[2].split())
    if bound == "the day":
        assert "Raise the budget to at least 10 credits a day with cleanlist-async budget set, then" in advice
        assert "Wait for the next day" not in advice
    else:
        assert "at least 10" in advice
        assert advice.endswith("--max-credits N")
        assert "--max-credits 3" not in advice
        assert "The limit holds for one run" not in advice


def test_limits_that_are_set_again_leave_no_line_in_the_audit(budget, cli):
    for _ in range(3):
        assert "500 credits a day" in budget("set", "--per-day", "500", "--tz", "Europe/Berlin").err
    budget("set", "--per-day", "600")
    budget("set", "--no-limit")
    budget("set", "--no-limit")
    assert [line["event"] for line in cli.json("audit")["lines"]] == ["budget"] * 3
