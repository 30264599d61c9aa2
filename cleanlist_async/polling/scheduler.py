"""One poll scheduler for all workflows of a client: late enough to ask once, early enough to be quick."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import anyio

from cleanlist_async import facts
from cleanlist_async.errors import CleanlistError, ConfigurationError, NotFoundError
from cleanlist_async.http.calls import Call
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.polling.estimator import LATE_STEP, Patience
from cleanlist_async.polling.push import Push
from cleanlist_async.ratelimit import RequestClass

if TYPE_CHECKING:
    from cleanlist_async.events import WorkflowFinished

_ASKED_AT_ONCE: Final = 8
"""Status requests of one class in the limiter's line at once. More would age past interactive calls."""
_SCOUTS: Final = 2
_FIRST_GAP: Final = 1 / 60
_LONGEST_GAP: Final = 1 / 4
_LAST_LOOK: Final = 1 / 20
"""In windows, for one who waits for a single workflow: asked after 1 s, then at most 15 s apart while tokens
are idle, and for the last time 3 s before giving up (of a minute)."""
_SILENT_PUSHES: Final = 3
"""Workflows in a row whose webhook stayed away before the next are asked about as if they had none."""


class Status(Protocol):
    """Any answer that says whether a workflow is done."""

    @property
    def is_final(self) -> bool:
        """Whether the server is done."""
        ...

    @property
    def status(self) -> str:
        """The server's own word for it."""
        ...


S = TypeVar("S", bound=Status)


def _tell_nobody(_answer: object) -> None:
    pass


def wait_for_good() -> float | None:
    """Give up at no time."""
    return None


