"""The command line as a whole: its help, its exit codes, and what each mistake is told as."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.sockets

HEAVY = {"httpx", "anyio", "rich", "starlette", "cleanlist_async.client", "cleanlist_async.tables"}


@pytest.mark.smoke
def test_version_is_printed(cli):
    from cleanlist_async import __version__

    assert cli("--version").out == f"{__version__}\n"


@pytest.mark.smoke
def test_help_lists_the_exit_codes(cli):
    done = cli("--help")
    assert done.code == 0
    for command in ("demo", "enrich", "collect", "plan", "validate", "credits", "sandbox"):
        assert command in done.out
    assert "130 stopped by Ctrl-C" in " ".join(done.out.split())
    assert "--debug" not in done.out


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("enrich", "in.csv", "-o", "out.csv", "-y"), 2, "CLEANLIST_API_KEY"),
        (("enrich", "in.csv"), 2, "--output"),
        (("enrich", "in.csv", "-o", "out.csv", "--type", "everything"), 2, "everything"),
        (("enrich", "in.csv", "-o", "in.csv", "--dry-run", "--overwrite"), 1, "is the input itself"),
        (("enrich", "in.csv", "-o", "no/out.csv", "--dry-run"), 1, "folder does not exist"),
        (("enrich", "in.csv", "-o", "out.pdf", "--dry-run"), 1, ".csv, .tsv"),
        (("enrich", "nobody.csv", "-o", "out.csv", "--dry-run"), 1, "nobody.csv"),
        (("plan", "in.csv", "--map", "linkedin_url"), 2, "--map takes FIELD=HEADER"),
        (("plan", "in.csv", "--map", "linkedin_url=Profil"), 1, "Profil"),
        (("collect", "in.csv"), 1, "cleanlist_status"),
        (("collect", "-"), 1, "is empty"),
        (("credits",), 2, "CLEANLIST_API_KEY"),
        (("demo", "--contacts", "0"), 2, "--contacts"),
        (("demo", "--window-s", "-1"), 2, "window"),
        (("sandbox", "--key-limit", "0"), 2, "--key-limit is 0"),
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
    assert done.stderr.strip().endswith("install cleanlist-async with the extras [cli,sandbox].")
    assert done.stderr.count("\n") == 1


def test_a_closed_pipe_is_no_error(cli):
    cli.write([["Only", "", "", "", "", ""]] * 5000)
    process = cli.start("validate", "in.csv")
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=30)
    assert "Traceback" not in err
    assert "Exception ignored" not in err


@pytest.mark.smoke
def test_help_shows_every_command_in_its_panel(cli):
    lines = cli("--help").out.splitlines()
    panels = [line.rstrip(":") for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert panels == [
        "Contact files",
        "One person, one company",
        "Lists and smart agents",
        "Account",
        "Development",
        "Options",
        "Examples",
        "Exit codes",
    ]
    commands = {line.split()[0] for line in lines if line.startswith("  ") and line.split()}
    wanted = "demo plan validate enrich collect enrich-person enrich-company lists list agents doctor whoami"
    assert {*wanted.split(), "credits", "usage", "sandbox"} <= commands


@pytest.mark.parametrize(
    "command", [(), ("list",), ("agents",), ("doctor",), ("enrich-person",), ("limits",)]
)
def test_help_of_a_command_loads_nothing_heavy(cli, command):
    import subprocess
    import sys

    script = (
        "import sys\n"
        "from cleanlist_async.cli.app import run_guarded\n"
        f"code = run_guarded([*{command!r}, '--help'])\n"
        f"heavy = {HEAVY!r} & set(sys.modules)\n"
        "sys.exit(code or (f'loaded {heavy}' if heavy else 0))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout
