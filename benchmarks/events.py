"""What do events cost a call: with nobody to listen, with a function, with spans?

The same calls on an in-memory network, in virtual time, so that nothing but CPU is measured; rounds interleaved.

    python -m benchmarks.events [--calls 500] [--rounds 7]
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

from opentelemetry.sdk.trace import TracerProvider

from benchmarks import report
from benchmarks.measuring import ratio, rounds_of
from cleanlist_async import RateLimits
from cleanlist_async.api.public import CREDITS_BALANCE
from cleanlist_async.events import Event, Events
from cleanlist_async.http.call_trace import CallTrace
from cleanlist_async.http.calls import Call, Reply
from cleanlist_async.http.transport import Exchange
from cleanlist_async.integrations.opentelemetry import OpenTelemetry
from cleanlist_async.testing import MemoryNetwork, ServerRequest, ServerResponse, run
from cleanlist_async.testing.virtual_client import VirtualCleanlist

WIDE = RateLimits(org=10**6, key=10**6)
BALANCE = ServerResponse(200, b'{"credits": 7.5}')


async def balance(_request: ServerRequest) -> ServerResponse:
    return BALANCE


async def make_calls(count: int, on_event: Callable[[Event], object] | None) -> float:
    async with (
        MemoryNetwork(balance, latency=lambda: 0.0) as network,
        VirtualCleanlist(network, rate_limits=WIDE, on_event=on_event) as client,
    ):
        await client.public.credits_balance()
        before = time.process_time()
        for _ in range(count):
            await client.public.credits_balance()
        return (time.process_time() - before) / count


def alone(count: int) -> float:
    """Return the seconds that the telling itself takes, without a call and with nobody to listen."""
    events, call, clock = Events(), Call(CREDITS_BALANCE), time.monotonic
    exchange, reply = Exchange(sent=True, status=200), Reply(None, "k")
    before = time.process_time()
    for _ in range(count):
        with CallTrace(events, call, "https://x", clock) as told:
            told.attempt_started(0.0, "key")
            told.attempt_finished(exchange)
            told.replied(reply)
    return (time.process_time() - before) / count


def measure(calls: int = 500, rounds: int = 7) -> report.Section:
    listeners: dict[str, Callable[[Event], object] | None] = {
        "nobody": None,
        "a function": lambda _event: None,
        "OpenTelemetry": OpenTelemetry(TracerProvider()),
    }
    work = {name: partial(_run_calls, calls, listener) for name, listener in listeners.items()}
    work["the telling alone, to nobody"] = partial(alone, calls)
    taken = rounds_of(work, rounds)
    rows = [
        (name, f"{1e6 * statistics.median(costs):,.1f}", ratio(costs, taken["nobody"]))
        for name, costs in taken.items()
    ]
    columns = ("who listens", "CPU of a call, µs", f"ratio to nobody (middle half of {rounds} rounds)")
    text = report.text_of(__doc__)
    return report.Section("Events", text, [report.Table(columns, rows)])


def _run_calls(count: int, listener: Callable[[Event], object] | None) -> float:
    return run(make_calls(count, listener))


if __name__ == "__main__":
    report.command(measure)
