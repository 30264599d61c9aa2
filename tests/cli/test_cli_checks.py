from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

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


def test_validate_lists_rows_as_a_spreadsheet_numbers_them(cli, people):
    first, second = people(2)
    cli.write([first, ["Only", "", "", "", "", ""], second, first])
    done = cli("validate", "in.csv")
    assert done.code == 1
    assert done.out.splitlines() == [
        "row 3: invalid: needs linkedin_url, or first_name + last_name + (company_domain or company_name)",
        "row 5: duplicate of row 2",
    ]
    cli.write([first, second, first])
    assert cli("validate", "in.csv").code == 0


def test_credits_are_printed_on_standard_output(cli, serve):
    with serve(credits=1234.5):
        assert cli("credits").out == "1,234.5\n"
        assert json.loads(cli("credits", "--json").out) == {"credits": 1234.5}


@pytest.mark.smoke
def test_version(cli):
    from cleanlist_async import __version__

    assert cli("--version").out == f"{__version__}\n"


@pytest.mark.smoke
def test_help_tells_the_exit_codes(cli):
    done = cli("--help")
    assert done.code == 0
    for command in ("demo", "enrich", "collect", "plan", "validate", "credits", "sandbox"):
        assert command in done.out
    assert "130 stopped by Ctrl-C" in " ".join(done.out.split())
    assert "--debug" not in done.out


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


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("enrich", "in.csv", "-o", "out.csv", "-y"), 2, "CLEANLIST_API_KEY"),
        (("enrich", "in.csv"), 2, "--output"),
        (("enrich", "in.csv", "-o", "out.csv", "--type", "everything"), 2, "everything"),
        (("enrich", "in.csv", "-o", "in.csv", "--dry-run", "--overwrite"), 1, "is the input itself"),
        (("enrich", "in.csv", "-o", "no/out.csv", "--dry-run"), 1, "folder does not exist"),
        (("enrich", "in.csv", "-o", "out.xlsx", "--dry-run"), 1, ".csv, .tsv or .jsonl"),
        (("enrich", "nobody.csv", "-o", "out.csv", "--dry-run"), 1, "nobody.csv"),
        (("plan", "in.csv", "--map", "linkedin_url"), 2, "--map wants field=Header"),
        (("plan", "in.csv", "--map", "linkedin_url=Profil"), 1, "Profil"),
        (("collect", "in.csv"), 1, "cleanlist_status"),
        (("collect", "-"), 1, "no file that enrich wrote"),
        (("credits",), 2, "CLEANLIST_API_KEY"),
        (("demo", "--contacts", "0"), 2, "--contacts"),
        (("demo", "--window-s", "-1"), 2, "window"),
        (("sandbox", "--key-limit", "0"), 2, "key_limit is 0"),
        (("frobnicate",), 2, "frobnicate"),
    ],
)
def test_each_mistake_is_one_line_and_an_exit_code(cli, people, args, code, says):
    cli.write(people(1))
    done = cli(*args)
    assert done.code == code, done.err
    assert says in done.error
    assert done.out == ""


@pytest.mark.smoke
def test_a_key_with_a_newline_is_refused_unseen(cli, people):
    cli.write(people(1))
    cli.env["CLEANLIST_API_KEY"] = "clapi_secret_5f2c0e9b7d\n"
    assert cli("enrich", "in.csv", "-o", "out.csv", "-y").code == 2


def test_the_sandbox_runs_until_ctrl_c_and_prints_what_to_export(cli, people):
    cli.write(people(3))
    process = cli.start("sandbox", "--port", "0", "--workflow-s", "0.05")
    lines = [process.stdout.readline().strip() for _ in range(2)]
    for line in lines:
        name, _, value = line.removeprefix("export ").partition("=")
        cli.env[name] = value
    assert cli("enrich", "in.csv", "-o", "out.csv", "-y").code == 0
    process.send_signal(signal.SIGINT)
    done = cli.finish(process)
    assert done.code == 0
    assert "3 contacts" in done.err


def test_without_its_packages_the_command_says_what_to_install(cli, tmp_path):
    script = (
        "import sys, importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'typer' else find(name, *rest)\n"
        "from cleanlist_async.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert done.stderr.strip().endswith("pip install 'cleanlist-async[cli,sandbox]'")
    assert done.stderr.count("\n") == 1


def test_a_closed_pipe_is_no_error(cli):
    cli.write([["Only", "", "", "", "", ""]] * 5000)
    process = cli.start("validate", "in.csv")
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=30)
    assert "Traceback" not in err
    assert "Exception ignored" not in err
