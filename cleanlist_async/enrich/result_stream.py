"""Results of a run, one by one, as they come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import anyio

from cleanlist_async.enrich.report import RunOutcome, Summary
from cleanlist_async.enrich.run import BulkRun
from cleanlist_async.errors import CleanlistError
from cleanlist_async.results import EnrichmentResult


class ResultStream:
    """Yields each result as soon as it is there; use it as ``async with client.stream(...) as results``.

    After the last result it raises the error that stopped the run, if one did. Leaving the block early
    stops the run: all results that were not read are in `leftover`; those of them that were accepted and have
    not finished are in `pending`, too. Without the block, a loop that is left early stops the run as well;
    what was not read is in ``client.abandoned`` then.
    """

    _run: BulkRun | None = None

    def __init__(self, start: Callable[[], Awaitable[BulkRun]], leave: Callable[[BulkRun], None]) -> None:
        self._start = start
        self._leave = leave
        self._ended = False
        self.leftover: list[EnrichmentResult] = []

    @property
    def summary(self) -> Summary:
        """Counts so far."""
        return self._run.summary if self._run else Summary()

    @property
    def stopped_by(self) -> CleanlistError | None:
        """The error that stopped the run, or None."""
        return self._run.outcome.stopped_by if self._run else None

    @property
    def fault(self) -> CleanlistError | None:
        """The first error that kept contacts from a result, also of one after which the run went on."""
        return self._run.outcome.fault if self._run else None

    @property
    def is_for_nothing(self) -> bool:
        """Whether no contact has an outcome, from a store either, or was accepted, or refused by name."""
        statuses = self.summary.statuses
        has_outcomes = any(statuses[one] for one in ("found", "not_found", "pending", "unknown"))
        outcome = RunOutcome() if self._run is None else self._run.outcome
        return not (has_outcomes or outcome.accepted or outcome.has_refusals)

    @property
    def pending(self) -> list[EnrichmentResult]:
        """What was accepted and not finished when the run was stopped; ``client.collect`` fetches it free."""
        return [result for result in self.leftover if result.status == "pending"]

    def __del__(self) -> None:
        run = self._run
        if run is not None and not (run.finished.is_set() and run.results.is_empty):
            self._leave(run)

    async def __aenter__(self) -> Self:
        await self._started()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EnrichmentResult:
        run = await self._started()
        if (result := await run.results.take()) is not None:
            return result
        if not self._ended:
            self._ended = True  # to be raised once: who iterates again gets the end
            if (error := run.outcome.error) is not None:
                raise error
        raise StopAsyncIteration

    def ready(self, most: int) -> list[EnrichmentResult]:
        """Take up to so many further results that are there already."""
        return self._run.results.take_ready(most) if self._run else []

    async def aclose(self) -> None:
        """Stop the run if it is not over. Waits for a submit that is on its way: it may have been paid."""
        run = self._run
        if run is None:
            return
        if not run.finished.is_set():
            run.cancel()
            with anyio.CancelScope(shield=True):
                await run.finished.wait()
        self.leftover += run.results.drain()

    async def _started(self) -> BulkRun:
        if self._run is None:
            self._run = await self._start()
        return self._run
