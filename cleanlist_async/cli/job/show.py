"""What a job looks like: its plan, its pilot, where it stands, how a run ended, for people and ``--json``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from rich.console import Console

from cleanlist_async.cli.enrich.plan import FEW, show_halves_known, show_plan
from cleanlist_async.cli.terminal.exits import ExitCode, code_of_end, error_as_json, signal_as_json
from cleanlist_async.cli.terminal.render import Figures, number, plural, say, show_figures
from cleanlist_async.cli.terminal.wording import in_words
from cleanlist_async.enrich.plan import Plan
from cleanlist_async.errors import CleanlistError
from cleanlist_async.job.journal.records import ChunkState, SubmitMode
from cleanlist_async.job.pilot import Pilot
from cleanlist_async.job.reader import RuleTotal
from cleanlist_async.job.status import JobState, JobStatus
from cleanlist_async.tables import ContactTable, TableError
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
_FINISHED: Final = ("complete", "complete_with_unknown")


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
            f"{plural(self.plan.chunks, 'chunk')} of at most 250 contacts",
            self._invalid_rows(table),
            balance=balance,
            more=[lists] if self.lists_to_create else (),
        )
        show_halves_known(console, self.plan)
        say(console, f'Submit mode "{self.submit_mode}": {self.promise}.')

    def _invalid_rows(self, table: ContactTable | None) -> Iterator[tuple[int, str]]:
        few = self.plan.invalid_contacts[:FEW]
        if table is None:
            return ((index + 1, reason) for index, reason in few)
        reasons = {index: in_words(reason, table.field_headers) for index, reason in few}
        # The plan knows indexes only; the table is read again, and no further than needed, for their numbers.
        rows = (row for row in table.rows() if row.index in reasons) if reasons else iter(())
        return ((row.number, reasons[row.index]) for row in rows)


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


def status_figures(status: JobStatus, *, is_running: bool) -> Figures:
    """Return where a job stands."""
    figures = [("state", "", _state(status, is_running=is_running))]
    remark = f"including {plural(status.duplicates, 'duplicate')}" if status.duplicates else ""
    figures.append(("contacts", f"{status.contacts:,}", remark))
    return [*figures, *_results(status), *_chunks(status), *_credits(status)]


def _credits(status: JobStatus) -> Iterator[tuple[str, str, str]]:
    yield "credits", number(status.credits_spent), "spent, as reported by the server or by the price list"
    if status.credits_held:
        yield "held", number(status.credits_held), "credits at most, for results that are not final"
    if status.credits_at_risk:
        yield "in doubt", number(status.credits_at_risk), "of these, for unknown chunks"
    if status.max_credits is not None:
        yield "max credits", number(status.max_credits), ""
    if status.shortfall_credits:
        yield "missing", number(status.shortfall_credits), "credits, as reported by the server"


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


def cost_rows(costs: Sequence[RuleTotal], status: JobStatus) -> list[tuple[str, int, float, str]]:
    """Return (rule, contacts, credits, what the rule means)."""
    totals = [(total.rule, total.results, total.credits) for total in costs]
    aside = (("duplicate", status.duplicates, 0.0), ("invalid", status.invalid, 0.0))
    return [(*total, _RULES.get(total[0], "")) for total in (*totals, *aside) if total[1]]


def _finite(value: float | tuple[float, float]) -> JSON:
    if isinstance(value, tuple):
        return [_finite(end) for end in value]
    # JSON has no infinity, which is what a sample of one shows.
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


@dataclass(slots=True)
class Ending:
    """How a run ended."""

    status: JobStatus
    stopped_by: CleanlistError | None = None
    stop: ExitCode = ExitCode.DONE
    shortfall: float | None = None
    """Credits that are missing, as the server says, or else at most for all that is left."""
    pilot: Pilot | None = None
    file_error: TableError | None = None
    written: str | None = None
    notes: list[str] = field(default_factory=list[str])

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.status.state in _FINISHED and self.stopped_by is None

    @property
    def exit_code(self) -> ExitCode:
        """What the command ends with."""
        lacks = self.status.results.get("failed") or self.status.chunks.get(ChunkState.REFUSED)
        is_whole = self.status.state == "complete" and not lacks
        return code_of_end(self.stop, self.stopped_by, self.file_error, is_complete=is_whole)

    def as_json(self) -> dict[str, JSON]:
        """Return it for ``--json``."""
        stop = error_as_json(self.stopped_by or self.file_error) or signal_as_json(self.stop)
        pilot = {name: _finite(value) for name, value in asdict(self.pilot).items()} if self.pilot else None
        return {
            **status_as_json(self.status, is_running=False),
            "shortfall_credits": self.shortfall,
            "pilot": pilot,
            "file": self.written,
            "stopped_by": stop,
        }
