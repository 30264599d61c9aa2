"""The listener of a client that makes spans and measurements of its events."""

from __future__ import annotations

from opentelemetry.metrics import MeterProvider, get_meter
from opentelemetry.trace import TracerProvider, get_tracer

from cleanlist_async.checks import check_instance, check_methods, optional
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.events import Event
from cleanlist_async.integrations.opentelemetry.meter import Meters
from cleanlist_async.integrations.opentelemetry.tracing import Spans


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
        self._spans = Spans(get_tracer("cleanlist_async", tracer_provider=tracer_provider))
        self._meters = Meters(get_meter("cleanlist_async", meter_provider=meter_provider))

    def __call__(self, event: Event) -> None:
        """Record one event."""
        self._spans.record(event)
        self._meters.record(event)

    def watch(self, client: AsyncCleanlist) -> None:
        """Measure the tokens, waiting requests and webhooks of *client* too, until it is no longer used."""
        check_instance("client", client, AsyncCleanlist)
        self._meters.clients.add(client)
