"""Open workflows: what is known about each, and the order in which they are worth asking about."""

from __future__ import annotations

import logging
import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush
from itertools import count, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeAlias, TypeVar

import anyio

from cleanlist_async import facts
from cleanlist_async.errors import CleanlistError, NotFoundError
from cleanlist_async.polling.estimator import DurationEstimator
from cleanlist_async.ratelimit import RequestClass

if TYPE_CHECKING:
    from cleanlist_async.events import WorkflowFinished
    from cleanlist_async.http.calls import Call
    from cleanlist_async.http.options import CallOptions

T = TypeVar("T")


def _wake_nobody() -> None:
    pass


class WebhookSignal(Generic[T]):
    """News about a workflow that came by webhook, as far as it is trusted.

    While it `is_expected`, the workflow is not asked about. Its `answer` is the final one, and needs no
    question; what `is_hint`, a question has to confirm. `wake` is called when either changes.
    """

    __slots__ = ("answer", "is_expected", "is_hint", "wake")

    def __init__(self, *, is_expected: bool = True) -> None:
        self.is_expected = is_expected
        self.answer: T | None = None
        self.is_hint = False
        self.wake: Callable[[], None] = _wake_nobody

    def believe(self, answer: T) -> None:
        """Accept *answer* as the end of the workflow."""
        self.answer = answer
        self.wake()

    def hint(self) -> None:
        """Have the workflow asked about now."""
        self.is_hint = True
        self.is_expected = False
        self.wake()


log: Final = logging.getLogger("cleanlist_async")

_NEVER_SEEN: Final = (
    "The server accepted this workflow, and has not shown it since. client.collect asks again, for free; if"
    " it is still missing, look for it in the portal, and send its id to support."
)


class Status(Protocol):
    """Any answer that says whether a workflow is done."""

    @property
    def is_final(self) -> bool:
        """Whether the server is done."""
        ...

    @property
    def status(self) -> str:
        """The server's own status word."""
        ...


S = TypeVar("S", bound=Status)


@dataclass(eq=False, slots=True)
class OpenWorkflow(Generic[S]):
    """A workflow that a task waits for, and what is known about it. Times in seconds of the limiter's clock.

    `question` is the call that asks about it, `asked` how often that was done, `last_age_s` its age at the
    last one; `is_known` says whether the server has shown it, `is_warned` whether a warning said that it does
    not; `asking` cancels the question in flight. It `is_hurried` where callers wait for what others have
    bought. It is `done` with an `answer` or an `error`.
    """

    question: Call[S]
    submitted_at: float
    options: CallOptions
    is_new: bool
    on_answer: Callable[[S], None]
    estimator: DurationEstimator
    until: Callable[[], float | None]
    signal: WebhookSignal[S] | None
    context: Context = field(default_factory=copy_context)
    """Context of the task that waits: requests sent for it belong to its trace."""
    done: anyio.Event = field(default_factory=anyio.Event)
    is_hurried: bool = False
    asked: int = 0
    last_age_s: float = 0.0
    is_known: bool = False
    is_warned: bool = False
    asking: anyio.CancelScope | None = None
    answer: S | None = None
    error: Exception | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no question about it is in flight, and one may be needed."""
        return self.asking is None and not self.done.is_set()

    def hurry(self, workflow_ids: Collection[str]) -> bool:
        """Make its question interactive, if it is one of *workflow_ids*; return whether that is new."""
        is_one = self.question.params.get("workflow_id") in workflow_ids
        if not is_one or self.question.kind is RequestClass.INTERACTIVE or self.done.is_set():
            return False
        self.question = replace(self.question, kind=RequestClass.INTERACTIVE)
        self.is_hurried = True
        return True

    def note_asked(self, now: float) -> float:
        """Note that a question was answered, or failed, and return the workflow's age."""
        self.asked += 1
        self.last_age_s = now - self.submitted_at
        return self.last_age_s

    def report(self, answer: S) -> bool:
        """Pass *answer* to the callback; False where that raised, which is the end of the wait."""
        try:
            self.on_answer(answer)
        except Exception as error:  # noqa: BLE001  # a callback's own mistake is for its owner, not for us
            self.fail(error)
            return False
        return True

    def finish(self, answer: S) -> None:
        """End the wait with *answer*."""
        self.answer = answer
        self.done.set()

    def fail(self, error: Exception) -> None:
        """End the wait with *error*."""
        self.error = error
        self.done.set()

    def learn(self, answer: S, now: float) -> None:
        """Process the answer to a question, and update the estimator."""
        before_s, age_s = self.last_age_s, self.note_asked(now)
        self.is_known = True
        if not self.report(answer):
            return
        if answer.is_final:
            self.finish(answer)
        if not self.is_new:  # its age does not show how long it took
            return
        if answer.is_final:
            self.estimator.was_finished(before_s, age_s)
        else:
            self.estimator.was_unfinished(before_s, age_s)

    def learn_failure(self, error: CleanlistError, now: float) -> None:
        """Process the error of a question. A 404 soon after the submit only means that a replica lags."""
        age_s = self.note_asked(now)
        if not (isinstance(error, NotFoundError) and self.is_new):
            self.fail(error)
        elif age_s >= facts.NEW_WORKFLOW_GRACE_S:
            if not self.is_known:
                error.fix = _NEVER_SEEN
            self.fail(error)
        elif age_s >= facts.LAGGING_REPLICA_S and not (self.is_known or self.is_warned):
            self.is_warned = True
            log.warning(
                "the server accepted workflow %s %.0f s ago, and still answers 404 to it: asking for %.0f s",
                self._id(None),
                age_s,
                facts.NEW_WORKFLOW_GRACE_S,
            )

    def finished_event(self, answer: S, now: float) -> WorkflowFinished:
        """Return the event that reports its end."""
        from cleanlist_async.events import WorkflowFinished, identifier

        return WorkflowFinished(
            self._id(answer),
            identifier(answer.status),
            now - self.submitted_at,
            self.asked,
        )

    def _id(self, answer: S | None) -> str | None:
        from cleanlist_async.events import identifier

        ids = (getattr(answer, name, None) for name in ("workflow_id", "smart_agent_task_id"))
        id_ = next((id_ for id_ in ids if id_), self.question.params.get("workflow_id"))
        return identifier(str(id_)) if id_ else None


