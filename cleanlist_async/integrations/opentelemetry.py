"""OpenTelemetry: spans of calls and attempts, and metrics. Needs the extra ``otel``.

::

    telemetry = OpenTelemetry()
    async with AsyncCleanlist(on_event=telemetry) as client:
        telemetry.watch(client)

"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from typing import Final, TypeAlias
from urllib.parse import urlsplit
from weakref import WeakSet

from cleanlist_async.checks import check_instance, check_methods, optional
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.events import (
    AttemptFinished,
    AttemptStarted,
    CallFinished,
    CallStarted,
    ContactFinished,
    ContactStarted,
    Event,
    RateLimited,
    RetryScheduled,
    WorkflowAccepted,
)
from cleanlist_async.integrations import explain_missing
from cleanlist_async.integrations.metrics import (
    EVENT_METRICS,
    STATE_METRICS,
    Measurement,
    Metric,
    measurements,
    state_of,
)

try:
    from opentelemetry.metrics import (
        CallbackOptions,
        Counter,
        Histogram,
        Meter,
        MeterProvider,
        Observation,
        UpDownCounter,
        get_meter,
    )
    from opentelemetry.trace import (
        Span,
        SpanContext,
        SpanKind,
        Status,
        StatusCode,
        Tracer,
        TracerProvider,
        get_tracer,
        set_span_in_context,
    )
except ModuleNotFoundError as missing:
    explain_missing(missing, "OpenTelemetry needs", "otel", "opentelemetry")
    raise

__all__ = ["OpenTelemetry"]

_Instrument: TypeAlias = Counter | Histogram | UpDownCounter

_Attributes: TypeAlias = dict[str, str | int | float | bool]
_HTTP_PORTS: Final = {"http": 80, "https": 443}
_SUBMITS_KEPT: Final = 10_000
"""Submits that calls of `enrich_one` may still have to be linked to: of almost three hours at 60 a minute."""


class _Meters:
    """The instruments, and the `clients` whose state is read whenever metrics are collected."""

    def __init__(self, meter: Meter) -> None:
        self.clients: WeakSet[AsyncCleanlist] = WeakSet()
        self._instruments = {metric: _made(metric, meter) for metric in EVENT_METRICS}
        for metric in STATE_METRICS:
            make = (
                meter.create_observable_counter if metric.kind == "counter" else meter.create_observable_gauge
            )
            read = partial(self._observe, metric)
            make(metric.name, [read], unit=metric.unit, description=metric.description)

    def record(self, event: Event) -> None:
        """Add what an event says to the instruments."""
        for one in measurements(event):
            instrument = self._instruments[one.metric]
            if isinstance(instrument, Histogram):
                instrument.record(one.value, _attributes(one))
            else:
                instrument.add(one.value, _attributes(one))

    def _observe(self, metric: Metric, _options: CallbackOptions) -> Iterator[Observation]:
        for one in state_of(self.clients):
            if one.metric is metric:
                yield Observation(one.value, _attributes(one))


def _made(metric: Metric, meter: Meter) -> _Instrument:
    if metric.kind == "histogram":
        return meter.create_histogram(
            metric.name,
            metric.unit,
            metric.description,
            explicit_bucket_boundaries_advisory=metric.buckets,
        )
    make = meter.create_up_down_counter if metric.kind == "up_down" else meter.create_counter
    return make(metric.name, metric.unit, metric.description)


def _attributes(one: Measurement) -> dict[str, str]:
    return {f"cleanlist.{name}": value for name, value in zip(one.metric.labels, one.labels, strict=True)}


class _Spans:
    """The spans that are open, by the numbers of their calls: events of concurrent calls are interleaved."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._calls: dict[int, tuple[Span, CallStarted]] = {}
        # Apart from their calls: a request may outlive its caller.
        self._attempts: dict[tuple[int, int], Span] = {}
        self._contacts: dict[int, Span] = {}
        self._submits: OrderedDict[str, SpanContext] = OrderedDict()

    def record(self, event: Event) -> None:
        """Start, complete or end the span that an event belongs to."""
        match event:
            case AttemptStarted():
                self._start_attempt(event)
            case AttemptFinished():
                self._end_attempt(event)
            case RetryScheduled():
                self._note(event.call, "retry", {"error.type": event.error, "cleanlist.wait_s": event.wait_s})
            case RateLimited():
                known = _known({"cleanlist.asked_s": event.asked_s, "cleanlist.pause_s": event.pause_s})
                self._note(event.call, "rate limited", known)
            case ContactStarted():
                self._contacts[event.caller] = self._tracer.start_span(
                    "cleanlist.enrich_one",
                    kind=SpanKind.INTERNAL,
                    attributes={"cleanlist.enrichment_type": event.enrichment_type},
                )
            case ContactFinished():
                self._end_contact(event)
            case CallStarted():
                self._start_call(event)
            case WorkflowAccepted():
                self._note_workflow(event)
            case CallFinished():
                self._end_call(event)
            case _:
                pass

    # -- calls ---------------------------------------------------------------------------------

    def _start_call(self, event: CallStarted) -> None:
        span = self._tracer.start_span(
            f"cleanlist.{event.operation}",
            kind=SpanKind.INTERNAL,
            attributes={"cleanlist.operation": event.operation, "cleanlist.paid": event.paid},
        )
        self._calls[event.call] = span, event

    def _note_workflow(self, event: WorkflowAccepted) -> None:
        if (found := self._calls.get(event.call)) is None:
            return
        span, _ = found
        span.set_attribute("cleanlist.workflow_id", event.workflow_id)
        self._submits[event.workflow_id] = span.get_span_context()
        if len(self._submits) > _SUBMITS_KEPT:
            self._submits.popitem(last=False)

    def _note(self, call: int, name: str, attributes: _Attributes) -> None:
        if (found := self._calls.get(call)) is not None:
            found[0].add_event(name, attributes)

    def _end_call(self, event: CallFinished) -> None:
        if (found := self._calls.pop(event.call, None)) is None:
            return
        span, _ = found
        span.set_attributes(_of_call(event))
        if event.error is not None:
            # The code and not the message, which may quote a contact.
            span.set_status(Status(StatusCode.ERROR, event.code))
        span.end()

    # -- attempts ------------------------------------------------------------------------------

    def _start_attempt(self, event: AttemptStarted) -> None:
        if (found := self._calls.get(event.call)) is None:
            return
        parent, call = found
        server = urlsplit(call.base_url)
        attributes: _Attributes = {
            "http.request.method": call.method,
            "server.address": server.hostname or "",
            "server.port": server.port or _HTTP_PORTS.get(server.scheme, 443),
            "cleanlist.waited_s": event.waited_s,
        }
        if call.path:  # it stands for `url.full`, which may name a contact, or be the secret of a download
            attributes["url.template"] = call.path
        if event.attempt > 1:  # left out where nothing was sent again, as the conventions want it
            attributes["http.request.resend_count"] = event.attempt - 1
        self._attempts[event.call, event.attempt] = self._tracer.start_span(
            f"{call.method} {call.path}".rstrip(),
            set_span_in_context(parent),
            SpanKind.CLIENT,
            attributes,
        )

    def _end_attempt(self, event: AttemptFinished) -> None:
        if (span := self._attempts.pop((event.call, event.attempt), None)) is None:
            return
        span.set_attributes(_of_attempt(event))
        # By the conventions, a status is an error from 400 on.
        error = event.failure or (str(event.status) if (event.status or 0) >= 400 else None)
        if error is not None:
            span.set_attribute("error.type", error)
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    # -- contacts ------------------------------------------------------------------------------

    def _end_contact(self, event: ContactFinished) -> None:
        if (span := self._contacts.pop(event.caller, None)) is None:
            return
        span.set_attributes(
            _known(
                {
                    "cleanlist.status": event.status,
                    "cleanlist.workflow_id": event.workflow_id,
                    "cleanlist.credits": event.credits,
                    "error.type": event.error,
                }
            )
        )
        submit = None if event.workflow_id is None else self._submits.get(event.workflow_id)
        if submit is not None:
            span.add_link(submit)
        if event.error is not None:
            span.set_status(Status(StatusCode.ERROR))
        span.end()


