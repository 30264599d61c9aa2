from __future__ import annotations

import signal

import pytest

from cleanlist_async.sandbox import Fault
from tests.cli.command_line import KEY, until


@pytest.mark.smoke
def test_whoami(cli, serve):
    with serve(scopes={KEY: ["lists:read", "enrich:read"]}):
        me = cli.json("whoami")
        table = cli("whoami").out
    assert me["organization_id"] == "org_sandbox"
    assert me["scopes"] == ["lists:read", "enrich:read"]
    assert "task_id" not in me
    for words in ("organization     Sandbox", "plan             pro", "lists:read, enrich:read"):
        assert words in table


@pytest.mark.parametrize("body", [{"credits": None}, {"credits": "plenty"}])
def test_a_balance_that_says_nothing(cli, serve, body):
    with serve(faults=[Fault("/credits/balance", body=body)]):
        done = cli("credits")
    assert done.code == 4
    assert "nothing of credits" in done.error
    assert done.out == ""


def test_a_balance_that_says_nothing_does_not_stop_an_enrichment(cli, serve, people):
    cli.write(people(2))
    with serve(faults=[Fault("/credits/balance", body={"credits": None})]):
        assert cli("enrich", "in.csv", "-o", "out.csv", "-y", "--window-s", "0.5").code == 0


def test_usage(cli, serve):
    with serve():
        cli("whoami")
        report = cli.json("usage", "--days", "30", "--by", "day")
        table = cli("usage").out.splitlines()
    assert (report["days"], report["group_by"], report["total_calls"]) == (30, "day", 2)
    assert table[0].split() == ["tool", "calls", "errors", "credits"]
    assert ["/api/v2/whoami", "1", "0", "0"] in [line.split() for line in table]
    assert table[-1].split()[:2] == ["all", "3"]


@pytest.mark.parametrize(("args", "says"), [(("--by", "moon"), "group_by"), (("--days", "366"), "days")])
def test_usage_that_cannot_be(cli, serve, args, says):
    with serve() as sandbox:
        done = cli("usage", *args)
        assert sandbox.ledger.requests == []
    assert done.code == 4
    assert says in done.error


def test_a_scope_that_is_missing_is_named(cli, serve):
    with serve(scopes={KEY: []}):
        done = cli("usage")
    assert done.code == 4
    assert "admin:api_keys" in done.error
    assert done.out == ""


@pytest.mark.smoke
def test_help_shows_every_command_in_its_panel(cli):
    lines = cli("--help").out.splitlines()
    panels = [line.rstrip(":") for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert panels == [
        "Options",
        "Contact files",
        "One person, one company",
        "Lists, and agents over them",
        "Account",
        "Development",
    ]
    commands = {line.split()[0] for line in lines if line.startswith("  ") and line.split()}
    wanted = "demo plan validate enrich collect enrich-person enrich-company lists list agents doctor whoami"
    assert {*wanted.split(), "credits", "usage", "sandbox"} <= commands


@pytest.mark.parametrize("command", [("list",), ("agents",), ("doctor",), ("enrich-person",)])
def test_help_of_a_command_loads_nothing_heavy(cli, command):
    import subprocess
    import sys

    script = (
        "import sys\n"
        "from cleanlist_async.cli.main import run_guarded\n"
        f"code = run_guarded([*{command!r}, '--help'])\n"
        "heavy = {'httpx', 'rich', 'cleanlist_async.client', 'starlette'} & set(sys.modules)\n"
        "sys.exit(code or (f'loaded {heavy}' if heavy else 0))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout


def test_ctrl_c_says_what_is_not_known(cli, serve):
    with serve(faults=[Fault("*/lead-lists", delay_s=20.0)]) as sandbox:
        process = cli.start("list", "create", "Prospects")
        until(lambda: sandbox.ledger.requests)
        process.send_signal(signal.SIGINT)
        done = cli.finish(process)
    assert done.code == 130
    assert "may have been done" in done.error
