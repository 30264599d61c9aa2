"""Every command that spends keeps to the budget and the pause of the user's store, and is audited there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import pytest
import typer.main
from typer.core import TyperGroup

from cleanlist_async import SpendVetoedError
from cleanlist_async.cli.app import app
from cleanlist_async.cli.terminal.connection import Connection
from tests.cli.command_line import FAST, KEY, ROWS, new_list, until

pytestmark = pytest.mark.sockets

PERSON = ("--first-name", "Ada", "--last-name", "Love", "--domain", "engine.example")

# How each is typed. LIST stands for the id of a list with people in it.
TYPED: dict[str, tuple[str, ...]] = {
    "enrich": ("in.csv", "-o", "out.csv"),
    "enrich-person": ("--create-list", "People", *PERSON),
    "enrich-company": ("--domain", "engine.example"),
    "agents run": ("LIST", "--column", "Hook", "--prompt", "Write a hook"),
    "list import": ("LIST", "in.csv", "--enrich", "partial"),
    "job run": ("nightly", "in.csv"),
    "job start": ("in.csv", "--journal", "new.journal"),
    "job resume": ("begun.journal", "in.csv"),
}


def commands(group: TyperGroup, *above: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, *above, name)
        else:
            yield " ".join([*above, name]), command


def options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


ROOT = typer.main.get_command(app)
assert isinstance(ROOT, TyperGroup)
COMMANDS = dict(commands(ROOT))
PAID = sorted(name for name, command in COMMANDS.items() if "--max-credits" in options(command))


@pytest.fixture
def spend(cli, serve):
    """Run a paid command against a sandbox; ``spend.sandbox`` is the sandbox."""
    cli.write(ROWS)
    with serve(hit_rate=1.0) as sandbox:
        list_id = new_list(cli)
        assert cli("list", "import", list_id, "in.csv").code == 0

        def run(name, *more):
            typed = [list_id if word == "LIST" else word for word in TYPED[name]]
            return cli(*name.split(), *typed, *FAST, "--yes", *more)

        run.sandbox, run.cli = sandbox, cli
        run.begin = lambda name, *more: name == "job resume" and begin(cli, *more)
        yield run


def begin(cli, *more):
    """Begin the job that is resumed, without buying anything."""
    cli("budget", "pause", "later", *more)
    started = cli("job", "start", "in.csv", "--journal", "begun.journal", *FAST, "--yes", *more)
    assert started.code == 3, started.err
    cli("budget", "resume", *more)


def test_how_each_command_that_spends_is_typed_is_known():
    assert sorted(TYPED) == PAID


@pytest.mark.parametrize("name", PAID)
def test_each_command_that_spends_can_name_its_store(name):
    assert {"--store", "--max-credits", "--yes"} <= options(COMMANDS[name])


@pytest.mark.parametrize("name", PAID)
def test_a_budget_in_the_users_own_store_stops_it(spend, name):
    spend.begin(name)
    spend.cli("budget", "set", "--per-day", "0")
    refused = spend(name)

    assert refused.code == 3, refused.err
    assert "budget" in refused.err
    assert spend.sandbox.ledger.credits_charged == 0


@pytest.mark.parametrize("name", PAID)
def test_a_pause_in_the_store_that_it_names_stops_it(spend, name):
    spend.begin(name, "--store", "other.db")
    spend.cli("budget", "pause", "a bug in the importer", "--store", "other.db")
    refused = spend(name, "--store", "other.db")

    assert refused.code == 3, refused.err
    assert "a bug in the importer" in refused.err
    assert spend.sandbox.ledger.credits_charged == 0


@pytest.mark.parametrize("name", PAID)
def test_what_it_spends_is_in_the_audit_trail(spend, name):
    spend.begin(name)
    assert spend(name).code == 0
    shown = spend.cli.json("budget", "show")
    until(lambda: spend.sandbox.ledger.credits_charged)  # an import is charged when its workflow ends

    assert spend.cli.json("audit")["sums"]["lines"]["submit"] >= 1
    assert shown["day"]["committed"] >= spend.sandbox.ledger.credits_charged


def test_a_client_that_was_opened_without_a_store_cannot_spend(cli, serve, monkeypatch):
    monkeypatch.setenv("CLEANLIST_API_KEY", KEY)
    monkeypatch.setenv("CLEANLIST_LIMITS", "none")
    with serve() as sandbox:
        connection = Connection(base_url=sandbox.base_url, window_s=0.5)

        async def spend():
            async with connection.open() as client:
                await client.public.credits_balance()
                await client.enrichment.enrich_company(domain="engine.example")

        with pytest.raises(SpendVetoedError, match="opens no store"):
            anyio.run(spend)
        assert sandbox.ledger.credits_charged == 0


@pytest.mark.parametrize(
    "typed",
    [
        ("whoami",),
        ("credits",),
        ("lists",),
        ("list", "create", "People"),
        ("list", "import", "LIST", "in.csv"),
        ("agents", "show"),
        ("enrich-company", "--domain", "engine.example", "--max-credits", "0"),
    ],
    ids=" ".join,
)
def test_a_command_that_spends_nothing_makes_no_store(spend, typed):
    list_id = new_list(spend.cli, "Others")
    spend.cli(*(list_id if word == "LIST" else word for word in typed))
    assert not (spend.cli.data / "cleanlist-async").exists()
