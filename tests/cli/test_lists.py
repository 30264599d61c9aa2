import json
import os

import pytest

from cleanlist_async.sandbox import Fault
from tests.cli.command_line import HEADERS, KEY, ROWS, new_list


@pytest.fixture
def filled(cli, serve):
    cli.write(ROWS)
    with serve(hit_rate=1.0) as sandbox:
        sandbox.list_id = new_list(cli)
        assert cli("list", "import", sandbox.list_id, "in.csv").code == 0
        yield sandbox


def test_create_then_see_it(cli, serve):
    with serve():
        done = cli("list", "create", "Prospects", "--description", "for spring")
        list_id = done.out.strip()
        assert "Created: Prospects." in done.err
        again = cli.json("list", "create", "prospects")
        assert (again["list_id"], again["reused"]) == (list_id, True)
        table = cli("lists").out.splitlines()
        assert table[0].split() == ["id", "name", "leads", "visibility", "owner", "created"]
        assert table[1].split()[:4] == [list_id, "Prospects", "0", "private"]
        assert [one["list_id"] for one in cli.json("lists")["lists"]] == [list_id]
        assert cli.json("list", "show", list_id)["list"]["description"] == "for spring"


def test_lists_are_shown_from_all_pages(cli, serve):
    with serve() as sandbox:
        import httpx

        with httpx.Client(base_url=sandbox.base_url, headers={"Authorization": f"Bearer {KEY}"}) as http:
            sandbox._modern._services.options.key_limit = 1000
            made = 0
            while made < 60:
                made += http.post("/api/v2/lead-lists", json={"name": f"List {made}"}).status_code == 201
        assert len(cli.json("lists")["lists"]) == 60
        assert len(cli.json("lists", "--limit", "7")["lists"]) == 7


def test_show_prints_the_first_leads(cli, filled):
    done = cli("list", "show", filled.list_id, "--limit", "1")
    assert "Ada Love" in done.out
    assert "Bob" not in done.out
    assert "1 of 2 leads" in done.err
    shown = cli.json("list", "show", filled.list_id)
    assert [lead["last_name"] for lead in shown["leads"]] == ["Love", "Low"]
    assert shown["list"]["lead_count"] == 2


@pytest.mark.smoke
def test_an_import_alone_is_free(cli, filled):
    assert filled.ledger.contacts == []
    assert filled.balance == 1_000_000
    done = cli("list", "import", "--create", "Others", "in.csv", "--map", "first_name=First Name")
    assert done.code == 0, done.err
    assert "imported  2" in done.out


def test_an_import_that_enriches_asks_first(cli, filled):
    done = cli("list", "import", filled.list_id, "in.csv", "--enrich", "full")
    assert (done.code, done.out) == (2, "")
    assert "22 credits" in done.error
    assert "--yes" in done.error
    refused = cli.answer("n\n", "list", "import", filled.list_id, "in.csv", "--enrich", "full")
    assert refused.code == 1
    over = cli("list", "import", filled.list_id, "in.csv", "--enrich", "full", "--max-credits", "21")
    assert over.code == 3
    assert filled.ledger.contacts == []
    agreed = cli.answer("y\n", "list", "import", filled.list_id, "in.csv", "--enrich", "partial", "--json")
    assert agreed.code == 0, agreed.err
    answer = json.loads(agreed.out)
    assert len(answer["workflow_ids"]) == 1
    assert answer["stopped_by"] is None
    assert filled.ledger.credits_charged <= 2
    assert f"list show {filled.list_id}" in agreed.err


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("in.csv",), 2, "ID FILE.csv"),
        (("a", "b", "in.csv"), 2, "ID FILE.csv"),
        (("--create", "x", "id", "in.csv"), 2, "ID FILE.csv"),
        (("--create", "x", "in.csv", "--enrich", "everything"), 2, "partial"),
        (("--create", "x", "in.csv", "--max-credits", "5"), 2, "--enrich"),
        (("--create", "x", "in.csv", "--map", "email"), 2, "--map takes"),
        (("--create", "x", "in.csv", "--map", "email=Mail"), 1, "Mail"),
        (("--create", "x", "nobody.csv"), 1, "nobody.csv"),
        (("no-such-list", "in.csv"), 4, "list"),
    ],
)
def test_wrong_arguments_of_an_import_are_refused(cli, serve, args, code, says):
    cli.write(ROWS)
    with serve() as sandbox:
        done = cli("list", "import", *args)
        assert sandbox.ledger.contacts == []
    assert done.code == code, done.err
    assert says in done.error
    assert done.out == ""


