"""Events as log records: milestones at INFO, what needs attention at WARNING, single requests at DEBUG.

Messages are constant templates, so that log stores and Sentry can group them. The fields of an event are
attributes of its record (``extra``), under their own names; ``event`` is the name of its class.
"""

from __future__ import annotations

import logging
from dataclasses import fields
from datetime import datetime
from typing import Final, TypeAlias, assert_never

from cleanlist_async import facts
from cleanlist_async.events.contact_kinds import (
    ContactFinished,
    ContactStarted,
    ContactsUndelivered,
    ResultsSettled,
)
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
    UnknownPart,
    WebhooksMissing,
    WorkflowAccepted,
    WorkflowFinished,
)
from cleanlist_async.ratelimit import BucketState
from cleanlist_async.redact import one_line

log: Final = logging.getLogger("cleanlist_async")

_LONGEST_TEXT: Final = 110
"""Characters of an argument: a line has one long text, and at most 200 characters."""
_LONGEST_LIST: Final = 4_000

_WEBHOOKS_MISSING: Final = (
    "expected webhooks stay away, so status is requested instead. "
    "Does a proxy change the path of public_url? Do all workers have one secret?"
)

_Line: TypeAlias = tuple[object, ...]
"""A constant template, and its arguments."""


def write(event: Event) -> None:
    """Log *event* at its level, on one line."""
    level = _level(event)
    if log.isEnabledFor(level):
        template, *args = _line(event)
        # A warning of what was paid for names all of it.
        longest = _LONGEST_LIST if isinstance(event, ContactsUndelivered) else _LONGEST_TEXT
        # Ids and codes are checked already, but the name of an organization is the caller's.
        printable = (one_line(value, longest) if isinstance(value, str) else value for value in args)
        log.log(level, template, *printable, extra=fields_of(event))


def fields_of(event: Event) -> dict[str, object]:
    """Return the fields of an event that a log record shows; those that are None are left out."""
    shown: dict[str, object] = {"event": type(event).__name__}
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(value, str | int | float):
            shown[field.name] = value
        elif isinstance(value, datetime):
            shown[field.name] = value.isoformat(timespec="seconds")
    match event:
        case RateLimited():
            shown["wait_s"] = event.pause_s
        case ContactsUndelivered():
            shown["workflow_ids"] = list(event.workflow_ids)
        case _:
            pass
    return shown


def _level(event: Event) -> int:
    match event:
        # Credits may be spent unseen, another program shares the limit, a key is bad, or the API has changed.
        case RateLimited() | CallDetached() | CallFinished(error="UnknownOutcomeError"):
            return logging.WARNING
        case KeySetAside() | AnswerDrifted() | ContactsUndelivered() | WebhooksMissing():
            return logging.WARNING
        case RunFinished():
            # Of a stream, to be left early is often all that is wanted.
            is_open = (
                event.error or event.unknown or event.pending or (event.interrupted and event.kind == "job")
            )
            return logging.WARNING if is_open else logging.INFO
        case WorkflowAccepted() | WorkflowFinished() | ResultsSettled() | RunStarted():
            return logging.INFO
        case AttemptStarted() if event.waited_s >= facts.LONG_WAIT_S:
            return logging.INFO
        case _:
            return logging.DEBUG


