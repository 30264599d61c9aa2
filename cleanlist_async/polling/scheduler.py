"""Asks about all workflows of a client, each as early as the tokens allow that nothing else needs."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Final

import anyio

from cleanlist_async import facts
from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.http.calls import Call
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.polling.estimator import DurationEstimator, Rhythm, best_rhythm
from cleanlist_async.polling.open_workflow import Agenda, OpenWorkflow, S, WebhookSignal, Workflow
from cleanlist_async.polling.price import CERTAIN, SURE, Demands, DueAges, TokenPrice
from cleanlist_async.ratelimit import RequestClass

# Status requests of one class in the limiter's queue at once. More would age past interactive calls.
_ASKED_AT_ONCE: Final = 8
# The chance at which one is asked about to learn how long they take, while nothing is known of that: where
# submits need the tokens, and where they are idle.
_SCOUT: Final = 0.5
_IDLE_SCOUT: Final = 0.25
# By how much the chance may change before the order of all workflows is computed again.
_SAME: Final = 1.1
# Callers are expected to come for so many times as long as they have.
_AHEAD: Final = 2.0
_PARTS: Final = (1 / 4, 1 / 2, 1)
"""Of the time ahead: the parts whose tokens are counted, since they may come back all at once."""
_SAME_VALUE: Final = 1.02
"""Times and rates that differ by less are taken for the same."""


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
        self._window_s = pipeline.limiter.limits.window_s
        self.demands = Demands(self._window_s)
        self.rhythms = Rhythms(pipeline)
        self._price = TokenPrice(pipeline, self.demands)
        self._estimators: dict[str, DurationEstimator] = {}
        self._open: dict[Workflow, Agenda] = {}
        self._agendas: dict[tuple[str, str | None, RequestClass, bool], Agenda] = {}
        self._signalled: list[Workflow] = []
        self._refreshed: dict[Agenda, tuple[float, float]] = {}
        self._changed = anyio.Event()
        self._running = False
        self._due_ages = DueAges(self._window_s)

    def estimator(self, operation: str) -> DurationEstimator:
        """Return the estimator of a status *operation*: each kind of work takes its own time."""
        return self._estimators.setdefault(operation, DurationEstimator(self._window_s))

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

        *submitted_at* is a time of the limiter's clock; of our own submit, if the workflow *is_new*. *until*
        returns the next time at which a caller gives up, None without one: it is asked about once more
        shortly before. While a *signal* is expected, nothing is asked unless it stays away or is a hint only.
        Raises the error of the status request when it keeps failing; a 404 within ten minutes of the submit
        only means that a replica lags.
        """
        estimator = self.estimator(question.operation.name)
        workflow = OpenWorkflow(question, submitted_at, options, is_new, on_answer, estimator, until, signal)
        self._open[workflow] = self._agenda(workflow)
        self._put(workflow)
        if signal is not None:
            signal.wake = partial(self._note_signal, workflow)
            self._signalled.append(workflow)  # it may have come already
        # The caller's task waits, and a task of the client asks: cancelling the wait must end the question
        # too, or it would spend a token in vain.
        try:
            self._start()
            await workflow.done.wait()
        finally:
            self._open.pop(workflow).discard(workflow)
            if workflow.asking is not None:
                workflow.asking.cancel()
            self._wake()
        if workflow.answer is None:
            raise workflow.error or AssertionError("done without an answer or an error")
        self._pipeline.events.emit(workflow.finished_event(workflow.answer, self._limiter.clock()))
        return workflow.answer

    def hurry(self, workflow_ids: Collection[str]) -> None:
        """Ask about these workflows as for callers that wait for each: by now, some do."""
        for workflow in [one for one in self._open if one.hurry(workflow_ids)]:
            self._open[workflow].discard(workflow)
            self._open[workflow] = self._agenda(workflow)
            if workflow.asking is None:
                self._put(workflow)
            else:  # its question may be waiting behind all submits; without it, the next one is asked
                workflow.asking.cancel()
            self._wake()

    @property
    def open_workflows(self) -> int:
        """How many workflows are waited for."""
        return len(self._open)

    @property
    def oldest_s(self) -> float:
        """Seconds since the oldest of them was submitted; 0 without one."""
        now = self._limiter.clock()
        return max((now - workflow.submitted_at for workflow in self._open), default=0.0)

    @property
    def is_behind(self) -> bool:
        """Whether more workflows are overdue than a window has tokens for, and not the last ones."""
        now = self._limiter.clock()
        overdue = sum(agenda.overdue(now) for agenda in self._agendas.values())
        return overdue >= self._limiter.limits.key and not self._price.submits_go_first(
            self._agendas.values()
        )

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
        self._take_signals()
        started = 0
        while True:
            due_at, agenda, workflow = self._first(now, started)
            if workflow is None or agenda is None or due_at > now:
                break
            agenda.discard(workflow)
            agenda.asking[workflow] = now
            started += 1
            workflow.asking = anyio.CancelScope()
            # `spawn` copies the context that is current: the waiting task's, not this one's.
            workflow.context.run(self._pipeline.root.spawn, self._ask, workflow, agenda, workflow.asking)
        # Tokens become idle without a wake-up, so look again before long. The floor prevents a busy loop.
        return max(0.01, min(due_at - now, self._window_s / 60))

    def _first(self, now: float, started: int) -> tuple[float, Agenda | None, Workflow | None]:
        best: tuple[float, Agenda | None, Workflow | None] = (math.inf, None, None)
        chances: dict[str | None, float] = {}
        for (_, key, kind, is_hurried), agenda in self._agendas.items():
            if not agenda:
                continue
            if key not in chances:
                agendas = self._agendas.items()
                same_key = [one for (_, other, *_), one in agendas if other == key and (one or one.asking)]
                chances[key] = self._price.least_chance(same_key, key, now, started)
            chance = chances[key]
            if self._places(agenda, kind, chance) <= 0:
                continue
            later = chance
            if is_hurried:  # tokens for a question that comes too early would be missed by the next ones
                chance = later = min(chance, SURE)
            elif kind is RequestClass.INTERACTIVE:
                rhythm = self.rhythms.of(agenda.estimator)
                # Where callers come one by one, no later batch needs the tokens that are idle.
                chance = rhythm.chance if rhythm.gap_s else min(chance, rhythm.chance)
                later = rhythm.later
            if agenda.estimator.is_blank and chance < CERTAIN and not agenda.asking:
                chance = min(chance, _IDLE_SCOUT if chance < SURE else _SCOUT)
            self._refresh(agenda, chance, min(chance, later), now)
            due_at, workflow = agenda.first(chance)
            if due_at < best[0]:
                best = due_at, agenda, workflow
        return best

    def _places(self, agenda: Agenda, kind: RequestClass, chance: float) -> int:
        """Return how many more questions may be queued: few where many may be too early."""
        asking = sum(len(other.asking) for (_, _, one, _), other in self._agendas.items() if one is kind)
        at_once = max(1 + agenda.estimator.streak, int(1 / chance))
        return min(_ASKED_AT_ONCE - asking, at_once - len(agenda.asking))

    def _refresh(self, agenda: Agenda, chance: float, later: float, now: float) -> None:
        """Put the workflows of an agenda into order again, where much has changed since that was done."""
        before, at = self._refreshed.get(agenda, (0.0, -math.inf))
        is_same = before / _SAME <= chance <= before * _SAME
        if not is_same or now - at >= self._window_s / 30:
            agenda.refresh(chance, later)
            self._refreshed[agenda] = chance, now

    def _put(self, workflow: Workflow) -> None:
        is_plain = (
            workflow.is_new
            and workflow.until is wait_for_good
            and not self._due_ages.relies_on(workflow.signal)
        )
        self._open[workflow].add(workflow, is_fresh=is_plain and not workflow.asked)

    def _agenda(self, workflow: Workflow) -> Agenda:
        question = workflow.question
        kind = question.operation.name, question.key, question.kind, workflow.is_hurried
        if (agenda := self._agendas.get(kind)) is None:
            agenda = self._agendas[kind] = Agenda(workflow.estimator, self._due_ages.of)
        return agenda

    # -- signals -------------------------------------------------------------------------------

    def _note_signal(self, workflow: Workflow) -> None:
        self._signalled.append(workflow)
        self._wake()

    def _take_signals(self) -> None:
        """Finish workflows whose signal has brought their final answer; have hints confirmed."""
        signalled, self._signalled = self._signalled, []
        for workflow in signalled:
            if workflow in self._open and not workflow.done.is_set():
                self._take_signal(workflow)

    def _take_signal(self, workflow: OpenWorkflow[S]) -> None:
        signal = workflow.signal
        if signal is None or signal.answer is None:
            if workflow.is_idle:
                self._open[workflow].discard(workflow)
                self._put(workflow)
            return
        self._due_ages.silent_signals = 0
        if workflow.is_new:  # otherwise its age is not known
            age_s = self._limiter.clock() - workflow.submitted_at
            workflow.estimator.was_signalled(workflow.last_age_s, age_s)
        if workflow.report(signal.answer):
            workflow.finish(signal.answer)

    # -- one question --------------------------------------------------------------------------

    async def _ask(self, workflow: OpenWorkflow[Any], agenda: Agenda, scope: anyio.CancelScope) -> None:
        # The workflow may be given up before this task has its first turn: it is not in `_open` then.
        if workflow.signal is not None and workflow.signal.is_hint:
            workflow.signal.is_hint = False  # before the request: a hint that comes meanwhile asks again
            self._due_ages.silent_signals = 0
        try:
            with scope:  # cancelled when the caller no longer waits for the workflow
                try:
                    self._pipeline.counters.status_requests += 1
                    answer = (await self._pipeline.call(workflow.question, workflow.options)).value
                    workflow.learn(answer, self._limiter.clock())
                    # A question found the end, so the signal did not come.
                    if workflow.answer is not None and self._due_ages.was_missed(workflow.signal):
                        from cleanlist_async.events import WebhooksMissing

                        self._pipeline.events.emit(WebhooksMissing())
                except CleanlistError as error:
                    workflow.learn_failure(error, self._limiter.clock())
        finally:
            del agenda.asking[workflow]
        workflow.asking = None
        if workflow in self._open and not workflow.done.is_set():
            self._put(workflow)
        self._wake()


