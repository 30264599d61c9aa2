"""What is said of a run once it is over, and its exit code."""

from __future__ import annotations

from rich.console import Console

from cleanlist_async import facts
from cleanlist_async.cli.enrich.result_file import Outcome
from cleanlist_async.cli.terminal import render
from cleanlist_async.cli.terminal.exits import ExitCode, code_of_end, complain, error_as_json
from cleanlist_async.cli.terminal.stopping import StopSignals
from cleanlist_async.cli.terminal.tally import Tally
from cleanlist_async.cli.terminal.wording import at_the_command_line
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.types import JSON


def exit_code(outcome: Outcome, signals: StopSignals) -> ExitCode:
    """Return what a run exits with."""
    stop = signals.exit_code if signals.received else ExitCode.DONE
    return code_of_end(stop, outcome.stopped_by, outcome.file_error, is_complete=outcome.tally.is_complete)


def show_outcome(
    console: Console,
    outcome: Outcome,
    output: str,
    more: render.Figures = (),
    *,
    enrichment_type: EnrichmentType,
) -> None:
    """Show the closing table, then what went wrong."""
    tally, summary = outcome.tally, outcome.summary
    submits = f"{render.plural(summary.workflows, 'submit')} among them" if summary.workflows else ""
    figures = [
        *render.status_figures(tally),
        *_credit_figures(tally, enrichment_type),
        ("requests", f"{summary.requests:,}", submits),
        *more,
        ("time", render.duration(summary.elapsed_s), ""),
    ]
    render.show_figures(console, figures)
    for note in outcome.notes:
        render.say(console, f"note: {note}")
    if outcome.stopped_by is None:  # else the error below is the reason
        for status, reason in tally.reasons.items():
            render.say(console, f"{status}: {at_the_command_line(reason)}")
    if outcome.file_error is None:
        render.say(console, f"Written: {output}")
    for error in (outcome.stopped_by, outcome.file_error):
        if error is not None:
            complain(error)


def _credit_figures(tally: Tally, enrichment_type: EnrichmentType) -> render.Figures:
    """Return what this run has paid, what it may still have to pay, and what earlier ones paid."""
    figures = [
        ("credits", render.number(tally.spent_credits), "as reported by the server, else by the price list")
    ]
    price = facts.WORST_CASE_CREDITS.get(enrichment_type)
    if tally.unpriced and price != 0:
        most = "more" if price is None else f"up to {render.number(price * tally.unpriced)}"
        figures.append(("", most, "on top, for what is pending"))
    if tally.earlier_credits:
        figures.append(("earlier", render.number(tally.earlier_credits), "credits that earlier runs paid"))
    return figures


def report_pending(console: Console, pending: dict[str, int], how: str, command: str) -> None:
    """Report the contacts that are pending, and the command that fetches them."""
    contacts, workflows = sum(pending.values()), len(pending)
    are = "is" if contacts == 1 else "are"
    render.say(
        console,
        f"{render.plural(contacts, 'contact')} {are} pending in {render.plural(workflows, 'workflow')}:"
        f" submitted, perhaps paid, not finished. {how} for free:",
    )
    render.show_command(console, command)


def stop_as_json(outcome: Outcome, signals: StopSignals) -> JSON:
    """Return what stopped a run, for ``--json``; None if nothing did."""
    if error := outcome.stopped_by or outcome.file_error:
        return error_as_json(error)
    if signals.received:
        return {"type": signals.received.name, "message": f"stopped by {signals.name}", "request_id": None}
    return None
