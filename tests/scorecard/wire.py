"""The wire: requests that hang, answers that come twice, addresses in answers, keys and proxies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from cleanlist_async import ConfigurationError, RateLimits
from tests.http.test_admission import KINDS, kind_of
from tests.http.transport.test_addresses import GOOD, download
from tests.http.transport.test_doubled_answers import (
    SEEN_BY_ITS_BYTES,
    WAYS,
    asked_for,
    doubling,
    rows_of,
    status_of,
)
from tests.scorecard.figure import Figure
from tests.support import forbidden_addresses as addresses
from tests.support.clients import ANSWERS, WIDE, against, always, client_of, json_answer, respond, virtually
from tests.support.faulty_server import FaultyServer


def figures(*, long: bool) -> Iterator[Figure]:
    """Measure what the wire may do to calls."""
    waited = [
        behind_hung_ones(hung, limits, count)
        for hung in KINDS
        for limits in (WIDE, RateLimits())
        for count in (16, 200)
    ]
    tried = sum(len(KINDS) - 1 for _ in waited)
    yield Figure("calls of another kind that wait behind 16 or 200 hung ones", sum(waited), 0, of=tried)
    names = "ABCA" * (25 if long else 2)
    wrong, tried = asyncio.run(statuses_in_a_row(names))
    yield Figure("statuses with the rows of another workflow, each answer sent twice", wrong, 0, of=tried)
    wrong, tried = asyncio.run(balances_in_a_row(len(names)))
    yield Figure("answers taken for those of another read, each sent twice", wrong, 0, of=tried)
    wrong, tried = asyncio.run(forbidden_downloads())
    yield Figure("files fetched from loopback, private and link-local addresses", wrong, 0, of=tried)
    wrong, tried = clear_proxies()
    yield Figure("proxies that are given a key over http", wrong, 0, of=tried)


def behind_hung_ones(hung: str, limits: RateLimits, count: int) -> int:
    """Return how many calls of other kinds take any time while *count* of the kind *hung* get no answer."""

    async def answered(request: object) -> object:
        if kind_of(request) == hung:
            await anyio.sleep_forever()
        return respond({**ANSWERS["submit_bulk"], **ANSWERS["bulk_status"], **ANSWERS["credits_balance"]})

    async def main(client: object) -> int:
        tasks = [asyncio.create_task(KINDS[hung](client)) for _ in range(count)]
        await anyio.sleep(1)
        late = 0
        for kind, call in KINDS.items():
            began = anyio.current_time()
            if kind != hung:
                await call(client)
            late += anyio.current_time() > began
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return late

    return virtually(main, lambda request, _number: answered(request), rate_limits=limits)


async def statuses_in_a_row(names: str) -> tuple[int, int]:
    """Return how many statuses carry another workflow's rows, of how many."""
    wrong = tried = 0
    for way in WAYS:
        script = doubling(way, lambda request: json_answer(status_of(asked_for(request))))
        async with against(script) as (client, _):
            for name in names:
                wrong += await rows_of(client, name) != [f"{name}@x.example"]
                tried += 1
    return wrong, tried


async def balances_in_a_row(count: int) -> tuple[int, int]:
    """Return how many reads get the answer to an earlier one, of how many."""
    wrong = tried = 0
    for way in SEEN_BY_ITS_BYTES:
        numbers = iter(range(10**6))
        script = doubling(way, lambda request: json_answer({"credits": next(numbers)}))  # noqa: B023
        async with against(script) as (client, _):
            balances = [(await client.public.credits_balance()).credits for _ in range(count)]
        wrong += len(balances) - len(set(balances))
        tried += count
    return wrong, tried


async def forbidden_downloads() -> tuple[int, int]:
    """Return how many spellings of addresses that nobody else can reach were connected to, of how many."""
    tried = 0
    with TemporaryDirectory() as folder:
        async with FaultyServer(always(GOOD), max_requests=10**4) as server:
            port = server.base_url.rpartition(":")[2]
            for host in addresses.ALL:
                for scheme in ("http", "https"):
                    await download(
                        Path(folder, "x.csv"), f"{scheme}://{host}:{port}/x", request_timeout_s=0.2
                    )
                    tried += 1
            return server.connections, tried


def clear_proxies() -> tuple[int, int]:
    """Return how many clients of an http address can be made with a proxy, of how many."""
    made = tried = 0
    for base_url in ("http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"):
        for proxy in ("http://proxy.example:1", "https://proxy.example", "http://user:pass@127.0.0.1:3128"):
            tried += 1
            try:
                client_of(base_url, proxy=proxy)
                made += 1
            except ConfigurationError:
                pass
    return made, tried
