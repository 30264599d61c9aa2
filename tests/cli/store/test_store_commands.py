"""The commands store show, purge and resolve, and audit."""

import json
import re

import pytest

from cleanlist_async.sandbox import Fault
from tests.cli.command_line import FAST, CommandLine, check_results

pytestmark = pytest.mark.sockets

ENRICH = ("enrich", "in.csv", "-o", "out.csv", "-y", *FAST)


@pytest.fixture
def keyless(cli):
    """Run a command without a key, which those that only look or decide do not need."""
    return CommandLine(cli.folder)


def test_show_counts_results_and_lists_what_is_undecided(cli, serve, people, keyless):
    cli.write(people(300))
    with serve() as sandbox:
        sandbox.add_fault(Fault("/enrich/bulk", nth=2, when="after", reset=True))
        assert cli(*ENRICH).code == 3
    shown = keyless.json("store", "show")
    assert (shown["results"], shown["under_way"]) == (250, 50)
    assert shown["store"] == str(cli.data / "cleanlist-async" / "store.db")
    assert shown["size_bytes"] > 100_000
    (submit,) = shown["orphans"]
    assert (submit["state"], submit["contacts"], submit["enrichment_type"]) == ("unknown", 50, "partial")
    text = keyless("store", "show")
    assert f"store resolve {submit['submission']} --absent" in text.err
    assert "50 contacts" in text.out


@pytest.mark.slow
@pytest.mark.parametrize("decision", [pytest.param("accepted", marks=pytest.mark.smoke), "absent"])
def test_a_decision_lets_the_same_command_go_on(cli, serve, people, keyless, decision):
    given = cli.write(people(300))
    with serve() as sandbox:
        when = "after" if decision == "accepted" else "before"
        sandbox.add_fault(Fault("/enrich/bulk", nth=2, when=when, reset=True))
        assert cli(*ENRICH).code == 3
        held = cli(*ENRICH)
        assert held.code == 3
        assert "50 contacts may have been bought by a submit of unknown outcome" in held.err
        (submit,) = keyless.json("store", "show")["orphans"]
        how = ("--absent",)
        if decision == "accepted":
            (workflow,) = {contact.workflow_id for contact in sandbox.ledger.contacts[250:]}
            how = ("--workflow", workflow)
        assert keyless("store", "resolve", submit["submission"], *how).code == 0
        assert cli(*ENRICH).code == 0
        check_results(cli, sandbox, given)
        assert not sandbox.ledger.duplicates()
        assert len(sandbox.ledger.contacts) == 300
    decided = [line for line in keyless.json("audit")["lines"] if line["event"] == "decided"]
    assert [line["submission"] for line in decided] == [submit["submission"]]
    assert decided[0]["actor"]


def test_a_decision_must_be_one_and_about_a_known_submit(cli, serve, people, keyless):
    cli.write(people(1))
    with serve():
        assert cli(*ENRICH).code == 0
    assert "either --workflow ID or --absent" in keyless("store", "resolve", "x").error
    assert (
        "either --workflow ID or --absent"
        in keyless("store", "resolve", "x", "--absent", "--workflow", "w").error
    )
    unheard_of = keyless("store", "resolve", "x", "--absent").error
    assert "no such submit" in unheard_of
    assert "See: cleanlist-async store show" in unheard_of


def test_purge_removes_results_after_asking(cli, serve, people, keyless):
    cli.write(people(5))
    with serve() as sandbox:
        assert cli(*ENRICH).code == 0
        refused = keyless("store", "purge")
        assert refused.code == 2
        assert "--yes" in refused.error
        assert keyless.json("store", "purge", "--older-than", "1", "--yes") == {"removed": 0}
        file = cli.data / "cleanlist-async" / "store.db"
        assert b"@engine.example" in file.read_bytes()
        assert keyless.json("store", "purge", "--yes") == {"removed": 5}
        assert b"@engine.example" not in file.read_bytes()
        assert keyless.json("store", "show")["results"] == 0
        assert cli("enrich", "in.csv", "-o", "again.csv", "-y", *FAST).code == 0
        assert len(sandbox.ledger.contacts) == 10


@pytest.mark.smoke
def test_the_sums_of_the_audit_are_those_of_the_ledger(cli, serve, people, keyless):
    cli.write(people(260))
    with serve() as sandbox:
        assert cli(*ENRICH).code == 0
        charged = sandbox.ledger.credits_charged
    *lines, sums = keyless("audit").out.splitlines()
    assert len(lines) == 8  # two submits: reserved, submit, accepted, settled
    assert "engine.example" not in "".join(lines)
    assert sums == f"2 submits of 260 contacts; 260 contacts settled for {charged:g} credits"
    answer = json.loads(keyless("audit", "--json").out)
    assert answer["sums"]["credits"] == charged
    assert [line["event"] for line in answer["lines"]].count("submit") == 2
    assert keyless.json("audit", "--since", "2100-01-01")["lines"] == []


