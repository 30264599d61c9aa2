"""A file that is not UTF-8: refused where nobody can be asked, else read as the encoding that is chosen."""

import pytest

from tests.cli.command_line import FAST

pytestmark = pytest.mark.sockets

CYRILLIC = "First Name,Last Name,Company\nЮлий,Ильин,Жюли\n".encode("cp1251")
COMMAND = ("enrich", "in.csv", "-o", "out.csv", *FAST)


@pytest.mark.parametrize("command", ["plan", "validate", "enrich"])
def test_it_is_refused_unattended(cli, serve, command):
    (cli.folder / "in.csv").write_bytes(CYRILLIC)
    with serve() as sandbox:
        done = cli(*((*COMMAND, "--yes") if command == "enrich" else (command, "in.csv")))
        assert not sandbox.ledger.contacts
    assert done.code == 1
    assert 'in.csv, row 2, column "First Name": holds the byte 0xDE' in done.error
    assert "pass --encoding" in done.error


def test_it_is_read_as_the_encoding_that_is_chosen_by_a_sample_of_names(cli, serve):
    (cli.folder / "in.csv").write_bytes(CYRILLIC)
    with serve() as sandbox:
        done = cli.answer("cp1251\ny\n", *COMMAND)
        sent = [accepted.contact for accepted in sandbox.ledger.contacts]
    assert "cp1251     Юлий Ильин Жюли" in done.err
    assert "cp1252     Þëèé Èëüèí Æþëè" in done.err
    assert done.code == 0, done.err
    assert [(one["first_name"], one["last_name"]) for one in sent] == [("Юлий", "Ильин")]


def test_nothing_is_sent_if_none_is_right(cli, serve):
    (cli.folder / "in.csv").write_bytes(CYRILLIC)
    with serve() as sandbox:
        done = cli.answer("\n", *COMMAND)
        assert not sandbox.ledger.contacts
    assert done.code == 1
    assert "nothing was sent" in done.err
