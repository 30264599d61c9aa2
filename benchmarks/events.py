"""What do events cost a call: with nobody to listen, with a function, with spans?

The same calls on an in-memory network, in virtual time, so that nothing but CPU is measured; rounds interleaved.

    python benchmarks/events.py [--calls 1000] [--rounds 9]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

from opentelemetry.sdk.trace import TracerProvider

from cleanlist_async import RateLimiter, RateLimits
from cleanlist_async.call_events import CallEvents
from cleanlist_async.calls import Call, Reply
from cleanlist_async.events import Event, Events
from cleanlist_async.integrations.opentelemetry import OpenTelemetry
from cleanlist_async.ratelimit import Permit
from cleanlist_async.ratelimit.memory import Lease
from cleanlist_async.resources.public import CREDITS_BALANCE
from cleanlist_async.testing import MemoryNetwork, ServerRequest, ServerResponse, run
from cleanlist_async.testing.virtual_client import VirtualCleanlist
from cleanlist_async.transport import Exchange, Request

WIDE = RateLimits(org=10**6, key=10**6)
BALANCE = ServerResponse(200, b'{"credits": 7.5}')


async def balance(_request: ServerRequest) -> ServerResponse:
    return BALANCE


async def calls(count: int, on_event: Callable[[Event], object] | None) -> float:
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
    permit = Permit(RateLimiter(), Lease("key", (), []), 0.0)
    request, exchange, reply = Request("GET", "/"), Exchange(sent=True, status=200), Reply(None, "k")
    before = time.process_time()
    for _ in range(count):
        with CallEvents(events, call, "https://x", clock) as told:
            told.attempt_started(permit)
            told.attempt_finished(request, exchange, None)
            told.replied(reply)
    return (time.process_time() - before) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    listeners = {
        "nobody": None,
        "a function": lambda _event: None,
        "OpenTelemetry": OpenTelemetry(TracerProvider()),
    }
    times: dict[str, list[float]] = {name: [] for name in listeners}
    for _ in range(options.rounds):
        for name, listener in listeners.items():
            times[name].append(run(calls(options.calls, listener)))
    print(f"{options.rounds} interleaved rounds of {options.calls} calls, medians of CPU time\n")
    print("| who listens | us a call |")
    print("|---|---|")
    for name, values in times.items():
        print(f"| {name} | {1e6 * statistics.median(values):.0f} |")
    own = statistics.median(alone(10_000) for _ in range(options.rounds))
    print(f"\nof which telling, with nobody to listen: {1e6 * own:.1f} us")


if __name__ == "__main__":
    main()
