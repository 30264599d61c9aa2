"""One workflow that a task waits for."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import anyio

from cleanlist_async import facts
from cleanlist_async.errors import CleanlistError, NotFoundError
from cleanlist_async.http.calls import Call
from cleanlist_async.http.options import CallOptions
from cleanlist_async.polling.estimator import LATE_STEP, DurationEstimator
from cleanlist_async.polling.webhook_signal import WebhookSignal

if TYPE_CHECKING:
    from cleanlist_async.events import WorkflowFinished


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

    `question` is the call that asks about it, `asked` the number of times that was done, `last_age_s` its age
    at the last one; `asking` cancels the question in flight. It is `done` with an `answer` or an `error`.
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
    asked: int = 0
    last_age_s: float = 0.0
    asking: anyio.CancelScope | None = None
    answer: S | None = None
    error: Exception | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no question about it is in flight, and one may be needed."""
        return self.asking is None and not self.done.is_set()

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
        age_s = self.note_asked(now)
        if not self.report(answer):
            return
        if answer.is_final:
            self.finish(answer)
        if not self.is_new:  # its age does not show how long it took
            return
        if answer.is_final:
            self.estimator.was_finished(age_s)
        else:
            self.estimator.was_unfinished(age_s, first=self.asked == 1)

    def learn_failure(self, error: CleanlistError, now: float) -> None:
        """Process the error of a question. A 404 soon after the submit only means that a replica lags."""
        age_s = self.note_asked(now)
        if not (isinstance(error, NotFoundError) and self.is_new and age_s < facts.NEW_WORKFLOW_GRACE_S):
            self.fail(error)

    def is_overdue(self, now: float, *, relies_on_signal: bool) -> bool:
        """Whether it should have been asked about by now."""
        due_s = self.estimator.due_age_s
        if due_s is not None and relies_on_signal:
            due_s = self.estimator.silent_at(self.last_age_s, eager=False, scout=False)
        return due_s is not None and now - self.submitted_at >= max(due_s, LATE_STEP * self.last_age_s)

    def finished_event(self, answer: S, now: float) -> WorkflowFinished:
        """Return the event that reports its end."""
        from cleanlist_async.events import WorkflowFinished, identifier

        ids = (getattr(answer, name, None) for name in ("workflow_id", "smart_agent_task_id"))
        id_ = next((id_ for id_ in ids if id_), self.question.params.get("workflow_id"))
        return WorkflowFinished(
            identifier(str(id_)) if id_ else None,
            identifier(answer.status),
            now - self.submitted_at,
            self.asked,
        )
