"""OpenTelemetry: one span for each call. Needs the extra ``otel``.

::

    async with AsyncCleanlist(on_event=OpenTelemetry()) as client: ...

"""

from __future__ import annotations

from typing import Final, TypeAlias
from urllib.parse import urlsplit

from cleanlist_async.checks import check_methods, optional
from cleanlist_async.events import (
    AttemptFinished,
    CallFinished,
    CallStarted,
    Event,
    RateLimited,
    RetryScheduled,
    WorkflowAccepted,
)

try:
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider, get_tracer
except ModuleNotFoundError as missing:
    # A package that is missing inside OpenTelemetry is another problem.
    if (missing.name or "").partition(".")[0] != "opentelemetry":
        raise
    raise ModuleNotFoundError(
        "OpenTelemetry needs one more package: pip install 'cleanlist-async[otel]'", name=missing.name
    ) from missing

_Attributes: TypeAlias = dict[str, str | int | float | bool]

_HTTP_PORTS: Final = {"http": 80, "https": 443}


class OpenTelemetry:
    """An ``on_event`` that makes a span of each call, below the span that is current where the call is made.

    The span ``cleanlist.<operation>`` covers the waits for the rate limit and all attempts. Its attributes
    are those of the semantic conventions for HTTP clients where there is one, and ``cleanlist.*``; attempts,
    retries and 429s are events on it. It holds ids, counts and times, never a contact or a key. One instance
    serves any number of clients.

    Parameters
    ----------
    tracer_provider
        Where the spans go; by default to the global provider.

    """

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        optional(check_methods, "tracer_provider", tracer_provider, "get_tracer")
        self._tracer = get_tracer("cleanlist_async", tracer_provider=tracer_provider)
        # By call, since the events of concurrent calls are interleaved.
        self._spans: dict[int, Span] = {}

    def __call__(self, event: Event) -> None:
        """Record one event."""
        match event:
            case CallStarted():
                self._start(event)
            case AttemptFinished():
                self._note(event.call, f"attempt {event.outcome}", _of_attempt(event))
            case RetryScheduled():
                self._note(event.call, "retry", {"error.type": event.error, "cleanlist.wait_s": event.wait_s})
            case RateLimited():
                self._note(event.call, "rate limited", _of_429(event))
            case WorkflowAccepted():
                if (span := self._spans.get(event.call)) is not None:
                    span.set_attribute("cleanlist.workflow_id", event.workflow_id)
            case CallFinished():
                self._end(event)
            case _:
                pass

    def _start(self, event: CallStarted) -> None:
        server = urlsplit(event.base_url)
        self._spans[event.call] = self._tracer.start_span(
            f"cleanlist.{event.operation}",
            kind=SpanKind.CLIENT,
            attributes={
                "http.request.method": event.method,
                "url.template": event.path,
                "server.address": server.hostname or "",
                "server.port": server.port or _HTTP_PORTS.get(server.scheme, 443),
                "cleanlist.operation": event.operation,
                "cleanlist.paid": event.paid,
            },
        )

    def _note(self, call: int, name: str, attributes: _Attributes) -> None:
        if (span := self._spans.get(call)) is not None:
            span.add_event(name, attributes)

    def _end(self, event: CallFinished) -> None:
        if (span := self._spans.pop(event.call, None)) is None:
            return
        span.set_attributes(_of_call(event))
        if event.error is not None:
            # The code and not the message, which may quote a contact.
            span.set_status(Status(StatusCode.ERROR, event.code))
        span.end()


def _of_call(event: CallFinished) -> _Attributes:
    return _known(
        {
            "http.response.status_code": event.status,
            "http.request.body.size": event.sent_bytes,
            "http.response.body.size": event.received_bytes,
            # Left out where nothing was sent again, as the conventions want it.
            "http.request.resend_count": max(0, event.attempts - 1) or None,
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
            "error.type": event.failure,
            "cleanlist.attempt": event.attempt,
            "cleanlist.duration_s": event.duration_s,
            "cleanlist.request_id": event.request_id,
        }
    )


def _of_429(event: RateLimited) -> _Attributes:
    pause_s = max((bucket.paused_for_s for bucket in event.buckets), default=0.0)
    return _known({"cleanlist.asked_s": event.asked_s, "cleanlist.pause_s": pause_s})


def _known(attributes: dict[str, str | int | float | bool | None]) -> _Attributes:
    return {name: value for name, value in attributes.items() if value is not None}