@dataclass(eq=False, slots=True)
class _Open(Generic[S]):
    """A workflow somebody waits for. `question` is the call that asks about it."""

    question: Call[S]
    submitted_at: float
    options: CallOptions
    is_new: bool
    tell: Callable[[S], None]
    patience: Patience
    context: Context = field(default_factory=copy_context)
    """Of whoever waits: what is sent for them belongs to their trace."""
    done: anyio.Event = field(default_factory=anyio.Event)
    until: Callable[[], float | None] = wait_for_good
    push: Push[S] | None = None
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
        self._silent_pushes = _SILENT_PUSHES - 1  # until one has come, a single one that stays away will do

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
        until: Callable[[], float | None] = wait_for_good,
        push: Push[S] | None = None,
    ) -> S:
        """Return the last answer to *question*, the status of a workflow, once it is final.

        *submitted_at* is a time of the limiter's clock; of our own submit, if the workflow *is_new*. Each
        answer is passed to *tell*. *until* returns the time at which one gives up who waits for this workflow
        alone, and then that of the next one who does: it is asked about more often while tokens are idle,
        and once more shortly before each of these times. While
        a *push* is expected, nothing is asked unless it stays away or is a hint only. Raises the error of
        the status request when it keeps failing; a 404 within ten minutes of the submit only means that a
        replica lags.
        """
        patience = self.patience(question.operation.name)
        waiting = _Open(question, submitted_at, options, is_new, tell, patience, until=until, push=push)
        self._open[waiting] = None
        if push is not None:
            push.wake = self._wake
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
        self._pipeline.events.emit(_end_of(waiting, waiting.answer, self._limiter.clock()))
        return waiting.answer

    @property
    def overdue(self) -> int:
        """How many workflows should have been asked about by now."""
        now = self._limiter.clock()
        return sum(self._is_overdue(waiting, now) for waiting in self._open)

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
        for waiting in self._open:
            self._take_push(waiting)
        idle = [waiting for waiting in self._open if waiting.asking is None and not waiting.done.is_set()]
        streak = max((patience.streak for patience in self._patience.values()), default=0)
        places = dict.fromkeys(RequestClass, min(_ASKED_AT_ONCE, 1 + streak))
        for waiting in self._open:
            places[waiting.question.kind] -= waiting.asking is not None
        next_s = math.inf
        saturated = self._limiter.waiting(RequestClass.SUBMIT) > 0
        eager = {key: not saturated and self._is_idle(key) for key in {one.question.key for one in idle}}
        scouts = self._scouts(idle, eager, 1 if saturated else _SCOUTS)
        for waiting in idle:
            age = now - waiting.submitted_at
            scout = waiting in scouts
            wait_s = self._ask_age(waiting, eager=eager[waiting.question.key], scout=scout) - age
            if wait_s > 0:
                next_s = min(next_s, wait_s)
            elif places[waiting.question.kind] > 0:
                places[waiting.question.kind] -= 1
                waiting.asking = anyio.CancelScope()
                waiting.context.run(self._pipeline.root.spawn, self._ask, waiting, waiting.asking)
        # Whether tokens are idle changes without telling us.
        return max(0.01, min(next_s, self._limiter.limits.window_s / 30))

    def _scouts(
        self, idle: Sequence[_Open[Any]], eager: Mapping[str | None, bool], count: int
    ) -> list[_Open[Any]]:
        """Return which workflows are asked to learn how long their kind takes.

        The oldest, while tokens are idle. Else each time another, so that a slow one misleads nobody.
        """
        scouts: list[_Open[Any]] = []
        for patience in self._patience.values():
            if patience.due_age_s is None:
                new = [waiting for waiting in idle if waiting.patience is patience]
                few = 1 if any(self._relies_on(waiting.push) for waiting in new) else count
                scouts += nsmallest(few, new, lambda one: 0 if eager[one.question.key] else one.asked)
        return scouts

    def _ask_age(self, waiting: _Open[Any], *, eager: bool, scout: bool) -> float:
        if waiting.push is not None and waiting.push.is_hint:
            age = 0.0
        elif waiting.is_new and self._relies_on(waiting.push):
            age = waiting.patience.silent_at(waiting.last_age_s, eager=eager, scout=scout)
        elif waiting.is_new:
            age = waiting.patience.ask_at(waiting.last_age_s, eager=eager, scout=scout)
        else:
            age = waiting.asked and 1.0 + 1.5 * waiting.last_age_s
        if (until := waiting.until()) is None:
            return age
        eager = eager and not self._relies_on(waiting.push)
        return min(age, self._single_ask_age(waiting, until, eager=eager))

    def _single_ask_age(self, waiting: _Open[Any], until: float, *, eager: bool) -> float:
        """Return the age at which one who waits for this workflow alone would ask at the latest."""
        window_s, last_s = self._limiter.limits.window_s, waiting.last_age_s
        gives_up = until - waiting.submitted_at
        last_look = gives_up - min(_LAST_LOOK * window_s, gives_up / 10)
        age = last_look if last_s < last_look else math.inf
        if not eager:
            return age
        return min(age, max(_FIRST_GAP * window_s, min(2 * last_s, last_s + _LONGEST_GAP * window_s)))

    def _is_idle(self, key: str | None) -> bool:
        """Whether so many tokens of a key are free that a question too early costs little.

        That is half of them for everybody; or at the end of a run, three for each workflow that is left.
        """
        route = self._pipeline.route
        free = self._limiter.available(route.only(key) if key else route) - self._pipeline.submits_in_line
        left = sum(waiting.question.key == key for waiting in self._open)
        return (free * 2 > self._limiter.limits.key and left * 2 <= max(free, 2)) or left * 3 <= free

    def _is_overdue(self, waiting: _Open[Any], now: float) -> bool:
        due = waiting.patience.due_age_s
        if due is not None and self._relies_on(waiting.push):
            due = waiting.patience.silent_at(waiting.last_age_s, eager=False, scout=False)
        return due is not None and now - waiting.submitted_at >= max(due, LATE_STEP * waiting.last_age_s)

    # -- news that come on their own -----------------------------------------------------------

    def _relies_on(self, push: Push[Any] | None) -> bool:
        """Whether to wait for a push, as long as it may still come."""
        return push is not None and push.is_expected and self._silent_pushes < _SILENT_PUSHES

    def _take_push(self, waiting: _Open[S]) -> None:
        """Finish a workflow whose push says what it came to."""
        push = waiting.push
        if push is None or push.answer is None or waiting.done.is_set():
            return
        self._silent_pushes = 0
        if waiting.is_new:
            waiting.patience.was_pushed(self._limiter.clock() - waiting.submitted_at)
        if self._tell(waiting, push.answer):
            waiting.answer = push.answer
            waiting.done.set()

    # -- one question --------------------------------------------------------------------------

    async def _ask(self, waiting: _Open[Any], scope: anyio.CancelScope) -> None:
        if waiting.push is not None and waiting.push.is_hint:
            waiting.push.is_hint = False
            self._silent_pushes = 0
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
        if not self._tell(waiting, answer):
            return
        if answer.is_final:
            self._silent_pushes += self._relies_on(waiting.push)
            waiting.answer = answer
            waiting.done.set()
        if not waiting.is_new:
            return
        if answer.is_final:
            waiting.patience.was_finished(age)
        else:
            waiting.patience.was_unfinished(age, first=waiting.asked == 1)

    def _tell(self, waiting: _Open[S], answer: S) -> bool:
        try:
            waiting.tell(answer)
        except Exception as error:  # noqa: BLE001  # a callback's own mistake is for its owner, not for us
            waiting.error = error
            waiting.done.set()
            return False
        return True

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


def _end_of(waiting: _Open[Any], answer: Status, now: float) -> WorkflowFinished:
    from cleanlist_async.events import WorkflowFinished, identifier  # noqa: PLC0415  # see Pipeline.events

    ids = (getattr(answer, name, None) for name in ("workflow_id", "smart_agent_task_id"))
    id_ = next((id_ for id_ in ids if id_), waiting.question.params.get("workflow_id"))
    return WorkflowFinished(
        identifier(str(id_)) if id_ else None,
        identifier(answer.status),
        now - waiting.submitted_at,
        waiting.asked,
    )
