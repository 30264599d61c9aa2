"""Waits for what was bought, with progress, and so that a stop loses nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from cleanlist_async.cli.terminal.exits import ExitCode, code_for, complain, error_as_json
from cleanlist_async.cli.terminal.progress import LineTimer
from cleanlist_async.cli.terminal.render import is_live, say
from cleanlist_async.cli.terminal.stopping import StopSignals
from cleanlist_async.errors import CleanlistError
from cleanlist_async.types import JSON

if TYPE_CHECKING:
    from rich.console import Console

S = TypeVar("S")

Show: TypeAlias = Callable[[str], None]


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
        if self.stop:
            return {"type": self.stop.name, "message": "stopped by a signal", "request_id": None}
        return error_as_json(self.stopped_by)


async def wait_for(
    console: Console,
    signals: StopSignals,
    ask: Callable[[Callable[[S], None]], Awaitable[S]],
    describe: Callable[[S], str],
) -> Waited[S]:
    """Return the answer of *ask*, which receives a callback for progress. A signal ends only the wait."""
    import anyio

    scope = anyio.CancelScope()
    with _showing(console) as show:
        try:
            # Only the wait ends: what was bought continues on the server.
            with signals.stopping(scope), scope:
                return Waited(await ask(lambda answer: show(describe(answer))))
        except CleanlistError as error:
            return Waited(stopped_by=error)
    return Waited(stop=signals.exit_code)


@contextmanager
def _showing(console: Console) -> Generator[Show]:
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
