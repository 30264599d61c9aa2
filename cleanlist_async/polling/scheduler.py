"""Asks about all workflows of a client: late enough to ask once, early enough to be quick."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from heapq import nsmallest
from typing import Any, Final

import anyio

from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.http.calls import Call
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.polling.estimator import DurationEstimator
from cleanlist_async.polling.open_workflow import OpenWorkflow, S
from cleanlist_async.polling.webhook_signal import WebhookSignal
from cleanlist_async.ratelimit import RequestClass

# Status requests of one class in the limiter's queue at once. More would age past interactive calls.
_ASKED_AT_ONCE: Final = 8
# Two, so that a single slow workflow does not decide the first guess.
_SCOUTS: Final = 2
# In windows, for a caller of a single workflow: of a minute, it is asked about after 1 s, then at most 15 s
# apart while tokens are idle, and for the last time 3 s before the caller gives up.
_FIRST_GAP: Final = 1 / 60
_LONGEST_GAP: Final = 1 / 4
_LAST_LOOK: Final = 1 / 20
# After this many workflows in a row without their webhook, the next are asked about as if they expected none.
_SILENT_SIGNALS: Final = 3


def wait_for_good() -> float | None:
    """Never give up."""
    return None


def _ignore(_answer: object) -> None:
    pass


class PollScheduler:
    """Waits for workflows on behalf of all callers of one client."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._limiter = pipeline.limiter
        self._estimators: dict[str, DurationEstimator] = {}
        self._open: dict[OpenWorkflow[Any], None] = {}
        self._changed = anyio.Event()
        self._running = False
        self._silent_signals = _SILENT_SIGNALS - 1  # until one has come, a single missing one is enough

    def estimator(self, operation: str) -> DurationEstimator:
        """Return the estimator of a status *operation*: each kind of work takes its own time."""
        return self._estimators.setdefault(operation, DurationEstimator(self._limiter.limits.window_s))

    async def finished(
        self,
        question: Call[S],
        *,
        submitted_at: float,
        options: CallOptions,
        is_new: bool = True,
        on_answer: Callable[[S], None] = _ignore,
        until: Callable[[], float | None] = wait_for_good,
        signal: WebhookSignal[S] | None = None,
    ) -> S:
        """Return the last answer to *question*, the status of a workflow, once it is final.

        *submitted_at* is a time of the limiter's clock; of our own submit, if the workflow *is_new*. Each
        answer is passed to *on_answer*. *until* returns the next time at which a caller that waits for this
        workflow alone gives up, None without one: it is asked about more often while tokens are idle, and
        once more shortly before each of these times. While a *signal* is expected, nothing is asked unless it
        stays away or is a hint only. Raises the error of the status request when it keeps failing; a 404
        within ten minutes of the submit only means that a replica lags.
        """
        estimator = self.estimator(question.operation.name)
        workflow = OpenWorkflow(question, submitted_at, options, is_new, on_answer, estimator, until, signal)
        self._open[workflow] = None
        if signal is not None:
            signal.wake = self._wake
        # The caller's task waits, and a task of the client asks: cancelling the wait must end the question
        # too, or it would spend a token in vain.
        try:
            self._start()
            await workflow.done.wait()
        finally:
            del self._open[workflow]
            if workflow.asking is not None:
                workflow.asking.cancel()
            self._wake()
        if workflow.answer is None:
            raise workflow.error or AssertionError("done without an answer or an error")
        self._pipeline.events.emit(workflow.finished_event(workflow.answer, self._limiter.clock()))
        return workflow.answer

    @property
    def open_workflows(self) -> int:
        """How many workflows are waited for."""
        return len(self._open)

    @property
    def oldest_s(self) -> float:
        """Seconds since the oldest of them was submitted; 0 without one."""
        now = self._pipeline.limiter.clock()
        return max((now - workflow.submitted_at for workflow in self._open), default=0.0)

    @property
    def overdue(self) -> int:
        """Number of workflows that should have been asked about by now."""
        now = self._limiter.clock()
        return sum(one.is_overdue(now, relies_on_signal=self._relies_on(one.signal)) for one in self._open)

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
                # Renewed before the look, so that a change during it is not lost.
                self._changed = anyio.Event()
                sleep_s = self._ask_due()
                with anyio.move_on_after(sleep_s):
                    await self._changed.wait()
        finally:
            self._running = False
            for workflow in self._open:  # only when the client is being closed
                workflow.fail(ConfigurationError("The client was closed while a workflow was awaited."))

    def _ask_due(self) -> float:
        """Start asking about every workflow that is due; return the seconds until the next one is."""
        now = self._limiter.clock()
        for workflow in self._open:
            self._take_signal(workflow)
        idle = [workflow for workflow in self._open if workflow.is_idle]
        places = self._places()
        # A submit needs the next token more, also one that waits for its place on the wire.
        saturated = self._limiter.waiting(RequestClass.SUBMIT) > 0 or self._pipeline.submits_in_line > 0
        eager = {key: not saturated and self._is_idle(key) for key in {one.question.key for one in idle}}
        scouts = self._scouts(idle, eager, 1 if saturated else _SCOUTS)
        next_s = math.inf
        for workflow in idle:
            age_s = now - workflow.submitted_at
            scout = workflow in scouts
            wait_s = self._ask_age(workflow, eager=eager[workflow.question.key], scout=scout) - age_s
            if wait_s > 0:
                next_s = min(next_s, wait_s)
            elif places[workflow.question.kind] > 0:
                places[workflow.question.kind] -= 1
                workflow.asking = anyio.CancelScope()
                # `spawn` copies the context that is current: the waiting task's, not this one's.
                workflow.context.run(self._pipeline.root.spawn, self._ask, workflow, workflow.asking)
            # One that is due but finds no place is asked when a question ends, which wakes this loop.
        # Tokens become idle without a wake-up, so look again after a thirtieth of a window. The floor
        # prevents a busy loop when a workflow is due at once.
        return max(0.01, min(next_s, self._limiter.limits.window_s / 30))

    def _places(self) -> dict[RequestClass, int]:
        """Return how many more questions of each class may be queued: few until the estimates are good."""
        streak = max((estimator.streak for estimator in self._estimators.values()), default=0)
        places = dict.fromkeys(RequestClass, min(_ASKED_AT_ONCE, 1 + streak))
        for workflow in self._open:
            places[workflow.question.kind] -= workflow.asking is not None
        return places

    def _scouts(
        self, idle: Sequence[OpenWorkflow[Any]], eager: Mapping[str | None, bool], count: int
    ) -> list[OpenWorkflow[Any]]:
        """Return which workflows are asked to learn how long their kind takes.

        The oldest while tokens are idle, else those asked about least, so that a slow one does not mislead.
        """
        scouts: list[OpenWorkflow[Any]] = []
        for estimator in self._estimators.values():
            if estimator.due_age_s is None:
                new = [workflow for workflow in idle if workflow.estimator is estimator]
                # The webhook of the others will teach as much, without a token.
                few = 1 if any(self._relies_on(workflow.signal) for workflow in new) else count
                scouts += nsmallest(few, new, lambda one: 0 if eager[one.question.key] else one.asked)
        return scouts

    def _ask_age(self, workflow: OpenWorkflow[Any], *, eager: bool, scout: bool) -> float:
        """Return the age at which to ask about a workflow."""
        if workflow.signal is not None and workflow.signal.is_hint:
            age_s = 0.0
        elif workflow.is_new and self._relies_on(workflow.signal):
            age_s = workflow.estimator.silent_at(workflow.last_age_s, eager=eager, scout=scout)
        elif workflow.is_new:
            age_s = workflow.estimator.ask_at(workflow.last_age_s, eager=eager, scout=scout)
        else:
            # The age of a workflow submitted elsewhere is unknown: ask at once, then more and more rarely.
            age_s = workflow.asked and 1.0 + 1.5 * workflow.last_age_s
        if (until := workflow.until()) is None:
            return age_s
        eager = eager and not self._relies_on(workflow.signal)
        return min(age_s, self._single_ask_age(workflow, until, eager=eager))

    def _single_ask_age(self, workflow: OpenWorkflow[Any], until: float, *, eager: bool) -> float:
        """Return the latest age at which to ask for a caller that waits for this workflow alone."""
        window_s, last_s = self._limiter.limits.window_s, workflow.last_age_s
        gives_up_s = until - workflow.submitted_at
        last_look_s = gives_up_s - min(_LAST_LOOK * window_s, gives_up_s / 10)
        age_s = last_look_s if last_s < last_look_s else math.inf
        if not eager:
            return age_s
        return min(age_s, max(_FIRST_GAP * window_s, min(2 * last_s, last_s + _LONGEST_GAP * window_s)))

    def _is_idle(self, key: str | None) -> bool:
        """Whether so many tokens of a key are free that a question that is too early costs little.

        That is more than half of them; or, at the end of a run, three for each workflow that is left.
        """
        route = self._pipeline.route
        # Submits that wait for a place on the wire are not in the limiter's queue, but will take tokens.
        free = self._limiter.available(route.only(key) if key else route) - self._pipeline.submits_in_line
        left = sum(workflow.question.key == key for workflow in self._open)
        return (free * 2 > self._limiter.limits.key and left * 2 <= max(free, 2)) or left * 3 <= free

    # -- signals -------------------------------------------------------------------------------

    def _relies_on(self, signal: WebhookSignal[Any] | None) -> bool:
        """Whether to wait for a signal, as long as it may still come."""
        return signal is not None and signal.is_expected and self._silent_signals < _SILENT_SIGNALS

    def _take_signal(self, workflow: OpenWorkflow[S]) -> None:
        """Finish a workflow whose signal has brought its final answer."""
        signal = workflow.signal
        if signal is None or signal.answer is None or workflow.done.is_set():
            return
        self._silent_signals = 0
        if workflow.is_new:  # otherwise its age is not known
            workflow.estimator.was_signalled(self._limiter.clock() - workflow.submitted_at)
        if workflow.report(signal.answer):
            workflow.finish(signal.answer)

    # -- one question --------------------------------------------------------------------------

    async def _ask(self, workflow: OpenWorkflow[Any], scope: anyio.CancelScope) -> None:
        if workflow.signal is not None and workflow.signal.is_hint:
            workflow.signal.is_hint = False  # before the request: a hint that comes meanwhile asks again
            self._silent_signals = 0
        with scope:  # cancelled when the caller no longer waits for the workflow
            try:
                self._pipeline.counters.status_requests += 1
                answer = (await self._pipeline.call(workflow.question, workflow.options)).value
                workflow.learn(answer, self._limiter.clock())
                if workflow.answer is not None:  # a question found the end, so the signal did not come
                    self._silent_signals += self._relies_on(workflow.signal)
            except CleanlistError as error:
                workflow.learn_failure(error, self._limiter.clock())
        workflow.asking = None
        self._wake()