def _of_call(event: CallFinished) -> _Attributes:
    return _known(
        {
            "error.type": event.error,
            "cleanlist.attempts": event.attempts,
            "cleanlist.waited_s": event.waited_s,
            "cleanlist.retry_wait_s": event.retry_wait_s,
            "cleanlist.request_id": event.request_id,
            "cleanlist.code": event.code,
            "cleanlist.billed": event.billed,
            "cleanlist.credits": event.credits,
        }
    )


def _of_attempt(event: AttemptFinished) -> _Attributes:
    return _known(
        {
            "http.response.status_code": event.status,
            "http.request.body.size": event.sent_bytes,
            "http.response.body.size": event.received_bytes,
            "cleanlist.request_id": event.request_id,
        }
    )


def _known(attributes: dict[str, str | int | float | bool | None]) -> _Attributes:
    return {name: value for name, value in attributes.items() if value is not None}


class OpenTelemetry:
    """An ``on_event`` that makes spans and metrics, which hold no contact and no key.

    Each call is a span ``cleanlist.<operation>`` (INTERNAL) below the span that is current where the call is
    made; it covers the waits for the rate limit and all attempts. Each attempt is a span below it (CLIENT),
    by the semantic conventions for HTTP. A call of `enrich_one` is a span of its own, with a link to the
    submit that bought its contact, which it may share with 249 others. One instance serves any number of
    clients.

    Parameters
    ----------
    tracer_provider, meter_provider
        Where spans and metrics go; by default to the global providers.

    """

    def __init__(
        self, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        optional(check_methods, "tracer_provider", tracer_provider, "get_tracer")
        optional(check_methods, "meter_provider", meter_provider, "get_meter")
        self._spans = _Spans(get_tracer("cleanlist_async", tracer_provider=tracer_provider))
        self._meters = _Meters(get_meter("cleanlist_async", meter_provider=meter_provider))

    def __call__(self, event: Event) -> None:
        """Record one event."""
        self._spans.record(event)
        self._meters.record(event)

    def watch(self, client: AsyncCleanlist) -> None:
        """Measure the tokens, waiting requests and webhooks of *client* too, until it is no longer used."""
        check_instance("client", client, AsyncCleanlist)
        self._meters.clients.add(client)
