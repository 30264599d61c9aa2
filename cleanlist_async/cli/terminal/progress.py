"""Progress of a run: a bar in a terminal, a plain line every ten seconds elsewhere, and what it waits for."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

from cleanlist_async.cli.terminal.exits import ExitCode, code_for, complain, error_as_json, signal_as_json
from cleanlist_async.cli.terminal.render import is_live, plural, say
from cleanlist_async.cli.terminal.signals import StopSignals
from cleanlist_async.cli.terminal.wording import at_the_command_line
from cleanlist_async.errors import CleanlistError
from cleanlist_async.types import JSON

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress as RichProgress

    from cleanlist_async.enrich.report import Progress
    from cleanlist_async.events.statistics import Statistics

S = TypeVar("S")

_SECONDS_BETWEEN_LINES: Final = 10.0
_MINUTE_S: Final = 60.0


class LineTimer:
    """Paces the plain lines that replace a live view where there is no terminal."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_at = clock() + _SECONDS_BETWEEN_LINES

    def is_due(self) -> bool:
        """Whether it is time for the next line; the one after it is due ten seconds later."""
        if self._clock() < self._next_at:
            return False
        self._next_at = self._clock() + _SECONDS_BETWEEN_LINES
        return True


class Waits:
    """What a run waits for, which changes with time alone."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at_server = 0
        self._oldest_at = 0.0
        self._opens_at: float | None = None
        self._needs_credits = False

    def update(self, progress: Progress) -> None:
        """Take the workflows at the server from *progress*."""
        self._at_server = progress.at_server
        self._oldest_at = self._clock() - progress.oldest_s
        self._needs_credits = progress.waits_for_credits

    def tick(self, statistics: Statistics) -> None:
        """Take from *statistics* when the next request may be sent."""
        wait_s = max(statistics.eta_s if statistics.waiting else 0.0, statistics.paused_for_s)
        self._opens_at = self._clock() + wait_s if wait_s >= 1 else None

    def __str__(self) -> str:
        now, parts = self._clock(), list[str]()
        if self._at_server:
            age = clock_time(now - self._oldest_at, short=True)
            parts.append(f"{plural(self._at_server, 'workflow')} at the server, oldest {age}")
        if self._opens_at is not None and self._opens_at > now:
            parts.append(f"next request in {clock_time(self._opens_at - now, short=True)}")
        if self._needs_credits:
            parts.append("waiting for credits that may come back to the budget")
        return "; ".join(parts)


class Bar:
    """A progress bar on one line of 80 columns, and below it what is waited for."""

    def __init__(self, bars: RichProgress, total: int, window_s: float, waits: Waits) -> None:
        self._bars = bars
        self._task = bars.add_task("", total=total, credits="0 credits", rate="", limit="", left="")
        self._window_s = window_s
        self._waits = waits

    def tick(self, statistics: Statistics) -> None:
        """Show what is waited for, while nothing else happens. Called once a second."""
        self._waits.tick(statistics)

    def update(self, progress: Progress, statistics: Statistics) -> None:
        """Show this state."""
        self._waits.update(progress)
        self._bars.update(
            self._task,
            completed=progress.done,
            credits=plural(progress.credits, "credit"),
            rate=_rate(progress),
            limit=limit_use(statistics, self._window_s, "req"),
            left=_left(progress),
        )


class Lines:
    """A plain line now and then, for logs."""

    def __init__(
        self, console: Console, window_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._window_s = window_s
        self._timer = LineTimer(clock)
        self._waits = Waits(clock)
        self._state: tuple[str, ...] = ()

    def update(self, progress: Progress, statistics: Statistics) -> None:
        """Show this state, if the last line is old enough."""
        self._waits.update(progress)
        total = f" of {progress.total:,}" if progress.total is not None else ""
        self._state = (
            f"{progress.done:,}{total} contact{'' if progress.total == 1 else 's'}",
            plural(progress.credits, "credit"),
            _rate(progress),
            limit_use(statistics, self._window_s, "req"),
            _left(progress),
        )
        self._show()

    def tick(self, statistics: Statistics) -> None:
        """Show the last state and what is waited for, if the last line is old enough."""
        self._waits.tick(statistics)
        self._show()

    def _show(self) -> None:
        parts = [part for part in (*self._state, str(self._waits)) if part]
        if parts and self._timer.is_due():
            say(self._console, ", ".join(parts))


Display: TypeAlias = Bar | Lines


@contextmanager
def showing(
    console: Console, total: int, window_s: float, clock: Callable[[], float] = time.monotonic
) -> Generator[Display]:
    """Show progress while the context lasts."""
    if not is_live(console):
        yield Lines(console, window_s, clock)
        return
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as RichProgress

    waits = Waits(clock)

    class Bars(RichProgress):
        def get_renderables(self) -> Iterable[RenderableType]:
            # Made anew for each picture: the age of a workflow grows while nothing happens.
            yield from super().get_renderables()
            yield str(waits)

    bars = Bars(
        BarColumn(bar_width=None),
        TextColumn("{task.completed:,}/{task.total:,}"),
        *(TextColumn(f"{{task.fields[{name}]}}") for name in ("credits", "rate", "limit", "left")),
        console=console,
        expand=True,
        refresh_per_second=8,
        transient=True,
    )
    with bars:
        yield Bar(bars, total, window_s, waits)


class WarningLines(logging.Handler):
    """Shows the library's warnings as plain lines, without their tracebacks."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Show one warning."""
        say(self._console, f"note: {at_the_command_line(record.getMessage())}")


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


