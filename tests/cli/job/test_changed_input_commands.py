"""A job whose input has changed, or is gone: it goes on with its copy, and no result comes to another row."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from tests.cli.command_line import FAST, HEADERS, until
from tests.cli.job.runs import RESUME, START, check

pytestmark = pytest.mark.sockets

CONTACTS = 400


@pytest.fixture
def bought(cli, serve, people):
    """A job of two chunks that is done, with a duplicate of its first contact and a row that is invalid."""
    rows = [*people(CONTACTS), people(1)[0], ["Only", "", "", "", "", ""]]
    cli.write(rows)
    with serve(hit_rate=1.0) as sandbox:
        assert cli(*START, "-y", *FAST).code == 0
        check(sandbox, CONTACTS)
    return rows


def exported(cli, look, *source, code=0):
    done = look("export", "run.journal", *source, "-o", "out.csv", "--overwrite")
    assert done.code == code, done.err
    return done, cli.results()


@pytest.mark.smoke
def test_without_its_input_everything_comes_out_by_row(cli, look, bought):
    (cli.folder / "in.csv").unlink()
    _, rows = exported(cli, look)
    assert [row["row"] for row in rows] == [str(number + 1) for number in range(len(bought))]
    statuses = [row["cleanlist_status"] for row in rows]
    assert statuses == ["found"] * (CONTACTS + 1) + ["invalid"]
    emails = [row["cleanlist_email"] for row in rows]
    assert all(email.startswith(f"ada{n}.") for n, email in enumerate(emails[:CONTACTS]))
    assert emails[CONTACTS] == emails[0]


@pytest.mark.smoke
def test_a_contact_that_changed_is_left_without_a_result_and_no_others(cli, look, bought):
    bought[300][0] = "Eve"
    cli.write(bought)
    done, rows = exported(cli, look, "in.csv")
    assert [n for n, row in enumerate(rows) if not row["cleanlist_status"]] == [300]
    assert rows[-1]["cleanlist_status"] == "invalid"
    assert "row 302 changed; what is not as the job began with is left without a result" in done.err
    assert all(row["cleanlist_email"].startswith(f"ada{n}.") for n, row in enumerate(rows[:300]))


def test_a_row_more_or_less_keeps_no_other_row_from_its_result(cli, look, bought):
    bought.insert(3, ["New", "Row", "Acme", "", "", ""])
    del bought[300]
    cli.write(bought)
    done, rows = exported(cli, look, "in.csv")
    assert [n for n, row in enumerate(rows) if not row["cleanlist_status"]] == [3]
    assert rows[CONTACTS]["cleanlist_duplicate_of"] == "2"
    assert "row 5 is new; contact 300 is gone" in done.err


JOURNAL, STORE = (START, RESUME), (("job", "run", "crm", "in.csv"),) * 2


@pytest.mark.parametrize(("start", "resume"), [JOURNAL, STORE], ids=["journal", "store"])
def test_what_the_refusal_says_finishes_the_job_and_buys_the_rest_once(cli, serve, people, start, resume):
    rows = people(302)
    cli.write(rows[:300])
    with serve(credits=250.0, hit_rate=1.0) as sandbox:
        assert cli(*start, "-y", *FAST).code == 4
        sandbox.set_credits(1_000.0)
        changed = [*rows[:4], rows[300], *rows[5:100], *rows[101:300], rows[301]]
        cli.write(changed)
        refused = cli(*resume, "-y", *FAST)
        assert refused.code == 1
        assert "row 6 changed; row 301 is new; contact 101 is gone" in refused.error
        assert len(sandbox.ledger.contacts) == 250
        commands = [
            shlex.split(one) for one in re.findall(r"cleanlist-async ([^;]+?)(?=;|\.$)", refused.error)
        ]
        finish, export, enrich = commands
        assert cli(*finish, "-y", *FAST).code == 0
        check(sandbox, 300)
        assert cli(*export).code == 0
        assert cli(*enrich, "-y", *FAST).code == 0
        check(sandbox, 302)
    found = cli.results(enrich[enrich.index("-o") + 1])
    assert [row["First Name"] for row in found] == [row[0] for row in changed]
    for row in found:
        assert row["cleanlist_email"].startswith(row["First Name"].lower() + ".")


@pytest.mark.parametrize(("start", "resume"), [JOURNAL, STORE], ids=["journal", "store"])
def test_a_job_goes_on_and_writes_its_results_without_its_input(cli, serve, people, start, resume):
    cli.write(people(300))
    with serve(credits=250.0, hit_rate=1.0) as sandbox:
        assert cli(*start, "-y", *FAST).code == 4
        (cli.folder / "in.csv").unlink()
        sandbox.set_credits(1_000.0)
        done = cli(*resume[:-1], "-y", "-o", "out.csv", *FAST)
        assert done.code == 0, done.err
        check(sandbox, 300)
    rows = cli.results()
    assert [row["first_name"] for row in rows] == [f"Ada{n}" for n in range(300)]
    assert all(row["cleanlist_email"].startswith(f"ada{n}.") for n, row in enumerate(rows))


@pytest.mark.parametrize(("start", "resume"), [JOURNAL, STORE], ids=["journal", "store"])
def test_another_order_is_refused_too(cli, serve, people, start, resume):
    cli.write(people(300))
    with serve(credits=250.0, hit_rate=1.0) as sandbox:
        assert cli(*start, "-y", *FAST).code == 4
        cli.write(people(300)[::-1])
        assert "its contacts are in another order" in cli(*resume, "-y", *FAST).error
        check(sandbox, 250)


@pytest.mark.parametrize(("start", "resume"), [JOURNAL, STORE], ids=["journal", "store"])
@pytest.mark.parametrize("given", ["fewer", "others", "no table", "gone"])
def test_a_finished_job_does_not_look_at_its_input(cli, serve, people, start, resume, given):
    cli.write(people(5))
    with serve(hit_rate=1.0) as sandbox:
        assert cli(*start, "-y", *FAST).code == 0
        match given:
            case "fewer":
                cli.write(people(2))
            case "others":
                cli.write(people(9)[5:])
            case "no table":
                (cli.folder / "in.csv").write_text("")
            case _:
                (cli.folder / "in.csv").unlink()
        done = cli(*resume, "-y", "--json", *FAST)
        assert done.code == 0, done.err
        assert "is finished. Nothing is sent, and in.csv was not looked at." in done.err
        assert json.loads(done.out)["state"] == "complete"
        check(sandbox, 5)
        other_type = cli(*resume, "-y", *FAST, "--type", "full") if start == STORE[0] else None
        assert other_type is None or other_type.code == 1


def test_a_finished_job_writes_its_results_beside_the_rows_that_are_left(cli, serve, people):
    start, resume = STORE
    cli.write(people(5))
    with serve(hit_rate=1.0):
        assert cli(*start, "-y", *FAST).code == 0
        cli.write([people(5)[3], *people(9)[8:]])
        done = cli(*resume, "-o", "out.csv", *FAST)
        assert done.code == 0, done.err
    assert "row 3 changed" in done.err or "row 3 is new" in done.err
    assert [bool(row["cleanlist_email"]) for row in cli.results()] == [True, False]


def test_who_waited_for_a_job_that_finished_is_told_so(cli, serve, people, monkeypatch):
    monkeypatch.setattr("cleanlist_async.cli.job.order._LOOK_EVERY_S", 0.05)
    run, _ = STORE
    cli.write(people(5))
    with serve(workflow_s=2.0) as sandbox:
        running = cli.start(*run, "-y", *FAST)
        until(lambda: sandbox.ledger.contacts)
        cli.write(people(2), "fewer.csv")
        done = cli("job", "run", "crm", "fewer.csv", "-y", "--wait", *FAST)
        assert cli.finish(running).code == 0
        check(sandbox, 5)
    assert done.code == 0, done.err
    assert "The job crm is finished." in done.err


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.reverse(),
        lambda rows: rows.insert(0, ["New", "Row", "Acme", "", "", ""]),
        lambda rows: rows.pop(0),
    ],
    ids=["reversed", "a row more", "a row less"],
)
def test_no_result_comes_to_another_contact(cli, look, bought, change):
    change(bought)
    cli.write(bought)
    _, rows = exported(cli, look, "in.csv")
    for row in rows:
        assert row["cleanlist_email"] == "" or row["cleanlist_email"].startswith(
            row["First Name"].lower() + "."
        )


def test_another_column_changes_nothing(cli, serve, look, people):
    rows = people(300)
    cli.write(rows)
    with serve(credits=250.0, hit_rate=1.0) as sandbox:
        assert cli(*START, "-y", *FAST).code == 4
        for number, row in enumerate(rows):
            row[HEADERS.index("Notes")] = f"called {number} times"
        cli.write(rows)
        _, before = exported(cli, look, "in.csv", code=3)
        sandbox.set_credits(1_000.0)
        assert cli(*RESUME, "-y", *FAST).code == 0
        check(sandbox, 300)
        _, after = exported(cli, look, "in.csv")
    assert sum(row["cleanlist_status"] == "found" for row in before) == 250
    assert {row["cleanlist_status"] for row in after} == {"found"}
    assert [row["Notes"] for row in after] == [row[HEADERS.index("Notes")] for row in rows]