class Arrivals:
    """How many contacts come in a second, of late."""

    def __init__(self, window_s: float) -> None:
        self._over_s = window_s / 2
        self._least_s = window_s / 60
        self._weight = 0.0
        self._at = self._since = -math.inf

    def note(self, now: float, count: int = 1) -> None:
        """Note that so many have come."""
        if now - self._at > 2 * self._over_s:  # what was before says nothing of what begins now
            self._weight, self._since = 0.0, now
        self._weight = self._weight * math.exp((self._at - now) / self._over_s) + count
        self._at = now

    def lasted_s(self, now: float) -> float:
        """Return for how long they have come."""
        return max(0.0, now - self._since) if self._weight else 0.0

    def per_s(self, now: float) -> float:
        """Return how many come in a second."""
        if not self._weight:
            return 0.0
        seen_s = max(now - self._since, self._least_s)
        weight = self._weight * math.exp((self._at - now) / self._over_s)
        return weight / (self._over_s * -math.expm1(-seen_s / self._over_s))


class Rhythms:
    """The best rhythm of one client for what is known at the time."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._window_s = pipeline.limiter.limits.window_s
        self._arrivals = Arrivals(self._window_s)
        self._departures = Arrivals(self._window_s)  # of a crowd that came at once, and is still being sent
        self._known: dict[DurationEstimator, tuple[tuple[int, float, float], Rhythm]] = {}

    def note_contact(self) -> None:
        """Note that a contact of an interactive call has come."""
        self._arrivals.note(self._pipeline.limiter.clock())

    def note_batch(self, contacts: int) -> None:
        """Note that a batch leaves with so many contacts."""
        self._departures.note(self._pipeline.limiter.clock(), contacts)

    def of(self, estimator: DurationEstimator) -> Rhythm:
        """Return the best rhythm where workflows take as long as *estimator* says."""
        now = self._pipeline.limiter.clock()
        contacts_per_s = _rounded(max(self._arrivals.per_s(now), self._departures.per_s(now)))
        token_s = _rounded(self._token_s(contacts_per_s, now))
        state = estimator.version, contacts_per_s, token_s
        before = self._known.get(estimator)
        if before is not None and before[0] == state:
            return before[1]
        rhythm = best_rhythm(estimator, token_s, contacts_per_s)
        self._known[estimator] = state, rhythm
        return rhythm

    def _token_s(self, contacts_per_s: float, now: float) -> float:
        """Return the seconds between two tokens where those that there are have to last.

        They have to last for longer than callers have come, and for a window where callers need all that
        batches can carry.
        """
        limiter, route = self._pipeline.limiter, self._pipeline.route
        carried = limiter.limits.per_window(max(1, len(route.keys))) / 2 * facts.MAX_CONTACTS_PER_REQUEST
        need = contacts_per_s * self._window_s / max(1, carried)
        ahead_s = min(self._window_s, max(_AHEAD * self._arrivals.lasted_s(now), need * self._window_s))
        openings, waiting = limiter.store.openings(route, now), limiter.waiting()
        spans = [share * ahead_s for share in _PARTS]
        return max(span / max(1, bisect_right(openings, now + span) - waiting) for span in spans)


def _rounded(value: float) -> float:
    return _SAME_VALUE ** round(math.log(value, _SAME_VALUE)) if value > 0 else 0.0
