import json

import pytest

pytestmark = pytest.mark.sockets


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("First Name,Last Name,Website\r\n", "has no contacts"),
        ("Colour,Size\r\nred,9\r\n", "in.csv"),
        ('First Name,Last Name,Website\r\nAda,"Love', "row 2"),
    ],
)
@pytest.mark.parametrize("command", [("plan", "in.csv"), ("enrich", "in.csv", "-o", "out.csv", "-y")])
def test_a_file_that_cannot_be_used_is_one_clear_line(cli, content, says, command):
    (cli.folder / "in.csv").write_text(content, newline="")
    cli.env["CLEANLIST_API_KEY"] = "clapi_secret_5f2c0e9b7d"
    done = cli(*command)
    assert done.code == 1
    assert says in done.error
    assert not list(cli.folder.glob("out*"))


def two_profiles(cli):
    profiles = ["https://www.linkedin.com/in/ada", "https://www.linkedin.com/in/bob"]
    cli.write([profiles], headers=["LinkedIn", "LinkedIn"])


def test_two_columns_that_could_be_a_field_are_a_question_at_a_terminal(cli):
    two_profiles(cli)
    done = cli.answer("3\n2\n", "plan", "in.csv", "--json")
    assert done.code == 0
    assert "Several columns could be linkedin_url:\n  1  LinkedIn\n  2  LinkedIn (2)\n" in done.err
    assert json.loads(done.out)["plan"]["unique"] == 1
    assert "LinkedIn (2)  as you said" in done.err


def test_two_columns_that_could_be_a_field_are_an_error_elsewhere(cli):
    two_profiles(cli)
    done = cli("plan", "in.csv")
    assert done.code == 1
    assert 'could both be linkedin_url; choose one: --map "linkedin_url=LinkedIn"' in done.error


def test_an_import_notes_what_else_a_column_could_be(cli, serve):
    cli.write(
        [["Ada", "Love", "Acme", "a@acme.example", "b@acme.example"]],
        headers=["First Name", "Last Name", "Company", "Email", "Work Email"],
    )
    with serve():
        done = cli("list", "import", "--create", "People", "in.csv")
    assert done.code == 0
    assert 'note: email is taken from "Email", though "Work Email" could be it as well' in done.err
