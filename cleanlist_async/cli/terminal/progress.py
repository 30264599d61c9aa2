"""Progress of a run: a bar in a terminal, a plain line every ten seconds elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from cleanlist_async.cli.terminal.render import say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress

    from cleanlist_async.enrich.report import Progress
    from cleanlist_async.events.statistics import Statistics

_SECONDS_BETWEEN_LINES: Final = 10.0
_MINUTE_S: Final = 60.0


class Display(Protocol):
    """Shows where a run stands."""

    def update(self, progress: Progress, statistics: Statistics) -> None:
        """Show this state."""
        ...


class Bar:
    """A progress bar on one line of 80 columns."""

    def __init__(self, bars: RichProgress, total: int, window_s: float) -> None:
        self._bars = bars
        self._task = bars.add_task("", total=total, credits="0", rate="", limit="", left="")
        self._window_s = window_s

    def update(self, progress: Progress, statistics: Statistics) -> None:
        """Show this state."""
        self._bars.update(
            self._task,
            completed=progress.done,
            credits=f"{progress.credits:,.10g}",
            rate=_rate(progress),
            limit=_limit(statistics, self._window_s),
            left=_left(progress),
        )


class Lines:
    """A plain line now and then, for logs."""

    def __init__(
        self, console: Console, window_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._window_s = window_s
        self._clock = clock
        self._next_at = clock() + _SECONDS_BETWEEN_LINES

    def update(self, progress: Progress, statistics: Statistics) -> None:
        """Show this state, if the last line is old enough."""
        if self._clock() < self._next_at:
            return
        self._next_at = self._clock() + _SECONDS_BETWEEN_LINES
        total = f" of {progress.total:,}" if progress.total is not None else ""
        parts = (
            f"{progress.done:,}{total} contacts",
            f"{progress.credits:,.10g} credits",
            _rate(progress),
            _limit(statistics, self._window_s),
            _left(progress),
        )
        say(self._console, ", ".join(part for part in parts if part))


@contextmanager
def showing(console: Console, total: int, window_s: float) -> Generator[Display]:
    """Show progress while the context lasts."""
    if not console.is_terminal:
        yield Lines(console, window_s)
        return
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as RichProgress

    bars = RichProgress(
        BarColumn(bar_width=None),
        TextColumn("{task.completed:,}/{task.total:,}"),
        TextColumn("{task.fields[credits]} credits"),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[limit]}"),
        TextColumn("{task.fields[left]}"),
        console=console,
        expand=True,
        refresh_per_second=8,
        transient=True,
    )
    with bars:
        yield Bar(bars, total, window_s)


class WarningLines(logging.Handler):
    """Shows the library's warnings as plain lines, without their tracebacks."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Show one."""
        say(self._console, f"note: {record.getMessage()}")


@contextmanager
def warnings_shown(console: Console) -> Generator[None]:
    """Show the library's warnings while the context lasts."""
    log, handler = logging.getLogger("cleanlist_async"), WarningLines(console)
    log.addHandler(handler)
    # The handlers of the root logger would print each warning a second time.
    log.propagate, before = False, log.propagate
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = before


def window_use(statistics: Statistics) -> tuple[int, int]:
    """Return how much of the tightest limit is in use, and that limit, in requests."""
    uses = [(bucket.limit - bucket.available, bucket.limit) for bucket in statistics.buckets if bucket.limit]
    return max(uses, key=lambda use: use[0] / use[1], default=(0, 0))


def _limit(statistics: Statistics, window_s: float) -> str:
    used, limit = window_use(statistics)
    window = "min" if window_s == _MINUTE_S else f"{window_s:g} s"
    return f"{used}/{limit} req/{window}" if limit else ""


def _rate(progress: Progress) -> str:
    return f"{progress.done / progress.elapsed_s:,.0f}/s" if progress.elapsed_s >= 1 else ""


def _left(progress: Progress) -> str:
    if progress.eta_s is None or progress.eta_s < 1:
        return ""
    minutes, seconds = divmod(round(progress.eta_s), 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}") + " left"
