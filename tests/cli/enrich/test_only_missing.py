"""`--only-missing` on a file that enrich wrote: what a row lacks is asked for, and what it has stays."""

import signal

import pytest

from tests.cli.command_line import FAST, HEADERS, until

pytestmark = pytest.mark.sockets

MORE = ("--only-missing", "cleanlist_phones", *FAST)
PHONES = ("enrich", "first.csv", "-o", "out.csv", "--type", "phone_only", *MORE)


def first_run(cli, people, count, *options, kind="partial"):
    """Write an output of our own, as the input of what follows."""
    given = cli.write(people(count))
    assert cli("enrich", "in.csv", "-o", "first.csv", "--type", kind, "-y", *options, *FAST).code == 0
    return given


def column(cli, name, file="out.csv"):
    return [row[name] for row in cli.results(file)]


@pytest.mark.smoke
def test_phones_are_bought_for_rows_that_have_only_an_address_and_the_address_stays(cli, serve, people):
    with serve(hit_rate=1.0) as sandbox:
        first_run(cli, people, 4)
        planned = cli(*PHONES, "--dry-run")
        assert "note: 4 rows of an earlier run are asked for again, without cleanlist_phones." in planned.err
        assert "have an outcome" not in planned.err
        done = cli(*PHONES, "-y")
        assert done.code == 0, done.err
        assert sandbox.ledger.credits_charged == 4 + 40
        again = cli(*PHONES)  # all of it is known
        assert again.code == 0, again.err
        assert sandbox.ledger.credits_charged == 4 + 40
    assert column(cli, "cleanlist_email") == column(cli, "cleanlist_email", "first.csv")
    assert column(cli, "cleanlist_email_status") == column(cli, "cleanlist_email_status", "first.csv")
    assert all(column(cli, "cleanlist_phones"))
    assert column(cli, "cleanlist_status") == ["found"] * 4
    assert column(cli, "cleanlist_credits") == ["10"] * 4


def test_what_the_store_knows_is_not_bought_again(cli, serve, people):
    with serve(hit_rate=0.5) as sandbox:
        first_run(cli, people, 12, kind="full")
        charged = sandbox.ledger.credits_charged
        done = cli(*PHONES)
        assert done.code == 0, done.err
        assert sandbox.ledger.credits_charged == charged
        assert len(sandbox.ledger.contacts) == 12
    for name in ("email", "phones", "credits", "workflow_id", "status"):
        assert column(cli, f"cleanlist_{name}") == column(cli, f"cleanlist_{name}", "first.csv")
    lacking = column(cli, "cleanlist_phones").count("")
    assert 0 < lacking < 12
    assert f"{lacking} of {lacking} contacts are known from earlier runs, 0 to buy." in done.err


def test_what_was_not_bought_anew_stays_as_it_was_and_the_same_command_goes_on(cli, serve, people):
    with serve(hit_rate=1.0) as sandbox:
        first_run(cli, people, 5)
        cut = cli(*PHONES, "--max-credits", "20")
        assert cut.code == 3
        assert column(cli, "cleanlist_status") == ["found"] * 5
        assert column(cli, "cleanlist_email") == column(cli, "cleanlist_email", "first.csv")
        assert len([phones for phones in column(cli, "cleanlist_phones") if phones]) == 2
        again = cli(*PHONES, "-y")
        assert again.code == 0, again.err
        assert sandbox.ledger.credits_charged == 5 + 50
    assert all(column(cli, "cleanlist_phones"))


def test_an_output_that_has_more_than_the_store_knows_is_not_replaced(cli, serve, people):
    with serve(hit_rate=1.0) as sandbox:
        first_run(cli, people, 3)
        assert cli(*PHONES, "-y").code == 0
        cli.env["CLEANLIST_STORE"] = "other.db"
        assert "results that the store does not have" in cli(*PHONES, "-y").error
        assert sandbox.ledger.credits_charged == 3 + 30


def test_what_is_pending_is_fetched_beside_what_the_row_has(cli, serve, people):
    with serve(hit_rate=1.0, workflow_s=2.0) as sandbox:
        first_run(cli, people, 3)
        process = cli.start(*PHONES, "-y")
        until(lambda: cli("audit").out.count("accepted") == 2)
        process.send_signal(signal.SIGINT)
        assert cli.finish(process).code == 130
        assert column(cli, "cleanlist_status") == ["pending"] * 3
        assert column(cli, "cleanlist_email") == column(cli, "cleanlist_email", "first.csv")
        assert cli("collect", "out.csv", "--type", "phone_only", *FAST).code == 0
        assert len(sandbox.ledger.contacts) == 6
    assert column(cli, "cleanlist_email") == column(cli, "cleanlist_email", "first.csv")
    assert all(column(cli, "cleanlist_phones"))


