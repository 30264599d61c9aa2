"""The live view of a job: its progress, its cost, and what it is waiting for."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cleanlist_async.cli.terminal.progress import LineTimer, clock_time, limit_use
from cleanlist_async.cli.terminal.render import is_live, number, plural, say
from cleanlist_async.cli.terminal.signals import Terminal
from cleanlist_async.events.statistics import Statistics
from cleanlist_async.job.journal.records import ChunkState
from cleanlist_async.job.status import JobStatus, WaitsFor

_RATE_AFTER_S: Final = 5.0
_OPEN: Final = (ChunkState.SENDING, ChunkState.ACCEPTED, ChunkState.FETCHING)


@dataclass(frozen=True, slots=True)
class Scene:
    """What the view shows at one moment; `pilot` is the number of contacts to be bought, if not all."""

    status: JobStatus
    statistics: Statistics
    waits_for: WaitsFor | None
    pilot: int | None = None

    @property
    def total(self) -> int:
        """Contacts that need a result of their own."""
        return self.status.contacts - self.status.duplicates if self.pilot is None else self.pilot

    @property
    def done(self) -> int:
        """How many of these contacts have their result."""
        return self.status.settled if self.pilot is None else self.status.settled - self.status.invalid

    @property
    def open_workflows(self) -> int:
        """Chunks that the server is working on."""
        return sum(self.status.chunks.get(state, 0) for state in _OPEN)

    def credits(self) -> str:
        """Return what was spent, and what else may be."""
        status = self.status
        parts = [f"{plural(status.credits_spent, 'credit')} spent", f"{number(status.credits_held)} held"]
        if status.credits_at_risk:
            parts.append(f"{number(status.credits_at_risk)} of them in doubt")
        limit = f", of {number(status.max_credits)}" if status.max_credits is not None else ""
        return ", ".join(parts) + limit

    def waiting(self) -> str:
        """Return what the job is waiting for."""
        chunks = self.status.chunks
        unknown = chunks.get(ChunkState.UNKNOWN, 0)
        match self.waits_for:
            case "workflows":
                return f"waiting for one of {plural(self.open_workflows, 'open workflow')}"
            case "credits":
                count = self.open_workflows
                holders = plural(count, "open workflow") if count else "open workflows"
                return f"waiting for credits that {holders} may give back to the budget"
            case "connection":
                return "the last attempt failed; trying again"
            case "evidence" if not self.open_workflows:
                return f"waiting for evidence on {plural(unknown, 'unknown chunk')}"
            case _:
                return self._at_work(chunks.get(ChunkState.PLANNED, 0) if self.pilot is None else 0)

    def _at_work(self, planned: int) -> str:
        if planned:
            pace = "paced by the rate limit" if self.statistics.waiting else "submitting"
            return f"{pace}; {plural(planned, 'chunk')} to go"
        return f"waiting for {plural(self.open_workflows, 'workflow')}" if self.open_workflows else ""


class Pace:
    """How fast contacts are settled, measured from the first ones of this run, which had to wait longest."""

    def __init__(self) -> None:
        self._at_start: int | None = None
        self._first: tuple[float, int] | None = None

    def rate(self, done: int) -> float | None:
        """Return contacts per second; None while too few are settled."""
        if self._at_start is None:
            self._at_start = done
        # Until the first workflow ends nothing is settled; counting that time would show too low a rate.
        if self._first is None and done > self._at_start:
            self._first = time.monotonic(), done
        if self._first is None:
            return None
        since, before = self._first
        elapsed_s, gained = time.monotonic() - since, done - before
        return gained / elapsed_s if gained > 0 and elapsed_s >= _RATE_AFTER_S else None

    def describe(self, scene: Scene) -> tuple[str, str]:
        """Return the rate, and the time that is left, as text."""
        rate = self.rate(scene.done)
        if rate is None:
            return "", ""
        if scene.waits_for == "credits":  # what is left may not be sent at all
            return _per_time(rate), ""
        # The rate of this run, not of the job: what an earlier run settled took no time now.
        left_s = (scene.total - scene.done) / rate
        return _per_time(rate), f"{clock_time(left_s)} left"


class Panel:
    """Three lines of at most 80 columns that change in their place."""

    def __init__(self, live: Live, window_s: float, terminal: Terminal) -> None:
        self._live = live
        self._window_s = window_s
        self._terminal = terminal
        self._pace = Pace()

    def show(self, scene: Scene) -> None:
        """Show a scene, as long as there is a terminal."""
        if self._terminal.is_gone:
            # Rich would go on drawing on a terminal that is gone.
            self._live.stop()
        else:
            self._live.update(self._lines(scene))

    def _lines(self, scene: Scene) -> RenderableType:
        rate, left = self._pace.describe(scene)
        first = Table.grid(padding=(0, 2, 0, 0), expand=True)
        first.add_column(ratio=1)
        for _ in range(3):
            first.add_column(no_wrap=True)
        count = f"{scene.done:,}/{scene.total:,}"
        first.add_row(ProgressBar(total=max(1, scene.total), completed=scene.done), count, rate, left)
        use = limit_use(scene.statistics, self._window_s, "requests")
        last = " · ".join(filter(None, (use, scene.waiting())))
        return Group(first, *(_line(text) for text in (scene.credits(), last)))


class Lines:
    """A plain line now and then, for logs."""

    def __init__(self, console: Console, window_s: float) -> None:
        self._console = console
        self._window_s = window_s
        self._timer = LineTimer()
        self._pace = Pace()

    def show(self, scene: Scene) -> None:
        """Show a scene, if the last line is old enough."""
        rate, left = self._pace.describe(scene)  # at each scene, since it measures from the first
        if not self._timer.is_due():
            return
        parts = (
            f"{scene.done:,} of {scene.total:,} contacts",
            scene.credits(),
            rate,
            left,
            limit_use(scene.statistics, self._window_s, "requests"),
            scene.waiting(),
        )
        say(self._console, "; ".join(part for part in parts if part))


View: TypeAlias = Panel | Lines


@contextmanager
def showing(console: Console, window_s: float, terminal: Terminal) -> Generator[View]:
    """Show a job while the context lasts."""
    if not is_live(console):
        yield Lines(console, window_s)
        return
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        yield Panel(live, window_s, terminal)


def _per_time(rate: float) -> str:
    return f"{rate:,.0f}/s" if rate >= 1 else f"{rate * 60:,.0f}/min"


def _line(text: str) -> Text:
    return Text(text, style="dim", no_wrap=True, overflow="ellipsis")
