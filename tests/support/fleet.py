"""Several real processes that share one limiter, and one strict server that counts, itself a process."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import anyio

from cleanlist_async import AsyncCleanlist, CleanlistError, RateLimiter
from tests.support.counting_server import counting_server

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.support.fleet"])

CALLERS = 40
"""Calls that each worker makes at once: always more than there are tokens for it."""


@dataclass(frozen=True)
class Seen:
    """What the server saw: when, and how many it answered 429."""

    arrivals: list[float]
    rejected: int
    busiest: int

    def share(self, limit: int, window_s: float, since: float, until: float) -> float:
        """Arrivals between two moments, as a share of what the limit allows."""
        arrived = sum(since <= at < until for at in self.arrivals)
        return arrived / (limit * (until - since) / window_s)

    def steady_share(self, limit: int, window_s: float, since: float = 0.0) -> float:
        """Whole cycles of arrivals after the first burst, over the windows that they took."""
        steady = sorted(at for at in self.arrivals if at >= since)[limit:]
        cycles = (len(steady) - 1) // limit
        return cycles * window_s / (steady[cycles * limit] - steady[0])


@dataclass
class Fleet:
    """Workers that send as fast as the limiter lets them, all to one server."""

    make_limiter: Callable[[], object]
    keys: list[list[str]]
    base_url: str
    starts_at: float
    ends_at: float
    work: Callable[..., None] | None = None
    """What each worker does, with the limiter of others."""
    calls: int | None = None
    """Answered calls after which a worker ends, before `ends_at`."""
    workers: list[BaseProcess] = field(default_factory=list)
    counts: list[Connection] = field(default_factory=list)

    def start(self, number: int) -> BaseProcess:
        """Start one more worker, with the keys of that number."""
        ours, theirs = _CONTEXT.Pipe(duplex=False)
        keys = self.keys[number % len(self.keys)]
        worker = _CONTEXT.Process(
            target=self.work or partial(_work, calls=self.calls),
            args=(self.make_limiter, keys, self.base_url, self.starts_at, self.ends_at, theirs),
            daemon=True,
        )
        worker.start()
        theirs.close()
        self.workers.append(worker)
        self.counts.append(ours)
        return worker

    def kill(self, worker: BaseProcess) -> None:
        """End a worker as the power would."""
        os.kill(worker.pid or 0, signal.SIGKILL)
        worker.join()

    def kill_some(self, count: int, rng: random.Random) -> None:
        """Kill so many workers, and start others for them."""
        for victim in rng.sample([worker for worker in self.workers if worker.is_alive()], count):
            self.kill(victim)
            self.start(self.workers.index(victim))

    def join(self) -> list[int]:
        """Wait for all; return how many requests each sent that was not killed."""
        for worker in self.workers:
            worker.join(max(1.0, self.ends_at - time.monotonic() + 20))
        counts: list[int] = []
        for pipe in self.counts:
            with suppress(EOFError):  # it was killed
                counts.append(pipe.recv())
        return counts


def _work(
    make_limiter: Callable[[], RateLimiter],
    keys: list[str],
    base_url: str,
    starts_at: float,
    ends_at: float,
    told: Connection,
    *,
    calls: int | None = None,
) -> None:
    async def main() -> int:
        sent = 0
        places = iter(range(calls)) if calls is not None else count()

        async def call(client: AsyncCleanlist) -> None:
            nonlocal sent
            for _ in places:
                if time.monotonic() >= ends_at:
                    return
                with suppress(CleanlistError):
                    await client.public.validate_key()
                    sent += 1

        options = {"organization": "acme", "base_url": base_url, "limiter": make_limiter()}
        async with AsyncCleanlist(keys, **options) as client:  # type: ignore[arg-type]
            await asyncio.sleep(starts_at - time.monotonic())
            with anyio.move_on_after(ends_at - time.monotonic()):
                async with anyio.create_task_group() as group:
                    for _ in range(CALLERS):
                        group.start_soon(call, client)
        return sent

    told.send(asyncio.run(main()))


@contextmanager
def strict_server(org: int, key: int, window_s: float) -> Iterator[tuple[str, Callable[[], Seen]]]:
    """Serve in a process of its own; yield its address, and what stops it and tells what it saw."""
    ours, theirs = _CONTEXT.Pipe()
    server = _CONTEXT.Process(target=_serve, args=(org, key, window_s, theirs), daemon=True)
    server.start()
    try:
        base_url = ours.recv()

        def stop() -> Seen:
            ours.send("stop")
            seen = ours.recv()
            assert isinstance(seen, Seen)
            return seen

        yield base_url, stop
    finally:
        server.kill()
        server.join()


def _serve(org: int, key: int, window_s: float, told: Connection) -> None:
    async def main() -> Seen:
        async with counting_server(org=org, key=key, window_s=window_s) as server:
            told.send(server.base_url)
            await asyncio.to_thread(told.recv)
            log = sorted(server.arrivals)
            busiest, first = 0, 0
            for last, at in enumerate(log):
                while log[first] <= at - window_s:
                    first += 1
                busiest = max(busiest, last - first + 1)
            return Seen(log, server.rejected, busiest)

    told.send(asyncio.run(main()))
