"""What happens in a client, told as it happens to ``AsyncCleanlist(on_event=...)``, a function of one event.

::

    def on_event(event: Event) -> None:
        match event:
            case CallFinished(operation=operation, duration_s=seconds, error=error):
                histogram.record(seconds, {"operation": operation, "error": error or ""})
            case RateLimited():
                alarm.raise_for(event)

The function is called in the event loop, in the middle of things: it should be quick, and hand on what takes
time. What it raises is logged once and disturbs nothing. Events hold ids, counts and times; never a key, a
contact, a body, a query or a sentence of the server. More kinds of event may come: ignore those you do not
know.
"""

from typing import TYPE_CHECKING

from cleanlist_async import lazy_exports

__all__ = [
    "AttemptFinished",
    "AttemptOutcome",
    "AttemptStarted",
    "BatchStatistics",
    "BucketState",
    "CallDetached",
    "CallFinished",
    "CallStarted",
    "Event",
    "Events",
    "LimitsAway",
    "LimitsBack",
    "Listener",
    "OpenFailures",
    "RateLimited",
    "RetryScheduled",
    "RunFinished",
    "RunKind",
    "RunStarted",
    "Statistics",
    "WorkflowAccepted",
    "WorkflowFinished",
    "identifier",
    "report_failure",
]

if TYPE_CHECKING:
    from cleanlist_async.events.delivery import Events, Listener, OpenFailures, report_failure
    from cleanlist_async.events.kinds import (
        AttemptFinished,
        AttemptOutcome,
        AttemptStarted,
        CallDetached,
        CallFinished,
        CallStarted,
        Event,
        LimitsAway,
        LimitsBack,
        RateLimited,
        RetryScheduled,
        RunFinished,
        RunKind,
        RunStarted,
        WorkflowAccepted,
        WorkflowFinished,
        identifier,
    )
    from cleanlist_async.events.statistics import BatchStatistics, Statistics
    from cleanlist_async.ratelimit import BucketState
else:
    _ELSEWHERE = {
        "events.delivery": ("Events", "Listener", "OpenFailures", "report_failure"),
        "events.statistics": ("BatchStatistics", "Statistics"),
        "ratelimit": ("BucketState",),
    }
    _kinds = sorted({*__all__}.difference(*_ELSEWHERE.values()))
    __getattr__, __dir__ = lazy_exports(__name__, {**_ELSEWHERE, "events.kinds": _kinds})
