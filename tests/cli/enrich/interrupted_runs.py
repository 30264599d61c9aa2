"""Runs of `enrich` on the command line that end in the middle, and the same command again."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

from cleanlist_async.sandbox import Sandbox
from tests.cli.command_line import FAST, CommandLine, running, until

COMMAND = ("enrich", "in.csv", "-o", "out.csv", "-y", "--window-s", "1")
CONTACTS = 500


def twice_and_lost(scene: Callable[[CommandLine], Sandbox]) -> tuple[int, int]:
    """Return how many of 500 contacts are bought twice, and how many rows have no outcome in the end."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "runs")
        place.mkdir()
        cli = CommandLine(place)
        cli.write([[f"Ada{number}", "Lovelace", "", "engine.example", "", ""] for number in range(CONTACTS)])
        try:
            ledger = scene(cli).ledger
        finally:
            cli.end()
        rows = cli.results()
        done = sum(row["cleanlist_status"] in {"found", "not_found"} for row in rows)
        return len(ledger.contacts) - len(ledger.times_accepted()), CONTACTS - done


def killed(cli: CommandLine) -> Sandbox:
    """`kill -9` when half is bought."""
    return _ended_by(signal.SIGKILL, cli)


def hung_up(cli: CommandLine) -> Sandbox:
    """The terminal closes when half is bought."""
    return _ended_by(signal.SIGHUP, cli)


def _ended_by(number: signal.Signals, cli: CommandLine) -> Sandbox:
    with running(workflow_s=0.7, window_s=1.0) as sandbox:
        cli.use(sandbox)
        process = cli.start(*COMMAND)
        until(lambda: len(sandbox.ledger.contacts) >= CONTACTS // 2)
        process.send_signal(number)
        process.communicate(timeout=60)
        if cli(*COMMAND).code == 3:  # killed between a submit and its answer
            resolve_by_the_ledger(cli, sandbox)
            cli(*COMMAND)
    return sandbox


def resolve_by_the_ledger(cli: CommandLine, sandbox: Sandbox) -> None:
    """Decide what became of submits of unknown outcome, as their owner would after a look into the portal."""
    known = {line["workflow_id"] for line in cli.json("audit")["lines"]}
    lost = {contact.workflow_id for contact in sandbox.ledger.contacts} - known
    for submit in cli.json("store", "show")["orphans"]:
        how = ("--workflow", lost.pop()) if lost else ("--absent",)
        assert cli("store", "resolve", submit["submission"], *how).code == 0


def out_of_credits(cli: CommandLine) -> Sandbox:
    """A 402 when half is bought; then its own output is the input."""
    with running(credits=CONTACTS / 2) as sandbox:
        cli.use(sandbox)
        cli("enrich", "in.csv", "-o", "first.csv", "-y", *FAST)
        sandbox.set_credits(float(CONTACTS))
        cli("enrich", "first.csv", "-o", "out.csv", "-y", *FAST)
    return sandbox
