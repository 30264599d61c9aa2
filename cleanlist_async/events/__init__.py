"""Typed events of a client, passed one at a time to the function given as ``AsyncCleanlist(on_event=...)``.

::

    def on_event(event: Event) -> None:
        match event:
            case CallFinished(operation=operation, duration_s=seconds, error=error):
                histogram.record(seconds, {"operation": operation, "error": error or ""})
            case RateLimited():
                alarm.raise_for(event)

The function is called in the event loop, while the client works: it should return quickly, and pass slow work
on to a task. An exception that it raises is logged once and changes nothing else. Events hold ids, counts and
times; never a key, a contact, a body, a query or a message of the server. More kinds of event may be added:
ignore those you do not know.
"""

from typing import TYPE_CHECKING

from cleanlist_async import lazy_exports

__all__ = [
    "AnswerDrifted",
    "AttemptFinished",
    "AttemptOutcome",
    "AttemptStarted",
    "BatchStatistics",
    "BucketState",
    "CallDetached",
    "CallFinished",
    "CallStarted",
    "ContactFinished",
    "ContactStarted",
    "ContactsUndelivered",
    "Event",
    "Events",
    "KeySetAside",
    "LimitsAway",
    "LimitsBack",
    "Listener",
    "OpenFailures",
    "RateLimited",
    "ResultsSettled",
    "RetryScheduled",
    "RunFinished",
    "RunKind",
    "RunStarted",
    "Statistics",
    "UnknownPart",
    "WebhooksMissing",
    "WorkflowAccepted",
    "WorkflowFinished",
    "identifier",
    "report_failure",
]

if TYPE_CHECKING:
    from cleanlist_async.events.contact_kinds import (
        ContactFinished,
        ContactStarted,
        ContactsUndelivered,
        ResultsSettled,
        RunKind,
    )
    from cleanlist_async.events.delivery import Events, Listener, OpenFailures, report_failure
    from cleanlist_async.events.kinds import (
        AnswerDrifted,
        AttemptFinished,
        AttemptOutcome,
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
        identifier,
    )
    from cleanlist_async.events.statistics import BatchStatistics, Statistics
    from cleanlist_async.ratelimit import BucketState
else:
    # On first use: the types of a listener must not load httpx.
    _ELSEWHERE = {
        "events.delivery": "Events Listener OpenFailures report_failure",
        "events.statistics": "BatchStatistics Statistics",
        "ratelimit": "BucketState",
    }
    _kinds = " ".join({*__all__}.difference(*map(str.split, _ELSEWHERE.values())))
    __getattr__, __dir__ = lazy_exports(__name__, {**_ELSEWHERE, "events.kinds": _kinds})
