"""One poll scheduler for all workflows of a client: late enough to ask once, early enough to be quick."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

import anyio

from cleanlist_async import facts
from cleanlist_async.calls import Call, CallOptions
from cleanlist_async.errors import CleanlistError, ConfigurationError, NotFoundError
from cleanlist_async.patience import LATE_STEP, Patience
from cleanlist_async.pipeline import Pipeline
from cleanlist_async.ratelimit import RequestClass

_ASKED_AT_ONCE: Final = 8
"""Status requests in the limiter's line at once. More would age past interactive calls."""
_SCOUTS: Final = 2
_FIRST_GAP: Final = 1 / 60
_LONGEST_GAP: Final = 1 / 4
_LAST_LOOK: Final = 1 / 20
"""In windows, for one who waits for a single workflow: asked after 1 s, then at most 15 s apart while tokens
are idle, and for the last time 3 s before giving up (of a minute)."""


class Status(Protocol):
    """Any answer that says whether a workflow is done."""

    @property
    def is_final(self) -> bool:
        """Whether the server is done."""
        ...


S = TypeVar("S", bound=Status)


def _tell_nobody(_answer: object) -> None:
    pass


@dataclass(eq=False, slots=True)
class _Open(Generic[S]):
    """A workflow somebody waits for. `question` is the call that asks about it."""

    question: Call[S]
    submitted_at: float
    options: CallOptions
    is_new: bool
    tell: Callable[[S], None]
    patience: Patience
    done: anyio.Event = field(default_factory=anyio.Event)
    until: float | None = None
    asked: int = 0
    last_age_s: float = 0.0
    asking: anyio.CancelScope | None = None
    answer: S | None = None
    error: Exception | None = None


