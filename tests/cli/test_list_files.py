"""``list import`` reads the files that ``enrich`` reads, with the same options."""

from tests.cli.command_line import new_list


def test_an_import_reads_the_files_that_enrich_reads(cli, serve):
    text = "Name;E-Mail;Phone\nZo\xeb Bront\xeb;z@x.example;+1\n"
    (cli.folder / "in.csv").write_bytes(text.encode("cp1252"))
    with serve():
        list_id = new_list(cli)
        done = cli("list", "import", list_id, "in.csv")
        assert "pass --encoding" in done.error
        done = cli("list", "import", list_id, "in.csv", "--encoding", "cp1252")
        assert done.code == 0, done.err
        assert "email = E-Mail" in done.err
        (lead,) = cli.json("list", "show", list_id)["leads"]
        assert (lead["first_name"], lead["last_name"], lead["phone"]) == ("Zo\xeb", "Bront\xeb", "+1")
        done = cli("list", "import", list_id, "in.csv", "--encoding", "utf-8")
    assert done.code == 1
    assert 'row 2, column "Name"' in done.error
