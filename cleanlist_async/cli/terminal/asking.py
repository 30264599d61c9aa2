"""Before anything is spent: the plan, the balance, and a yes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import typer

from cleanlist_async.checks import covers
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode, code_for
from cleanlist_async.cli.terminal.options import MaxCredits, Yes
from cleanlist_async.cli.terminal.render import clean, number, plural, say
from cleanlist_async.cli.terminal.wording import as_typed
from cleanlist_async.errors import (
    AuthenticationError,
    BudgetExceededError,
    CleanlistError,
    PermissionDeniedError,
    RedirectedError,
)

if TYPE_CHECKING:
    from rich.console import Console

    from cleanlist_async.client import AsyncCleanlist
    from cleanlist_async.enrich.plan import Plan
    from cleanlist_async.tables.errors import TableError

_SPENDING_OPTIONS: Final = "--yes, or --max-credits with a limit"


@dataclass(frozen=True, slots=True)
class Consent:
    """What the options say about spending."""

    max_credits: MaxCredits = None
    yes: Yes = False

    def as_typed(self) -> str:
        """Return the options as they would be typed again, with a blank before each word."""
        limit = None if self.max_credits is None else f"{self.max_credits:.10g}"
        return as_typed({"--max-credits": limit, "--yes": self.yes})


async def read_balance(client: AsyncCleanlist, console: Console, *, must_connect: bool) -> float | None:
    """Return the credits left, or None with a note where they cannot be read.

    Raises what shows that a run would fail too: a bad key, and no connection if that is needed.
    """
    try:
        return (await client.public.credits_balance()).credits
    except (AuthenticationError, PermissionDeniedError, RedirectedError):
        raise  # the run would fail in the same way
    except CleanlistError as error:
        if must_connect and code_for(error) in {ExitCode.CONNECTION, ExitCode.USAGE}:
            raise
        say(console, f"note: the balance could not be read: {error}")
        return None


def get_consent(plan: Plan, consent: Consent) -> float | None:
    """Ask for a yes unless spending was agreed to before, and return the credits that may be spent.

    None where nothing bounds them. Raises CommandError without a yes.
    """
    if consent.yes or plan.credits_max == 0:  # nothing to spend, nothing to ask
        return consent.max_credits
    if consent.max_credits is not None and not sys.stdin.isatty():  # as good as a yes, in a script
        return consent.max_credits
    most = worst_case(plan, consent.max_credits)
    confirm(
        f"Spend up to {'any number of credits' if most is None else plural(most, 'credit')}?",
        risk=f"this may spend {credits_range(plan)} credits",
        options=_SPENDING_OPTIONS,
        refusal="not started; nothing was sent.",
    )
    return most


def worst_case(plan: Plan, max_credits: float | None) -> float | None:
    """Return the credits that a plan may take at most; None where nothing bounds them."""
    return min((bound for bound in (plan.credits_max, max_credits) if bound is not None), default=None)


def credits_range(plan: Plan, max_credits: float | None = None) -> str:
    """Return the credits that a plan may take."""
    most = plan.credits_max
    limit = "" if max_credits is None else f", limited to {number(max_credits)}"
    if most is None:
        return f"0 or more{limit}"
    return f"0 to {most:,}{limit if max_credits is not None and max_credits < most else ''}" if most else "0"


def agree_to_spend(what: str, price: float, consent: Consent) -> None:
    """Ask whether *what* may be bought at up to *price* credits, unless that was agreed to before.

    Raises BudgetExceededError when `max_credits` is lower, CommandError without a yes. Nothing was sent then.
    """
    limit = consent.max_credits
    if limit is not None and not covers(limit, price):
        error = BudgetExceededError(
            f"{what} can cost {plural(price, 'credit')}, and --max-credits is {number(limit)}.",
            fix="Nothing was sent.",
        )
        error.max_credits, error.committed_credits = limit, 0
        raise error
    if consent.yes or limit is not None or price == 0:
        return
    can_cost = f"{what} can cost {plural(price, 'credit')}"
    confirm(f"{can_cost}. Continue?", risk=can_cost, options=_SPENDING_OPTIONS, refusal="nothing was sent.")


def choose_column(error: TableError) -> str:
    """Ask which of several columns is a field. Raises any other *error*, and where there is no terminal."""
    if not error.candidates or not sys.stdin.isatty():
        raise error
    typer.echo(f"Several columns could be {error.field}:", err=True)
    for place, header in enumerate(error.candidates, 1):
        typer.echo(f"  {place}  {clean(header)}", err=True)
    chosen = 0  # no place of any of them
    while not 1 <= chosen <= len(error.candidates):
        chosen = typer.prompt("Which of them is it?", type=int, err=True)
    return error.candidates[chosen - 1]


def confirm(question: str, *, risk: str, refusal: str, options: str = "--yes") -> None:
    """Return if the user says yes. Raises CommandError after a no, and where there is no terminal."""
    if not sys.stdin.isatty():  # a pipe or a scheduler would wait for an answer forever
        raise CommandError(f"{risk}, and there is no terminal to confirm at; pass {options}.", ExitCode.USAGE)
    if not typer.confirm(question, err=True):  # standard output is for data
        raise CommandError(refusal, ExitCode.REFUSED)