class PollScheduler:
    """Waits for workflows on behalf of everybody in one client."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._limiter = pipeline.limiter
        self._patience: dict[str, Patience] = {}
        self._open: dict[_Open[Any], None] = {}
        self._changed = anyio.Event()
        self._running = False

    def patience(self, operation: str) -> Patience:
        """Return what the answers to a status *operation* have taught: each kind of work has its pace."""
        return self._patience.setdefault(operation, Patience(self._limiter.limits.window_s))

    async def finished(
        self,
        question: Call[S],
        *,
        submitted_at: float,
        options: CallOptions,
        is_new: bool = True,
        tell: Callable[[S], None] = _tell_nobody,
        until: float | None = None,
    ) -> S:
        """Return the last answer to *question*, the status of a workflow, once it is final.

        *submitted_at* is a time of the limiter's clock; of our own submit, if the workflow *is_new*. Each
        answer is passed to *tell*. *until* is the time at which one gives up who waits for this workflow
        alone: it is asked about more often while tokens are idle, and once more shortly before that. Raises
        the error of the status request when it keeps failing; a 404 within ten minutes of the submit only
        means that a replica lags.
        """
        patience = self.patience(question.operation.name)
        waiting = _Open(question, submitted_at, options, is_new, tell, patience, until=until)
        self._open[waiting] = None
        try:
            self._start()
            await waiting.done.wait()
        finally:
            del self._open[waiting]
            if waiting.asking is not None:
                waiting.asking.cancel()
            self._wake()
        if waiting.error is not None:
            raise waiting.error
        assert waiting.answer is not None  # noqa: S101  # done without an error means an answer
        return waiting.answer

    @property
    def overdue(self) -> int:
        """How many workflows should have been asked about by now."""
        now = self._limiter.clock()
        return sum(_is_overdue(waiting, now) for waiting in self._open)

    # -- the schedule --------------------------------------------------------------------------

    def _start(self) -> None:
        self._wake()
        if not self._running:
            self._pipeline.root.spawn(self._run)
            self._running = True

    def _wake(self) -> None:
        self._changed.set()

    async def _run(self) -> None:
        try:
            while self._open and not self._pipeline.root.closed:
                self._changed = anyio.Event()
                sleep_s = self._ask_due()
                with anyio.move_on_after(sleep_s):
                    await self._changed.wait()
        finally:
            self._running = False
            for waiting in self._open:  # only when the client is being closed
                waiting.error = ConfigurationError("The client was closed while a workflow was waited for.")
                waiting.done.set()

    def _ask_due(self) -> float:
        """Start asking about every workflow that is due; return the seconds until the next one is."""
        now = self._limiter.clock()
        idle = [waiting for waiting in self._open if waiting.asking is None]
        streak = max((patience.streak for patience in self._patience.values()), default=0)
        places = min(_ASKED_AT_ONCE, 1 + streak) - (len(self._open) - len(idle))
        next_s = math.inf
        saturated = self._limiter.waiting(RequestClass.SUBMIT) > 0
        eager = {key: not saturated and self._is_idle(key) for key in {one.question.key for one in idle}}
        for position, waiting in enumerate(idle):
            age = now - waiting.submitted_at
            scout = position < (1 if saturated else _SCOUTS)
            wait_s = self._ask_age(waiting, eager=eager[waiting.question.key], scout=scout) - age
            if wait_s > 0:
                next_s = min(next_s, wait_s)
            elif places > 0:
                places -= 1
                waiting.asking = anyio.CancelScope()
                self._pipeline.root.spawn(self._ask, waiting, waiting.asking)
        # Whether tokens are idle changes without telling us.
        return max(0.01, min(next_s, self._limiter.limits.window_s / 30))

    def _ask_age(self, waiting: _Open[Any], *, eager: bool, scout: bool) -> float:
        if waiting.is_new:
            age = waiting.patience.ask_at(waiting.last_age_s, eager=eager, scout=scout)
        else:
            age = waiting.asked and 1.0 + 1.5 * waiting.last_age_s
        return age if waiting.until is None else min(age, self._single_ask_age(waiting, eager=eager))

    def _single_ask_age(self, waiting: _Open[Any], *, eager: bool) -> float:
        """Return the age at which one who waits for this workflow alone would ask at the latest."""
        window_s, last_s = self._limiter.limits.window_s, waiting.last_age_s
        gives_up = (waiting.until or 0.0) - waiting.submitted_at
        last_look = gives_up - min(_LAST_LOOK * window_s, gives_up / 10)
        age = last_look if last_s < last_look else math.inf
        if not eager:
            return age
        return min(age, max(_FIRST_GAP * window_s, min(2 * last_s, last_s + _LONGEST_GAP * window_s)))

    def _is_idle(self, key: str | None) -> bool:
        """Whether so many tokens of a key are free that a question too early costs little.

        That is half of them for everybody; or at the end of a run, five for each workflow that is left.
        """
        route, left = self._pipeline.route, len(self._open)
        free = self._limiter.available(route.only(key) if key else route)
        return (free * 2 > self._limiter.limits.key and left * 2 <= max(free, 2)) or left * 5 <= free

    # -- one question --------------------------------------------------------------------------

    async def _ask(self, waiting: _Open[Any], scope: anyio.CancelScope) -> None:
        with scope:
            try:
                self._pipeline.counters.status_requests += 1
                answer = (await self._pipeline.call(waiting.question, waiting.options)).value
                self._learn(waiting, answer)
            except CleanlistError as error:
                self._learn_failure(waiting, error)
        waiting.asking = None
        self._wake()

    def _learn(self, waiting: _Open[S], answer: S) -> None:
        age = self._note_asked(waiting)
        try:
            waiting.tell(answer)
        except Exception as error:  # noqa: BLE001  # a callback's own mistake is for its owner, not for us
            waiting.error = error
            waiting.done.set()
            return
        if answer.is_final:
            waiting.answer = answer
            waiting.done.set()
        if not waiting.is_new:
            return
        if answer.is_final:
            waiting.patience.was_finished(age)
        else:
            waiting.patience.was_unfinished(age, first=waiting.asked == 1)

    def _learn_failure(self, waiting: _Open[Any], error: CleanlistError) -> None:
        age = self._note_asked(waiting)
        if isinstance(error, NotFoundError) and waiting.is_new and age < facts.NEW_WORKFLOW_GRACE_S:
            return
        waiting.error = error
        waiting.done.set()

    def _note_asked(self, waiting: _Open[Any]) -> float:
        waiting.asked += 1
        waiting.last_age_s = self._limiter.clock() - waiting.submitted_at
        return waiting.last_age_s


def _is_overdue(waiting: _Open[Any], now: float) -> bool:
    due = waiting.patience.due_age_s
    return due is not None and now - waiting.submitted_at >= max(due, LATE_STEP * waiting.last_age_s)
