"""How long the event loop stood still, and how much memory was taken, while a client read an answer."""

from __future__ import annotations

import asyncio
import gc
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path
from unittest.mock import patch

import httpx

from cleanlist_async import AsyncCleanlist, CleanlistError, RateLimiter, RateLimits, facts
from cleanlist_async.webhooks.receiver import WebhookReceiver
from tests.hostile.answers import hostile_server, listing
from tests.hostile.entries import ENTRIES
from tests.support.clients import NoPatience

KEY = "clapi_" + "k" * 40
TICK_S = 0.001
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(slots=True)
class Measured:
    """What one answer cost. `outcome` is the name of the error it became, or of the value."""

    entry: str
    case: str
    block_s: float = 0.0
    peak_mib: float = 0.0
    outcome: str = ""
    is_typed: bool = True


class Watchdog:
    """Measures the longest time between two turns of the event loop.

    In CPU seconds of the whole process: what other processes take is not the client's, while what a thread
    of it takes without letting the loop go on is.
    """

    longest_s = 0.0

    async def watch(self) -> None:
        before = time.process_time()
        while True:
            await asyncio.sleep(TICK_S)
            now = time.process_time()
            self.longest_s = max(self.longest_s, now - before)
            before = now


@asynccontextmanager
async def watched() -> AsyncGenerator[Watchdog]:
    """Watch the event loop."""
    watchdog = Watchdog()
    task = asyncio.create_task(watchdog.watch())
    await asyncio.sleep(TICK_S)
    try:
        yield watchdog
        await asyncio.sleep(2 * TICK_S)
    finally:
        task.cancel()


class PeakMemory:
    """MiB of memory at most above what the process had before. Linux only: 0 elsewhere."""

    def __init__(self) -> None:
        if _RESET.exists():
            _RESET.write_text("5")
        self._before = self._high()

    @property
    def mib(self) -> float:
        """The peak so far."""
        return self._high() - self._before

    @staticmethod
    def _high() -> float:
        found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text()) if _STATUS.exists() else None
        return int(found[1]) / 1024 if found else 0.0


_numbers = count()
_tls = lru_cache(httpx.create_ssl_context)
"""One for all clients: to read the certificates takes longer than most answers do."""


async def measure(url: str, case: str, name: str) -> Measured:
    """Let one entry of the client read one hostile answer."""
    entry = ENTRIES[name]
    base_url = f"{url}/{case}/{entry.items}/{entry.most_bytes}/{entry.kind}".replace(" ", "%20")
    measured = Measured(name, case)
    limits = RateLimits(org=10**6, key=10**6, window_s=1.0)
    client = AsyncCleanlist(
        f"{KEY}{next(_numbers)}",  # one key may not have two limiters
        base_url=base_url,
        limiter=RateLimiter(limits, rng=NoPatience()),
        max_retries=0,
        request_timeout_s=30,
        deadline_s=30,
        give_up_after_s=1,
    )
    with patch.object(httpx, "create_ssl_context", _tls):
        async with client:
            memory = PeakMemory()
            async with watched() as watchdog:
                measured.outcome, measured.is_typed = await _outcome(entry.call(client))
            measured.block_s, measured.peak_mib = watchdog.longest_s, memory.mib
    return measured


async def measure_all(url: str, pairs: Iterable[tuple[str, str]]) -> list[Measured]:
    """Measure pairs of a case and an entry, after a first round that loads what is loaded once."""
    pairs = list(pairs)
    for name in dict.fromkeys(name for _, name in pairs):
        await measure(url, "bytes one by one", name)
    gc.collect()
    gc.freeze()  # what the process has besides is no part of it
    try:
        return [await measure(url, case, name) for case, name in pairs]
    finally:
        gc.unfreeze()


async def _outcome(call: Awaitable[object]) -> tuple[str, bool]:
    """Return what became of a call, by name, and whether it was a value or an error of ours."""
    try:
        return type(await call).__name__, True
    except CleanlistError as error:
        return type(error).__name__, True
    except Exception as error:  # noqa: BLE001  # what it was is the result
        return repr(error)[:200], False


async def measure_webhook(case: str) -> Measured:
    """Let a receiver of webhooks read the body of one hostile answer, in one piece and byte by byte."""
    body = listing(case, "results", facts.MAX_WEBHOOK_BYTES)
    receiver = WebhookReceiver("https://app.example/hooks")
    _, submission = receiver.begin()
    token = (submission.webhook_url or "").rpartition("/")[2]

    async def bytewise() -> AsyncGenerator[bytes]:
        for start in range(50_000):
            yield body[start : start + 1]

    measured = Measured("webhooks.receive", case)
    memory = PeakMemory()
    async with watched() as watchdog:
        whole = await receiver.receive(token, "application/json", body)
        torn = await receiver.receive(token, "application/json", bytewise())
    measured.block_s, measured.peak_mib = watchdog.longest_s, memory.mib
    measured.outcome = f"{whole.status} {torn.status}"
    return measured


def peak_mib(pairs: Sequence[tuple[str, str]]) -> float:
    """Return the most that these took, in MiB; for a process of its own."""
    with hostile_server() as url:
        return max(one.peak_mib for one in asyncio.run(measure_all(url, pairs)))