def limit_use(statistics: Statistics, window_s: float, unit: str) -> str:
    """Return how much of the tightest limit is in use, such as ``12/30 req/min``; nothing without a limit."""
    uses = [(bucket.limit - bucket.available, bucket.limit) for bucket in statistics.buckets if bucket.limit]
    if not uses:
        return ""
    used, limit = max(uses, key=lambda use: use[0] / use[1])
    window = "min" if window_s == _MINUTE_S else f"{window_s:g} s"
    return f"{used}/{limit} {unit}/{window}"


def clock_time(seconds: float, *, short: bool = False) -> str:
    """Return a duration as a clock shows it: ``1:02:03``, or ``2:03`` below an hour; *short*: ``12 s``."""
    if short and seconds < 100:
        return f"{max(0, seconds):.0f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _rate(progress: Progress) -> str:
    return f"{progress.done / progress.elapsed_s:,.0f}/s" if progress.elapsed_s >= 1 else ""


def _left(progress: Progress) -> str:
    is_known = progress.eta_s is not None and progress.eta_s >= 1
    return f"{clock_time(progress.eta_s or 0)} left" if is_known else ""


@dataclass(frozen=True, slots=True)
class Waited(Generic[S]):
    """The last answer, or what ended the wait before it: an error, or a signal."""

    answer: S | None = None
    stopped_by: CleanlistError | None = None
    stop: ExitCode = ExitCode.DONE

    @property
    def exit_code(self) -> ExitCode:
        """What the command ends with."""
        return self.stop if self.stopped_by is None else code_for(self.stopped_by)

    def report(self, console: Console, next_step: str) -> None:
        """Report what ended the wait, and *next_step*."""
        if self.stopped_by is not None:
            complain(self.stopped_by)
        if self.stop or self.stopped_by is not None:
            say(console, next_step)

    def as_json(self) -> JSON:
        """Return what ended the wait for ``--json``."""
        return signal_as_json(self.stop) or error_as_json(self.stopped_by)


async def wait_for(
    console: Console,
    signals: StopSignals,
    wait_s: float | None,
    ask: Callable[[float, Callable[[S], None]], Awaitable[S]],
    describe: Callable[[S], str],
) -> Waited[S]:
    """Return the answer of *ask*, which is given the time and a callback for progress; None is no wait.

    A signal ends only the wait.
    """
    import anyio

    if wait_s is None:
        return Waited()
    scope = anyio.CancelScope()
    with _status_line(console) as show:
        try:
            # Only the wait ends: what was bought continues on the server.
            with signals.stopping(scope), scope:
                return Waited(await ask(wait_s, lambda answer: show(describe(answer))))
        except CleanlistError as error:
            return Waited(stopped_by=error)
    return Waited(stop=signals.exit_code)


@contextmanager
def _status_line(console: Console) -> Generator[Callable[[str], None]]:
    """Show a changing line in a terminal, and a new line now and then elsewhere."""
    if is_live(console):
        with console.status("waiting") as status:
            yield status.update
        return
    timer = LineTimer()

    def show(line: str) -> None:
        if timer.is_due():
            say(console, line)

    yield show
