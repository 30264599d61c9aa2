"""What the metrics of a client are, whichever system keeps them: from its events, and from its state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.events import (
    AttemptFinished,
    AttemptStarted,
    CallFinished,
    ContactFinished,
    Event,
    RateLimited,
    ResultsSettled,
    RetryScheduled,
    RunFinished,
    RunStarted,
    WorkflowAccepted,
    WorkflowFinished,
)

Kind: TypeAlias = Literal["counter", "up_down", "gauge", "histogram"]

_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0, 900.0)
_CONTACTS: Final = (1, 2, 5, 10, 25, 50, 100, 150, 200, 250)


@dataclass(frozen=True)
class Metric:
    """One metric. Its name has dots; Prometheus writes underscores, and adds the unit."""

    name: str
    kind: Kind
    description: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    buckets: tuple[float, ...] = ()


@dataclass(frozen=True)
class Measurement:
    """A value of a metric: to add, to set or to observe, as its kind wants it."""

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()


def _histogram(name: str, description: str, *labels: str) -> Metric:
    return Metric(name, "histogram", description, labels, "s", _SECONDS)


REQUESTS: Final = _histogram(
    "cleanlist.request.duration", "Requests by status; `lost` or `unsent` without one", "operation", "status"
)
WAITS: Final = _histogram("cleanlist.rate_limit.wait", "Waits of requests for the rate limit", "operation")
REJECTED: Final = Metric("cleanlist.rate_limit.rejected", "counter", "429s", ("operation",))
RETRIES: Final = Metric(
    "cleanlist.retries", "counter", "Attempts that failed and were repeated", ("operation",)
)
CALLS: Final = _histogram(
    "cleanlist.call.duration", "Calls with all their waits and attempts", "operation", "error"
)
UNKNOWN: Final = Metric(
    "cleanlist.unknown_outcomes", "counter", "Paid calls that may have been processed", ("operation",)
)
CREDITS: Final = Metric("cleanlist.credits", "counter", "Credits spent", ("kind",))
CONTACTS: Final = Metric("cleanlist.contacts", "counter", "Contacts with a result", ("kind", "found"))
BATCHES: Final = Metric(
    "cleanlist.batch.contacts", "histogram", "Contacts of an accepted request", ("operation",), "", _CONTACTS
)
WORKFLOWS: Final = _histogram("cleanlist.workflow.duration", "Workflows by their final status", "status")
ENRICH_ONE: Final = _histogram("cleanlist.enrich_one.duration", "Calls of enrich_one", "outcome")
RUNS: Final = Metric("cleanlist.runs", "up_down", "Runs and jobs in progress", ("kind",))
PLANNED: Final = Metric(
    "cleanlist.run.contacts", "counter", "Contacts of runs and jobs that were started", ("kind",)
)
EVENT_METRICS: Final = (
    *(REQUESTS, WAITS, REJECTED, RETRIES, CALLS, UNKNOWN, CREDITS, CONTACTS, BATCHES),
    *(WORKFLOWS, ENRICH_ONE, RUNS, PLANNED),
)

TOKENS: Final = Metric(
    "cleanlist.tokens.available", "gauge", "Requests that can be sent at once", ("bucket",)
)
CAPACITY: Final = Metric("cleanlist.tokens.capacity", "gauge", "Requests a window may have", ("bucket",))
PAUSE: Final = Metric("cleanlist.pause", "gauge", "How long nothing is sent after a 429", ("bucket",), "s")
WAITING: Final = Metric("cleanlist.requests.waiting", "gauge", "Requests that wait for the rate limit")
WEBHOOKS_EXPECTED: Final = Metric("cleanlist.webhooks.expected", "counter", "Submits that expected a webhook")
WEBHOOKS: Final = Metric("cleanlist.webhooks", "counter", "Webhooks by what became of them", ("outcome",))
STATE_METRICS: Final = (TOKENS, CAPACITY, PAUSE, WAITING, WEBHOOKS_EXPECTED, WEBHOOKS)

_OUTCOMES: Final = ("believed", "confirmed", "repeated", "passed_on", "dropped", "refused")


def measurements(event: Event) -> Iterator[Measurement]:  # noqa: C901, PLR0912  # a case for each kind of event
    """Yield what an event adds to the metrics."""
    match event:
        case AttemptStarted():
            yield Measurement(WAITS, event.waited_s, (event.operation,))
        case AttemptFinished():
            status = event.outcome if event.status is None else str(event.status)
            yield Measurement(REQUESTS, event.duration_s, (event.operation, status))
        case RateLimited():
            yield Measurement(REJECTED, 1, (event.operation,))
        case RetryScheduled():
            yield Measurement(RETRIES, 1, (event.operation,))
        case CallFinished():
            yield Measurement(CALLS, event.duration_s, (event.operation, event.error or ""))
            if event.error == "UnknownOutcomeError":
                yield Measurement(UNKNOWN, 1, (event.operation,))
        case ContactFinished():
            yield Measurement(ENRICH_ONE, event.duration_s, (event.status or event.error or "",))
        case ResultsSettled():
            yield Measurement(CREDITS, event.credits, (event.kind,))
            yield Measurement(CONTACTS, event.found, (event.kind, "true"))
            yield Measurement(CONTACTS, event.contacts - event.found, (event.kind, "false"))
        case WorkflowAccepted() if event.contacts is not None:
            yield Measurement(BATCHES, event.contacts, (event.operation,))
        case WorkflowFinished():
            yield Measurement(WORKFLOWS, event.after_s, (event.status,))
        case RunStarted():
            yield Measurement(RUNS, 1, (event.kind,))
            yield Measurement(PLANNED, event.contacts or 0, (event.kind,))  # a stream has no length
        case RunFinished():
            yield Measurement(RUNS, -1, (event.kind,))
        case _:
            pass


def state_of(clients: Iterable[AsyncCleanlist]) -> list[Measurement]:
    """Return the state of several clients: buckets and receivers that they share are counted once."""
    clients, values, waiting = list(clients), dict[tuple[Metric, str], float](), 0
    for client in clients:
        now = client.statistics()
        waiting += now.waiting
        for bucket in now.buckets:
            values[TOKENS, bucket.name] = bucket.available
            values[CAPACITY, bucket.name] = bucket.capacity
            values[PAUSE, bucket.name] = bucket.paused_for_s
    found = [Measurement(metric, value, (name,)) for (metric, name), value in values.items()]
    found.append(Measurement(WAITING, waiting))
    receivers = {client.webhooks for client in clients} - {None}
    counts = [receiver.statistics() for receiver in receivers if receiver is not None]
    found.append(Measurement(WEBHOOKS_EXPECTED, sum(one.expected for one in counts)))
    found += (
        Measurement(WEBHOOKS, sum(getattr(one, outcome) for one in counts), (outcome,))
        for outcome in _OUTCOMES
    )
    return found
