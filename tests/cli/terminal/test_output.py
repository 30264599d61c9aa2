import re

import pytest

from tests.cli.command_line import new_list

pytestmark = pytest.mark.sockets


def test_an_id_is_never_broken_however_narrow_the_terminal_is(cli, serve):
    with serve():
        ids = [new_list(cli, f"Prospects of the quarter, number {number}") for number in range(2)]
        cli.env |= {"FORCE_COLOR": "1", "COLUMNS": "40"}
        shown = re.sub(r"\x1b\[[\d;]*m", "", cli("lists").out)
    assert len(shown.splitlines()) > 4, "the names are folded"
    assert all(id_ in shown for id_ in ids)


def test_a_plan_can_be_redirected_into_a_file(cli, people):
    cli.write([*people(3), people(1)[0], ["Only", "", "", "", "", ""]])
    lines = cli("plan", "in.csv").out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("contacts"))
    assert [line.split()[:2] for line in lines[start : start + 3]] == [
        ["contacts", "5"],
        ["duplicates", "1"],
        ["invalid", "1"],
    ]
    assert lines[-1].startswith("row 6: needs a last name (Last Name) and a company (Company) or its web")
    assert all(line == line.rstrip() for line in lines)


def test_validate_lists_every_row_on_demand(cli):
    cli.write([["Only", "", "", "", "", ""]] * 1_200)
    some, every = cli("validate", "in.csv"), cli("validate", "in.csv", "--all")
    assert len(some.out.splitlines()) == 1_000
    assert "only the first 1,000 of each are listed; --all lists them all" in some.err
    assert len(every.out.splitlines()) == 1_200
    assert every.out.splitlines()[-1].startswith("row 1201: invalid: needs a last name")
    assert "listed" not in every.err
