import json
import re

import pytest

from tests.cli.command_line import FAST

pytestmark = pytest.mark.sockets


def test_plan_needs_no_key_and_no_network(cli, people):
    cli.write([*people(251), people(1)[0], ["", "", "", "", "", "nothing"]])
    done = cli("plan", "in.csv", "--type", "full", "--json")
    assert done.code == 0, done.err
    plan = json.loads(done.out)["plan"]
    assert (plan["contacts"], plan["unique"], plan["duplicates"], plan["invalid"]) == (253, 251, 1, 1)
    assert (plan["chunks"], plan["requests"], plan["credits_max"]) == (2, 4, 251 * 11)
    assert (plan["known"], plan["doubtful"]) == (None, None)  # no store was asked
    assert "enrich IN -o OUT --dry-run counts it" in done.err
    assert "row 254: needs a LinkedIn profile (LinkedIn URL), or a first name (First Name)" in done.err


@pytest.mark.parametrize("command", ["plan", "validate"])
def test_with_json_it_says_how_the_file_was_read(cli, command):
    cli.write([["", "", ""], ["Ada", "Love", "Acme"]], headers=["Name", "Surname", "Firma"])
    answer = cli.json(command, "in.csv")
    assert answer["columns"] == {"first_name": "Name", "last_name": "Surname", "company_name": "Firma"}
    assert answer["notes"] == ["1 row (2) blank: kept, not taken for a contact"]


def test_validate_lists_rows_as_a_spreadsheet_numbers_them(cli, people):
    first, second = people(2)
    cli.write([first, ["Only", "", "", "", "", ""], second, first])
    done = cli("validate", "in.csv")
    assert done.code == 1
    assert done.out.splitlines() == [
        (
            "row 3: invalid: needs a last name (Last Name) and a company (Company) or its web address"
            " (Website), or a LinkedIn profile (LinkedIn URL)"
        ),
        "row 5: duplicate of row 2",
    ]
    cli.write([first, second, first])
    assert cli("validate", "in.csv").code == 0


def test_plan_shows_how_full_names_are_split(cli):
    cli.write([["Dr. Anna Müller", "Acme"], ["Ada Love", "Acme"]], headers=["Name", "Firma"])
    done = cli("plan", "in.csv")
    assert 'split: "Dr. Anna Müller" is first name "Anna", last name "Müller"' in done.out
    assert 'split: "Ada Love" is first name "Ada", last name "Love"' in done.out


def test_a_column_of_full_names_can_be_named(cli):
    cli.write([["Ada Love", "Acme"]], headers=["Kunde", "Firma"])
    assert 'split: "Ada Love" is first name "Ada"' in cli("plan", "in.csv", "--map", "full_name=Kunde").out
    refused = cli("plan", "in.csv", "--map", "full_name=Kunde", "--map", "last_name=Firma")
    assert "full_name is split into first and last name, so last_name cannot" in refused.error


def test_a_plan_is_whole_on_standard_output_and_its_notes_are_on_standard_error(cli, people):
    cli.write([*people(2), [""] * 6])
    done = cli("plan", "in.csv")
    lines = done.out.splitlines()
    assert lines[0].split() == ["field", "column", "why"]
    assert [line.split()[0] for line in lines if line.startswith(("contacts", "credits"))] == [
        "contacts",
        "credits",
    ]
    assert done.err.startswith("note: 1 row (4) blank: kept, not taken for a contact\n")


def test_plan_and_validate_say_why_rows_of_an_earlier_run_are_not_sent(cli, serve, people):
    cli.write(people(5))
    with serve(hit_rate=1.0):
        assert cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST).code == 0
        assert cli("enrich", "in.csv", "-o", "part.csv", "-y", "--columns", "email", *FAST).code == 0
    kept = (
        "5 rows of an earlier run have an outcome and keep it, of any --type (enrich --only-missing"
        " cleanlist_phones asks for what a row lacks; --fresh buys anew)."
    )
    assert kept in cli("plan", "out.csv", "--type", "phone_only").out.splitlines()
    assert cli.json("plan", "out.csv")["kept"] == 5
    assert kept in cli("validate", "out.csv").err.splitlines()
    with serve():
        dry = ("enrich", "out.csv", "-o", "more.csv", "--type", "phone_only", "--dry-run")
        assert kept in cli(*dry, *FAST).err.splitlines()
    assert cli("validate", "part.csv").error == cli("plan", "part.csv").error


def test_every_command_names_mangled_names_before_it_buys(cli, serve):
    cli.write([["Ada", "Love", "Engines", "", "", ""], ["JosÃ©", "MÃ¼ller", "SÃO PAULO", "", "", ""]])
    note = "note: 1 row (3) with letters mangled by an earlier program (JosÃ© is probably José, "
    assert note in cli("plan", "in.csv").err
    assert note in cli("validate", "in.csv").err
    with serve() as sandbox:
        for command in (
            ("enrich", "in.csv", "-o", "out.csv"),
            ("job", "run", "crm", "in.csv"),
            ("job", "start", "in.csv", "--journal", "run.journal"),
        ):
            asked = cli(*command)  # nobody can be asked, and so nothing is sent
            assert asked.code == 2
            assert note in asked.err
        assert not sandbox.ledger.contacts


def test_a_column_headed_key_is_taken_and_shown(cli, serve, people):
    cli.write([["17", *people(1)[0][:4]]], headers=["key", "First Name", "Last Name", "Company", "Website"])
    assert re.search(r"^key +key +known header$", cli("plan", "in.csv").out, re.MULTILINE)
    with serve(hit_rate=1.0):
        assert cli("job", "run", "crm", "in.csv", "-y", *FAST).code == 0
    assert cli("job", "export", "crm", "-o", "out.csv").code == 0
    assert [row["key"] for row in cli.results()] == ["17"]
    assert "Exits with 3 if some of them have no result yet" in " ".join(
        cli("job", "export", "--help").out.split()
    )