def _line(event: Event) -> _Line:  # noqa: C901, PLR0911, PLR0912  # a case for each kind of event
    match event:
        case AttemptStarted() if event.waited_s >= facts.LONG_WAIT_S:
            return ("%s waited %.3g s for the rate limit", event.operation, event.waited_s)
        case AttemptStarted():
            numbers = event.call, event.attempt
            return ("#%d attempt %d after %.3g s for the rate limit", *numbers, event.waited_s)
        case AttemptFinished():
            came = event.status or event.failure or "no answer"
            numbers = event.call, event.attempt
            return ("#%d attempt %d %s: %s, %.3g s", *numbers, event.outcome, came, event.duration_s)
        case RetryScheduled():
            return ("#%d again in %.3g s: %s%s", event.call, event.wait_s, event.error, _code(event.code))
        case RateLimited():
            pauses = "; ".join(map(_pause, event.buckets)) or "no pause"
            return ("429 on %s%s: %s", event.operation, _id(event.request_id), pauses)
        case CallStarted():
            return ("#%d %s: %s %s", event.call, event.operation, event.method, event.path)
        case CallFinished(error="UnknownOutcomeError"):
            text = "%s was sent, and may have been processed%s%s"
            return (text, event.operation, _why(event), _scope(event))
        case CallFinished():
            attempts = "1 attempt" if event.attempts == 1 else f"{event.attempts} attempts"
            return ("#%d done in %.3g s, %s%s", event.call, event.duration_s, attempts, _why(event))
        case CallDetached(workflow_id=str(id_)):
            return ("the caller of %s was cancelled, and workflow %s was accepted", event.operation, id_)
        case CallDetached():
            return ("the caller of %s was cancelled, and its outcome is unknown", event.operation)
        case AnswerDrifted():
            text = "an answer to %s is not quite JSON: what is odd in it was left out (rows lost: %d)"
            return (text, event.operation, event.lost_rows)
        case UnknownPart():
            return ("an answer to %s has an unknown %s: %s", event.operation, event.kind, event.part)
        case ContactStarted():
            return ("enrich_one #%d started: %s", event.caller, event.enrichment_type)
        case ContactFinished():
            ended = event.status or event.error
            return ("enrich_one #%d ended after %.3g s: %s", event.caller, event.duration_s, ended)
        case WorkflowAccepted():
            return ("workflow %s accepted: %s", event.workflow_id, _contacts(event.contacts))
        case WorkflowFinished():
            return ("workflow %s %s after %.0f s", event.workflow_id, event.status, event.after_s)
        case ResultsSettled():
            counts = _contacts(event.contacts), event.found, _credits(event.credits)
            return ("%s: workflow %s has %s, %d found, %s", event.kind, event.workflow_id, *counts)
        case ContactsUndelivered():
            text = "the client was closed before %s that it had bought %s handed out: workflows %s"
            was = "was" if event.contacts == 1 else "were"
            return (text, _contacts(event.contacts), was, ", ".join(event.workflow_ids))
        case RunStarted():
            return ("%s started: %s, %s", event.kind, _contacts(event.contacts), event.enrichment_type)
        case RunFinished():
            ended = "was interrupted" if event.interrupted else "finished"
            if event.error:
                ended = f"stopped by {event.error}"
            text = "%s %s after %.0f s: %s, %s, %s%s"
            outcome = _reached(event), _counts(event), _credits(event.credits), _how_to_go_on(event)
            return (text, event.kind, ended, event.duration_s, *outcome)
        case KeySetAside():
            return ("the server refuses %s (401); other keys in use: %d", event.key, event.keys_left)
        case WebhooksMissing():
            return (_WEBHOOKS_MISSING,)
        case LimitsAway():  # the store itself logs this and the next at WARNING, once for all clients
            return ("the shared limits cannot be reached",)
        case LimitsBack():
            return ("the shared limits can be reached again",)
        case _:
            assert_never(event)


def _why(event: CallFinished) -> str:
    return f": {event.error}{_code(event.code)}{_id(event.request_id)}" if event.error else ""


def _scope(event: CallFinished) -> str:
    contacts = "" if event.contacts is None else f"; {_contacts(event.contacts)}"
    if event.sent_at is not None:
        contacts = f"{contacts}; sent at {event.sent_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{contacts}; submission {event.submission}" if event.submission else contacts


def _reached(event: RunFinished) -> str:
    is_all = event.total is None or event.total == event.contacts
    return _contacts(event.contacts) if is_all else f"{event.contacts:,} of {_contacts(event.total)}"


def _counts(event: RunFinished) -> str:
    others = {"pending": event.pending, "unknown": event.unknown, "failed": event.failed}
    return ", ".join(
        [f"{event.found:,} found", *(f"{count:,} {name}" for name, count in others.items() if count)]
    )


def _how_to_go_on(event: RunFinished) -> str:
    if not event.pending:
        return ""
    how = "another run of the job" if event.kind == "job" else "client.collect"
    return f"; {how} fetches what is pending, for free"


def _pause(bucket: BucketState) -> str:
    pause = f"{bucket.name} paused for {bucket.paused_for_s:.3g} s"
    if not bucket.limit:  # of an endpoint whose limit is not known
        return pause
    return f"{pause}, then limited to {bucket.capacity} of {bucket.limit} requests"


def _credits(amount: float) -> str:
    return "1 credit" if amount == 1 else f"{amount:,.10g} credits"


def _contacts(count: int | None) -> str:
    if count is None:
        return "an unknown number of contacts"
    return "1 contact" if count == 1 else f"{count:,} contacts"


def _id(request_id: str | None) -> str:
    return f" ({request_id})" if request_id else ""


def _code(code: str | None) -> str:
    return f" [{code}]" if code else ""
