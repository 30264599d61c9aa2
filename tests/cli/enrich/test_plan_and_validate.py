from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.sockets


def test_plan_needs_no_key_and_no_network(cli, people):
    cli.write([*people(251), people(1)[0], ["", "", "", "", "", "nothing"]])
    done = cli("plan", "in.csv", "--type", "full", "--json")
    assert done.code == 0, done.err
    plan = json.loads(done.out)["plan"]
    assert (plan["contacts"], plan["unique"], plan["duplicates"], plan["invalid"]) == (253, 251, 1, 1)
    assert (plan["chunks"], plan["requests"], plan["credits_max"]) == (2, 4, 251 * 11)
    assert "row 254: needs linkedin_url" in done.err


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
        "row 3: invalid: needs last_name + (company_domain or company_name), or linkedin_url",
        "row 5: duplicate of row 2",
    ]
    cli.write([first, second, first])
    assert cli("validate", "in.csv").code == 0
