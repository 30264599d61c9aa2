"""What the parts of a running job share."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal, TypeAlias

from cleanlist_async.enrich.report import RunOutcome
from cleanlist_async.enrich.result_sink import ChangeSignal
from cleanlist_async.errors import CleanlistError
from cleanlist_async.ratelimit import RateLimiter

WaitsFor: TypeAlias = Literal["workflows", "credits", "connection", "evidence"]
"""Why nothing is sent right now: the limit of open workflows is reached; reserved credits may come back; the
last attempt failed; only chunks with an unknown outcome are left."""


class RunState:
    """The state of a run: whether it should stop, why it waits, and how many workflows are open."""

    def __init__(self, limiter: RateLimiter, max_open: int) -> None:
        self.outcome = RunOutcome(is_remembered=True)
        self.change = ChangeSignal(limiter)
        self.waits_for: WaitsFor | None = None
        self.open_workflows = 0
        self._max_open = max_open

    @property
    def is_stopping(self) -> bool:
        """Whether nothing more will be sent."""
        return self.outcome.stopped_by is not None

    def stop(self, error: CleanlistError) -> None:
        """Send nothing more. Workflows that were accepted are still waited for."""
        # The first error is the cause; later ones are often its consequences.
        if self.outcome.stopped_by is None:
            self.outcome.stopped_by = error
        self.change.set()  # a task that waits for room or credits must see it

    @contextmanager
    def waiting_for(self, what: WaitsFor) -> Generator[None]:
        """Show that the run waits for *what* within the block."""
        self.waits_for = what
        try:
            yield
        finally:
            self.waits_for = None

    async def room(self) -> None:
        """Wait until another workflow may be opened, or the run is to stop."""
        with self.waiting_for("workflows"):
            while self.open_workflows >= self._max_open and not self.is_stopping:
                await self.change.wait()