def test_an_interrupted_import_reports_what_was_imported(cli, serve):
    cli.write([[f"Ada{n}", "Love", "", f"engine{n}.example", "", ""] for n in range(700)])
    with serve(faults=[Fault("*/csv-import", nth=2, status=403)]):
        list_id = new_list(cli)
        done = cli("list", "import", list_id, "in.csv", "--json")
    assert done.code == 4, done.err
    answer = json.loads(done.out)
    assert answer["rows_imported"] == 600
    assert answer["stopped_by"]["type"]
    assert done.error


def test_delete_asks_first(cli, filled):
    args = ("list", "delete", filled.list_id)
    done = cli(*args)
    assert done.code == 2
    assert "--yes" in done.error
    assert cli.answer("n\n", *args).code == 1
    assert len(cli.json("lists")["lists"]) == 1
    asked = cli.answer("y\n", *args)
    assert asked.code == 0, asked.err
    assert '"Prospects" of 2 leads' in asked.err
    assert cli.json("lists")["lists"] == []
    gone = cli(*args, "--yes")
    assert gone.code == 4
    assert gone.out == ""


def test_export_to_csv_shows_no_signed_address(cli, filled):
    done = cli("list", "export", filled.list_id, "-o", "out.csv")
    assert done.code == 0, done.err
    assert [row["first_name"] for row in cli.results()] == ["Ada", "Bob"]
    answer = cli.json("list", "export", filled.list_id, "-o", "out.csv", "--overwrite")
    assert answer == {"list_id": filled.list_id, "file": "out.csv", "rows": 2}
    fetched = [one for one in filled.ledger.requests if one.key_id is None and one.status == 200]
    assert len(fetched) == 2
    for one in fetched:
        assert one.query
        assert one.query not in done.out + done.err + json.dumps(answer)
        assert one.path not in done.out + done.err


def test_a_download_that_fails_shows_no_signed_address_either(cli, filled):
    url = f"{filled.base_url}/export/files/secret?sig=hush"
    answer = {"list_id": filled.list_id, "download_url": url, "expires_at": "2026-01-01T00:00:00Z"}
    filled.add_fault(Fault("*/export/csv/signed-url", body=answer | {"row_count": 2, "file_size_bytes": 9}))
    done = cli("list", "export", filled.list_id, "-o", "out.csv")
    assert done.code == 4, done.err
    assert "hush" not in done.out + done.err
    assert "secret" not in done.out + done.err
    assert not list(cli.folder.glob("out*"))


def test_export_to_json_lines(cli, filled):
    done = cli("list", "export", filled.list_id, "-o", "out.jsonl", "--columns", "lead_id, first_name")
    assert done.code == 0, done.err
    lines = [json.loads(line) for line in (cli.folder / "out.jsonl").read_text().splitlines()]
    assert [line["first_name"] for line in lines] == ["Ada", "Bob"]
    assert all(line.keys() == {"lead_id", "first_name"} for line in lines)


def test_an_interrupted_export_keeps_the_old_file(cli, filled):
    (cli.folder / "out.jsonl").write_text("before")
    filled.add_fault(Fault("*/export/json", status=403))
    done = cli("list", "export", filled.list_id, "-o", "out.jsonl", "--overwrite")
    assert done.code == 4
    assert (cli.folder / "out.jsonl").read_text() == "before"
    assert [path.name for path in cli.folder.iterdir() if path.suffix == ".part"] == []


@pytest.mark.parametrize(
    ("output", "says"),
    [("out.xlsx", ".csv or .jsonl"), ("no/out.csv", "folder does not exist"), ("in.csv", "--overwrite")],
)
def test_an_export_that_cannot_be_written_is_refused(cli, output, says):
    cli.write(ROWS, headers=HEADERS)
    cli.env["CLEANLIST_API_KEY"] = KEY
    done = cli("list", "export", "some-list", "-o", output)
    assert done.code == 1
    assert says in done.error


def test_names_of_lists_cannot_disturb_the_terminal(cli, serve):
    with serve():
        new_list(cli, "[bold]\x1b[31mred\nnext")
        out = cli("lists").out
    assert "\x1b" not in out
    assert "[bold]" in out
    assert len(out.splitlines()) == 2


@pytest.mark.skipif(not hasattr(os, "getegid"), reason="needs permissions of POSIX")
@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
def test_an_export_over_a_private_file_is_as_private(cli, filled, name):
    target = cli.folder / name
    target.touch(0o600)
    assert cli("list", "export", filled.list_id, "-o", name, "--overwrite").code == 0
    assert target.stat().st_size > 0
    assert target.stat().st_mode & 0o777 == 0o600