def test_audit_takes_a_date(cli, serve, people, keyless):
    cli.write(people(1))
    with serve():
        assert cli(*ENRICH).code == 0
    done = keyless("audit", "--since", "last week")
    assert done.code == 2
    assert '"last week"' in done.error


@pytest.mark.smoke
def test_a_store_that_is_not_there_is_not_made(cli):
    for command in (
        ("store", "show"),
        ("audit",),
        ("store", "purge", "--yes"),
        ("store", "resolve", "x", "--absent"),
    ):
        done = cli(*command)
        assert done.code == 1
        assert "there is no store at" in done.error
        assert "nothing was bought" not in done.error  # it may have been, with another store
    assert not cli.data.exists()


def test_another_store_is_named_by_option_or_environment(cli, serve, people, keyless):
    cli.write(people(2))
    with serve():
        assert cli(*ENRICH, "--store", "mine.db").code == 0
    assert not cli.data.exists()
    assert keyless.json("store", "show", "--store", "mine.db")["results"] == 2
    keyless.env["CLEANLIST_STORE"] = "sqlite:///mine.db"
    assert keyless.json("store", "show")["results"] == 2


def test_a_person_or_a_file_of_them_is_forgotten(cli, serve, people, keyless):
    cli.write(people(5))
    with serve(hit_rate=1.0) as sandbox:
        assert cli("job", "run", "crm", "in.csv", "-y", *FAST).code == 0
        charged = sandbox.ledger.credits_charged
    first, last, _, domain, *_ = people(5)[1]
    named = ("--first-name", first, "--last-name", last, "--domain", domain)
    assert keyless("store", "forget", *named).code == 2  # no terminal to confirm at
    done = keyless("store", "forget", *named, "-y")
    assert done.code == 0, done.err
    assert "Deleted: 1 result, 1 row of jobs." in done.err
    assert "Cleanlist itself" in done.err
    cli.write([people(5)[3], people(5)[4]], "gone.csv")
    assert keyless.json("store", "forget", "gone.csv", "-y") == {"results": 2, "rows": 2}
    shown = keyless.json("job", "status", "crm")
    assert (shown["state"], shown["credits_spent"]) == ("complete", charged)
    assert keyless("job", "export", "crm", "-o", "out.csv").code == 0
    assert [row["first_name"] for row in cli.results()] == [people(5)[0][0], "", people(5)[2][0], "", ""]
    assert [line["event"] for line in keyless.json("audit")["lines"]].count("forgotten") == 2


def test_a_name_alone_is_no_person(cli, keyless):
    cli.write([["Ada", "Love", "", "", "", ""]])
    refused = keyless("store", "forget", "--first-name", "Ada", "--last-name", "Love", "-y")
    assert refused.code == 2
    assert "not by first_name, last_name alone" in refused.error
    assert "row 2: " in keyless("store", "forget", "in.csv", "-y").error
    assert keyless("store", "forget", "-y").code == 2


def test_a_job_loses_its_contacts_and_what_it_bought_serves_others(cli, serve, people, keyless):
    cli.write(people(5))
    with serve(hit_rate=1.0) as sandbox:
        assert cli("job", "run", "crm", "in.csv", "-y", *FAST).code == 0
        purged = keyless("job", "purge", "crm", "--keep-results", "-y")
        assert purged.code == 0, purged.err
        assert keyless.json("store", "show")["results"] == 5
        assert cli("job", "run", "again", "in.csv", "-y", *FAST).code == 0
        assert len(sandbox.ledger.contacts) == 5
        assert cli("job", "run", "run.journal", "in.csv", "-y", *FAST).code == 0
    journal = keyless("job", "purge", "run.journal", "--keep-results", "-y")
    assert journal.code == 2
    assert "--keep-results is for jobs in a store" in journal.error


def test_the_audit_says_its_time_zone_and_ends_where_it_is_told(cli, serve, people, keyless):
    cli.write(people(3))
    with serve():
        assert cli(*ENRICH).code == 0
    assert re.match(r"Times are those of this machine: \S+, UTC[+-]\d{4}\.$", keyless("audit").err)
    assert keyless.json("audit", "--until", "2020-01-01T10:00")["lines"] == []
    assert keyless.json("audit", "--since", "2020-01-01T10:00")["lines"]
    assert "--until takes a date" in keyless("audit", "--until", "soon").error


def test_a_database_that_is_away_is_an_outage(cli, serve, people, monkeypatch):
    monkeypatch.setattr("cleanlist_async.facts.STORE_ANSWER_S", 0.5)
    cli.write(people(3))
    cli.env["CLEANLIST_STORE"] = "postgresql://nobody@127.0.0.1:1/x"
    with serve():
        for command in (("job", "run", "crm", "in.csv", "-y"), ("job", "ls"), ("audit",), ENRICH):
            done = cli(*command)
            assert done.code == 5, done.err
            assert "cannot be reached" in done.error
