"""The answers written down: a file for programs, a table for people. Neither holds contact data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.table import Table
from rich.text import Text

from cleanlist_async import __version__
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.render import clean, grid, number
from cleanlist_async.types import JSON
from tests.live.cleaning import Cleaned
from tests.live.question import Answer, Question

NOT_ASKED: Final = {
    "What does a 429 of the Public API carry?": "it would have to be provoked",
    "How long are workflows and cohorts kept?": "it takes days",
    "What does a webhook look like, and how often is it tried?": "it needs a public address",
    "What does prospecting_only need and cost?": "nothing bounds its price",
    "How large may a list be for a bulk enrichment?": "it would have to be bought",
    "Is there a way to cancel a workflow?": "no operation for it is documented",
}
"""What is left open, and why a client does not ask."""

_LONGEST: Final = 120


@dataclass(frozen=True, slots=True)
class Study:
    """All answers, and what they took. `balance_fell_by` is None where the balance could not be read."""

    answers: Sequence[Answer]
    cleaned: Cleaned
    base_url: str
    max_credits: float
    held: float
    balance_fell_by: float | None
    requests: int
    rejected_429: int
    stopped: bool = False

    def as_json(self) -> dict[str, JSON]:
        """Return it for the file."""
        return {
            "made_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "cleanlist_async": __version__,
            "base_url": self.base_url,
            "settled": sum(answer.found is not None for answer in self.answers),
            "questions": len(self.answers),
            "credits": {
                "max": self.max_credits,
                "at_most_spent": self.held,
                "balance_fell_by": self.balance_fell_by,
            },
            "requests": self.requests,
            "rejected_429": self.rejected_429,
            "stopped": self.stopped,
            "answers": [answer.as_json() for answer in self.answers],
            "not_asked": [{"question": question, "why": why} for question, why in NOT_ASKED.items()],
            "cleaned_up": self.cleaned.as_json(),
        }

    def as_table(self) -> Table:
        """Return question and answer, one pair a line."""
        table = grid("question", "answer")
        for answer in self.answers:
            said = answer.found.summary if answer.found else f"could not be settled: {answer.why_not}"
            table.add_row(
                answer.question.text, Text(clean(said, _LONGEST), style="" if answer.found else "yellow")
            )
        return table


def plan_table(questions: Sequence[Question]) -> Table:
    """Return what asking will send, and what it can cost."""
    table = grid("question", "sends", "at most")
    table.columns[2].justify = "right"
    for question in questions:
        table.add_row(question.text, question.sends, number(question.credits))
    return table


def check_target(path: str | None, *, overwrite: bool) -> None:
    """Raise CommandError before anything is sent, if the answers cannot be written to *path*."""
    if path is None:
        return
    target = Path(path)
    problem = ""
    if target.is_dir() or not target.absolute().parent.is_dir():
        problem = "cannot be written: it is a folder, or in none"
    elif target.exists() and not overwrite:
        problem = "exists already: name another file, or pass --overwrite"
    if problem:
        raise CommandError(f"{path} {problem}.", ExitCode.REFUSED)


def write(path: str, study: dict[str, JSON]) -> None:
    """Write the file of answers."""
    Path(path).write_text(json.dumps(study, indent=2) + "\n", encoding="utf-8")