def test_fresh_keeps_what_the_row_has_too(cli, serve, people):
    with serve(hit_rate=1.0) as sandbox:
        first_run(cli, people, 3)
        assert cli(*PHONES, "--fresh", "-y").code == 0
        assert sandbox.ledger.credits_charged == 3 + 30
    assert column(cli, "cleanlist_email") == column(cli, "cleanlist_email", "first.csv")
    assert all(column(cli, "cleanlist_phones"))


def test_a_column_of_the_user_asks_for_no_row_that_has_an_outcome(cli, serve, people):
    with serve() as sandbox:
        first_run(cli, people, 4)
        options = ("--type", "phone_only", "--only-missing", "Notes", "-y", *FAST)
        done = cli("enrich", "first.csv", "-o", "out.csv", *options)
        assert done.code == 0, done.err
        assert "4 rows of an earlier run have an outcome and keep it" in done.err
        assert len(sandbox.ledger.contacts) == 4
    assert cli.results("out.csv") == cli.results("first.csv")


def test_a_type_that_cannot_fill_the_column_buys_nothing(cli, serve, people):
    with serve(hit_rate=1.0) as sandbox:
        first_run(cli, people, 3)
        cli.env["CLEANLIST_STORE"] = "other.db"  # which knows nothing, so that all of it would be bought
        refused = cli("enrich", "first.csv", "-o", "out.csv", "-y", *MORE)
        assert refused.code == 2
        assert "--type partial does not fill cleanlist_phones; pass --type phone_only." in refused.error
        assert len(sandbox.ledger.contacts) == 3


def test_a_column_that_is_blank_where_nothing_is_lacking_asks_for_nobody_again(cli, serve, people):
    with serve(hit_rate=1.0) as sandbox:
        first_run(cli, people, 3)
        cli.env["CLEANLIST_STORE"] = "other.db"
        options = ("--only-missing", "cleanlist_error", "-y", *FAST)
        done = cli("enrich", "first.csv", "-o", "out.csv", *options)
        assert "3 rows of an earlier run have an outcome and keep it" in done.err
        assert len(sandbox.ledger.contacts) == 3
    assert cli.results("out.csv") == cli.results("first.csv")


def test_where_no_row_lacks_the_column_there_is_nothing_to_send(cli, serve, people):
    with serve(hit_rate=1.0) as sandbox:
        first_run(cli, people, 3)
        full = ("--only-missing", "cleanlist_email", "-y", *FAST)
        done = cli("enrich", "first.csv", "-o", "out.csv", *full)
        assert done.code == 0, done.err
        assert "3 rows of an earlier run have an outcome and keep it" in done.err
        assert cli.results("out.csv") == cli.results("first.csv")
        rows = people(2)
        for row in rows:
            row[-1] = "a note"
        cli.write(rows)
        noted = cli("enrich", "in.csv", "-o", "noted.csv", "--only-missing", "notes", "-y", *FAST)
        assert noted.code == 0, noted.err
        assert "note: no row is without notes: there is nothing to send." in noted.err
        assert len(sandbox.ledger.contacts) == 3


def test_a_column_is_named_as_a_mapping_names_it(cli, people):
    cli.write(people(2))
    dry = ("enrich", "in.csv", "-o", "out.csv", "--dry-run", "--only-missing")
    assert cli(*dry, "NOTES").code == 0
    assert 'there is no column "Note"; did you mean "Notes"?' in cli(*dry, "Note").error


def test_a_mark_in_a_column_of_the_user_keeps_a_row_out_whatever_else_it_lacks(cli, serve, people):
    given = [[*row, mark] for row, mark in zip(people(4), ("x", "", "x", ""), strict=True)]
    with serve(hit_rate=1.0) as sandbox:
        cli.write(given, headers=[*HEADERS, "No Call"])
        assert cli("enrich", "in.csv", "-o", "first.csv", "-y", *FAST).code == 0
        assert cli(*PHONES, "--only-missing", "No Call", "-y").code == 0
        assert sandbox.ledger.credits_charged == 4 + 20
    assert [bool(phones) for phones in column(cli, "cleanlist_phones")] == [False, True, False, True]
