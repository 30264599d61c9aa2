"""Events as log lines: milestones at INFO, what needs attention at WARNING, single requests at DEBUG."""

from __future__ import annotations

import logging
from typing import Final

from cleanlist_async.events.kinds import (
    AnswerDrifted,
    AttemptFinished,
    AttemptStarted,
    CallDetached,
    CallFinished,
    CallStarted,
    Event,
    KeySetAside,
    LimitsAway,
    LimitsBack,
    RateLimited,
    RetryScheduled,
    RunFinished,
    RunStarted,
    WorkflowAccepted,
    WorkflowFinished,
)
from cleanlist_async.redact import one_line

log: Final = logging.getLogger("cleanlist_async")
# As libraries do: without it, Python prints warnings of unconfigured programs to stderr.
log.addHandler(logging.NullHandler())

_LONGEST_LINE: Final = 200


def write(event: Event) -> None:
    """Log *event* at its level, on one line."""
    level = _level(event)
    if log.isEnabledFor(level):
        # Ids and codes are checked already, but the name of an organization is the caller's.
        line = _request_line(event) if level == logging.DEBUG else _milestone_line(event)
        log.log(level, "%s", one_line(line, _LONGEST_LINE))


def _level(event: Event) -> int:
    match event:
        # Credits may be spent unseen, another program shares the limit, a key is bad, or the API has changed.
        case RateLimited() | CallDetached() | CallFinished(error="UnknownOutcomeError"):
            return logging.WARNING
        case KeySetAside() | AnswerDrifted():
            return logging.WARNING
        case RunFinished():
            return logging.WARNING if event.error else logging.INFO
        case WorkflowAccepted() | WorkflowFinished() | RunStarted():
            return logging.INFO
        case _:
            return logging.DEBUG


def _milestone_line(event: Event) -> str:
    match event:
        case RateLimited():
            line = f"429 on {event.operation}{_id(event.request_id)}: {_pauses(event)}"
        case CallFinished():
            line = f"{event.operation} was sent, and may have been processed{_why(event)}"
        case CallDetached():
            id_ = event.workflow_id
            outcome = f"workflow {id_} was accepted" if id_ else "its outcome is unknown"
            line = f"the caller of {event.operation} was cancelled, and {outcome}"
        case KeySetAside():
            rest = "1 other key" if event.keys_left == 1 else f"{event.keys_left} other keys"
            line = f"the server refuses {event.key} (401); going on with {rest}"
        case AnswerDrifted():
            lost = f", and {event.lost_rows:,} of its rows are lost" if event.lost_rows else ""
            line = f"an answer to {event.operation} is not quite JSON: what is odd in it was left out{lost}"
        case WorkflowAccepted():
            line = f"workflow {event.workflow_id} accepted: {_contacts(event.contacts)}"
        case WorkflowFinished():
            line = f"workflow {event.workflow_id} {event.status} after {event.after_s:.0f} s"
        case RunStarted():
            line = f"{event.kind} started: {_contacts(event.contacts)}, {event.enrichment_type}"
        case RunFinished():
            ended = f"stopped by {event.error}" if event.error else "finished"
            counts = f"{_contacts(event.contacts)}, {event.found:,} found, {event.credits:,.10g} credits"
            line = f"{event.kind} {ended} after {event.duration_s:.0f} s: {counts}"
        case _:
            line = ""
    return line


def _request_line(event: Event) -> str:
    match event:
        case LimitsAway():  # the store itself logs this and the next at WARNING, once for all clients
            line = "the shared limits cannot be reached"
        case LimitsBack():
            line = "the shared limits can be reached again"
        case CallStarted():
            line = f"#{event.call} {event.operation}: {event.method} {event.path}"
        case AttemptStarted():
            line = f"#{event.call} attempt {event.attempt} after {event.waited_s:.3g} s for the rate limit"
        case AttemptFinished():
            came = event.status or event.failure or "no answer"
            line = f"#{event.call} attempt {event.attempt} {event.outcome}: {came}, {event.duration_s:.3g} s"
        case RetryScheduled():
            line = f"#{event.call} again in {event.wait_s:.3g} s: {event.error}{_code(event.code)}"
        case CallFinished():
            line = f"#{event.call} done in {event.duration_s:.3g} s, {_attempts(event)}{_why(event)}"
        case _:
            line = ""
    return line


def _why(event: CallFinished) -> str:
    return f": {event.error}{_code(event.code)}{_id(event.request_id)}" if event.error else ""


def _attempts(event: CallFinished) -> str:
    return "1 attempt" if event.attempts == 1 else f"{event.attempts} attempts"


def _pauses(event: RateLimited) -> str:
    paused = (
        f"{bucket.name} paused for {bucket.paused_for_s:.3g} s, then {bucket.capacity} of {bucket.limit}"
        for bucket in event.buckets
    )
    return "; ".join(paused) or "no pause"


def _contacts(count: int | None) -> str:
    if count is None:
        return "an unknown number of contacts"
    return "1 contact" if count == 1 else f"{count:,} contacts"


def _id(request_id: str | None) -> str:
    return f" ({request_id})" if request_id else ""


def _code(code: str | None) -> str:
    return f" [{code}]" if code else ""
