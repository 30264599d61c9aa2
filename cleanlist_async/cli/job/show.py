"""What a job looks like: its plan, its pilot, where it stands. For people, and for ``--json``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from rich.console import Console

from cleanlist_async.cli.enrich.file_plan import plan_as_json
from cleanlist_async.cli.terminal.render import (
    FEW,
    Figures,
    halves_known,
    number,
    plural,
    say,
    show_figures,
    show_plan,
)
from cleanlist_async.cli.terminal.wording import in_words
from cleanlist_async.enrich.plan import Plan
from cleanlist_async.job.journal.records import ChunkState, SubmitMode
from cleanlist_async.job.pilot import Pilot
from cleanlist_async.job.reader import RuleTotal
from cleanlist_async.job.status import JobState, JobStatus
from cleanlist_async.job.unknown import UnknownChunk
from cleanlist_async.tables import ContactTable
from cleanlist_async.types import JSON

_RESULTS: Final = {
    "found": "",
    "not_found": "",
    "invalid": "not bought: suppressed, or named as invalid by the server",
    "pending": "submitted, not final yet; fetched on resume",
    "unknown": "contacts that may have been bought; see job unknown",
    "failed": "the server ended their workflow, which costs nothing",
}
_CHUNKS: Final[Mapping[ChunkState, tuple[str, str]]] = {
    ChunkState.PLANNED: ("to send", "not sent yet"),
    ChunkState.SENDING: ("being sent", ""),
    ChunkState.ACCEPTED: ("open", "the server is working on them"),
    ChunkState.FETCHING: ("finished", "their results are being read"),
    ChunkState.UNKNOWN: ("unknown", "perhaps accepted; see job unknown"),
    ChunkState.REFUSED: ("refused", "by the server; tried once more on resume"),
    ChunkState.REMOTE_EXPIRED: ("expired", "the server no longer has their workflow"),
    ChunkState.ABANDONED: ("abandoned", "given up, as you decided"),
}
_RULES: Final = {
    "charged": "as reported by the server",
    "price list": "by the price list",
    "cache": "bought before",
    "none": "nothing found, or nothing bought",
    "duplicate": "bought with an earlier contact",
    "invalid": "never sent",
}


@dataclass(frozen=True, slots=True)
class Overview:
    """What a job is going to do."""

    plan: Plan
    submit_mode: SubmitMode
    promise: str
    lists_to_create: int
    was_sent: bool

    def show(self, console: Console, table: ContactTable | None, balance: float | None) -> None:
        """Show it, before anything is spent."""
        lists = ("lists", f"{self.lists_to_create:,}", "to be created in your workspace")
        show_plan(
            console,
            self.plan,
            (self.plan.requests, f"{plural(self.plan.chunks, 'chunk')} of at most 250 contacts"),
            self._invalid_rows(table),
            balance=balance,
            more=[lists] if self.lists_to_create else (),
        )
        for line in halves_known(self.plan):
            say(console, line)
        say(console, f'Submit mode "{self.submit_mode}": {self.promise}.')

    def _invalid_rows(self, table: ContactTable | None) -> Iterator[tuple[int, str]]:
        if table is None:
            return ((index + 1, reason) for index, reason in self.plan.invalid_contacts[:FEW])
        reasons = {
            index: in_words(reason, table.field_headers) for index, reason in self.plan.invalid_contacts[:FEW]
        }
        # The plan knows indexes only; the table is read again, and no further than needed, for their numbers.
        rows = (row for row in table.rows() if row.index in reasons) if reasons else iter(())
        return ((row.number, reasons[row.index]) for row in rows)

    def as_json(self) -> dict[str, JSON]:
        """Return it for ``--json``."""
        return {**plan_as_json(self.plan), "lists_to_create": self.lists_to_create}


def show_pilot(console: Console, pilot: Pilot) -> None:
    """Show what the sample suggests about all contacts."""
    low, high = pilot.hit_rate_interval
    cheap, dear = pilot.credits_per_contact_interval
    least, most = pilot.expected_credits
    show_figures(
        console,
        [
            ("pilot", f"{pilot.contacts:,}", f"contacts, for {plural(pilot.credits, 'credit')}"),
            ("hit rate", f"{pilot.hit_rate:.0%}", f"{low:.0%} to {high:.0%} of all, with 95 % confidence"),
            ("price", f"{pilot.credits_per_contact:.2f}", f"credits each; {cheap:.2f} to {dear:.2f}"),
            ("all of them", f"{least:,.0f} to {most:,.0f}", "credits at that price, including the pilot"),
        ],
    )


def pilot_as_json(pilot: Pilot) -> dict[str, JSON]:
    """Return a pilot for ``--json``; what a sample of one cannot show is null."""
    return {name: _finite(value) for name, value in asdict(pilot).items()}


def status_figures(status: JobStatus, *, is_running: bool) -> Figures:
    """Return where a job stands."""
    figures = [("state", "", _state(status, is_running=is_running))]
    if status.duplicates:
        figures.append(
            ("contacts", f"{status.contacts:,}", f"including {plural(status.duplicates, 'duplicate')}")
        )
    else:
        figures.append(("contacts", f"{status.contacts:,}", ""))
    figures += list(_results(status))
    figures += list(_chunks(status))
    return [*figures, *credit_figures(status)]


def credit_figures(status: JobStatus) -> Figures:
    """Return what a job has cost, and may still cost."""
    figures = [
        ("credits", number(status.credits_spent), "spent, as reported by the server or by the price list")
    ]
    if status.credits_held:
        figures.append(
            ("held", number(status.credits_held), "credits at most, for results that are not final")
        )
    if status.credits_at_risk:
        figures.append(("in doubt", number(status.credits_at_risk), "of these, for unknown chunks"))
    if status.max_credits is not None:
        figures.append(("max credits", number(status.max_credits), ""))
    if status.shortfall_credits:
        figures.append(("missing", number(status.shortfall_credits), "credits, as reported by the server"))
    return figures


def shown_state(state: JobState, *, is_running: bool) -> str:
    """Return the state of a job: ``stopped`` if something is left to do and no process runs it."""
    if is_running:
        return "running"
    # The journal of a killed process still says running: the lock knows better.
    return "stopped" if state == "running" else state


def status_as_json(status: JobStatus, *, is_running: bool) -> dict[str, JSON]:
    """Return where a job stands for ``--json``."""
    kept = {name: getattr(status, name) for name in JobStatus.__dataclass_fields__}
    counts = {name: {str(key): count for key, count in kept[name].items()} for name in ("chunks", "results")}
    state = shown_state(status.state, is_running=is_running)
    return {**kept, "job": status.name, **counts, "state": state, "settled": status.settled}


def unknown_as_json(chunk: UnknownChunk) -> dict[str, JSON]:
    """Return an unknown chunk for ``--json``."""
    return asdict(chunk)


def cost_rows(costs: Sequence[RuleTotal], status: JobStatus) -> list[tuple[str, int, float, str]]:
    """Return (rule, contacts, credits, what the rule means)."""
    totals = [(total.rule, total.results, total.credits) for total in costs]
    aside = (("duplicate", status.duplicates, 0.0), ("invalid", status.invalid, 0.0))
    return [(*total, _RULES.get(total[0], "")) for total in (*totals, *aside) if total[1]]


def _finite(value: float | tuple[float, float]) -> JSON:
    if isinstance(value, tuple):
        return [_finite(end) for end in value]
    # JSON has no infinity.
    return value if math.isfinite(value) else None


def _state(status: JobStatus, *, is_running: bool) -> str:
    state = shown_state(status.state, is_running=is_running)
    remark = {"stopped": "resume it", "paused": status.paused_by}.get(state)
    return state.replace("_", " ") + (f": {remark}" if remark else "")


def _results(status: JobStatus) -> Iterator[tuple[str, str, str]]:
    counts: dict[str, int] = {str(name): count for name, count in status.results.items()}
    for name, remark in _RESULTS.items():
        if counts.get(name) or name == "found":
            yield name.replace("_", " "), f"{counts.get(name, 0):,}", remark
    if status.invalid:
        yield "skipped", f"{status.invalid:,}", "invalid, never sent"


def _chunks(status: JobStatus) -> Iterator[tuple[str, str, str]]:
    for state, (name, remark) in _CHUNKS.items():
        if count := status.chunks.get(state, 0):
            yield name, f"{count:,}", f"{'chunk' if count == 1 else 'chunks'}{': ' if remark else ''}{remark}"
