from __future__ import annotations

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