Workflow: TypeAlias = OpenWorkflow[Any]

_SAMPLE: Final = 16
"""Workflows that an expectation is made from: of more, every so many is looked at."""
_UNLIKELY: Final = 1e-6
_by_submit: Final = attrgetter("submitted_at")


class Agenda:
    """Open workflows that spend the same tokens, and take times that are learned together.

    Those that were never asked about are likely done in the order of their submits. The others are in the
    order of the times to ask at that `refresh` computed. No question is about any of them.
    """

    def __init__(self, estimator: DurationEstimator, due_age: Callable[[Workflow, float], float]) -> None:
        self.estimator = estimator
        self.asking: dict[Workflow, float] = {}
        """Those whose question is in flight, and when it was asked."""
        self._due_age = due_age
        self._fresh: list[Workflow] = []
        self._asked: list[tuple[float, int, Workflow]] = []
        self._entries: dict[Workflow, int] = {}
        self._limited: dict[Workflow, None] = {}  # a set in order
        self._numbers = count()
        self._chance = self._later = 1.0

    def __len__(self) -> int:
        return len(self._fresh) + len(self._entries)

    def add(self, workflow: Workflow, *, is_fresh: bool) -> None:
        """Add a workflow; *is_fresh* where it was never asked about, and its age alone decides."""
        if is_fresh:
            insort(self._fresh, workflow, key=_by_submit)
        else:
            number = self._entries[workflow] = next(self._numbers)
            if workflow.until() is not None:
                self._limited[workflow] = None
            heappush(self._asked, (self._due_at(workflow), number, workflow))

    def discard(self, workflow: Workflow) -> None:
        """Remove a workflow, if it is here."""
        self._limited.pop(workflow, None)
        if self._entries.pop(workflow, None) is not None:
            return
        place = bisect_left(self._fresh, workflow.submitted_at, key=_by_submit)
        while place < len(self._fresh) and self._fresh[place].submitted_at == workflow.submitted_at:
            if self._fresh[place] is workflow:
                del self._fresh[place]
                return
            place += 1

    def refresh(self, chance: float, later: float) -> None:
        """Compute again when each is due, now that a question is worth a token at this *chance*."""
        self._chance, self._later = chance, later
        self._asked = [(self._due_at(one), number, one) for one, number in self._entries.items()]
        heapify(self._asked)

    def first(self, chance: float) -> tuple[float, Workflow | None]:
        """Return when the first is due, and which: once it is done with this *chance*."""
        while self._asked and self._entries.get(self._asked[0][2]) != self._asked[0][1]:
            heappop(self._asked)
        due_at, first = (self._asked[0][0], self._asked[0][2]) if self._asked else (math.inf, None)
        if self._fresh:
            oldest = self._fresh[0]
            oldest_at = oldest.submitted_at + self._due_age(oldest, chance)
            if oldest_at < due_at:
                return oldest_at, oldest
        return due_at, first

    @property
    def oldest_at(self) -> float:
        """When the oldest of those that were never asked about was submitted; infinity without one."""
        return self._fresh[0].submitted_at if self._fresh else math.inf

    def overdue(self, now: float) -> int:
        """Return how many were never asked about, and are almost surely done."""
        due_s = self.estimator.due_age_s
        return 0 if due_s is None else bisect_right(self._fresh, now - due_s, key=_by_submit)

    def expected(self, now: float, horizons: Sequence[float]) -> list[float]:
        """Return how many are done within each of *horizons*, in seconds from now."""
        expected = [0.0] * len(horizons)
        asked = [entry[2] for entry in self._asked[:: max(1, len(self._asked) // _SAMPLE)]]
        fresh = self._fresh[:: max(1, len(self._fresh) // _SAMPLE)]
        looked_at = [
            (workflow, total / len(sample), workflow.last_age_s)
            for sample, total in ((asked, len(self._entries)), (fresh, len(self._fresh)))
            for workflow in sample
        ]
        # A question in flight may have come too early, and another one is needed then.
        looked_at += [(one, 1.0, asked_at - one.submitted_at) for one, asked_at in self.asking.items()]
        for workflow, represented, last_s in looked_at:
            if workflow.signal is not None and workflow.signal.is_expected:
                continue
            estimator, age_s = workflow.estimator, now - workflow.submitted_at
            weight = represented / max(1 - estimator.share_before(workflow.last_age_s), _UNLIKELY)
            done_before = estimator.share_before(last_s)
            for place, horizon in enumerate(horizons):
                # Two places of the table may differ by a rounding error, downwards.
                expected[place] += weight * max(0.0, estimator.share_done(age_s + horizon) - done_before)
        return expected

    def last_looks(self) -> list[float]:
        """Return when some workflows are asked about whatever the chance, since callers give up."""
        some = islice(self._limited, 8 * _SAMPLE)
        return [one.submitted_at + self._due_age(one, math.inf) for one in some]

    def _due_at(self, workflow: Workflow) -> float:
        return workflow.submitted_at + self._due_age(
            workflow, self._later if workflow.asked else self._chance
        )
