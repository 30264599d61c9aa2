"""The clients that are compared, each behind the same three questions, limits out of the way."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

import anyio

from benchmarks.local_server import LIST_ID, OFFICIAL_STATUS, OUR_STATUS, PAGE, SMALL, WORKFLOW_ID

KEY = "clapi_benchmark"
HEADERS = {"Authorization": f"Bearer {KEY}"}
QUESTIONS = {"small answer": SMALL, "250-result status": OUR_STATUS, "500-lead page": PAGE}

Question: TypeAlias = Callable[[], Awaitable[object]]
Questions: TypeAlias = dict[str, Question]


@asynccontextmanager
async def httpx_json(url: str, module: str = "httpx", at_once: int = 10_000) -> AsyncGenerator[Questions]:
    """Ask by httpx (or httpx2) and json, with as many kept connections as may be open; *at_once* requests in flight."""
    http: Any = __import__(module)
    limits = http.Limits(max_connections=100, max_keepalive_connections=100)
    line = anyio.Semaphore(at_once)
    async with http.AsyncClient(headers=HEADERS, limits=limits, timeout=60) as client:

        async def ask(path: str) -> object:
            async with line:
                return json.loads((await client.get(url + path)).content)

        yield {name: lambda path=path: ask(path) for name, path in QUESTIONS.items()}


@asynccontextmanager
async def aiohttp_json(url: str) -> AsyncGenerator[Questions]:
    import aiohttp  # noqa: PLC0415  # what is not measured is not imported

    async with aiohttp.ClientSession(headers=HEADERS) as session:

        async def ask(path: str) -> object:
            async with session.get(url + path) as response:
                return json.loads(await response.read())

        yield {name: lambda path=path: ask(path) for name, path in QUESTIONS.items()}


@asynccontextmanager
async def official(url: str) -> AsyncGenerator[Questions]:
    """The vendor's own. It leaves the 250 results as they are."""
    from cleanlist_ai.aio import Cleanlist  # noqa: PLC0415

    async with Cleanlist(access_token=KEY, host=url) as client:
        yield {
            "small answer": client.workspace.whoami,
            "250-result status": lambda: client.enrichment.enrichment_status(
                OFFICIAL_STATUS.rpartition("/")[2]
            ),
            "500-lead page": lambda: client.lead_lists.list_leads_in_list(LIST_ID, limit=500),
        }


@asynccontextmanager
async def ours(url: str, http: str | None = None) -> AsyncGenerator[Questions]:
    """Ours; *http* names the module of an injected client."""
    from cleanlist_async import AsyncCleanlist, RateLimits  # noqa: PLC0415

    no_limits = RateLimits(org=1_000_000, key=1_000_000)
    async with AsyncExitStack() as stack:
        injected: Any = await stack.enter_async_context(__import__(http).AsyncClient()) if http else None
        client = await stack.enter_async_context(
            AsyncCleanlist(KEY, base_url=url, rate_limits=no_limits, http_client=injected)
        )
        yield {
            "small answer": lambda: client.workspace.whoami(),  # noqa: PLW0108  # loads its models when asked
            "250-result status": lambda: client.public.bulk_status(workflow_id=WORKFLOW_ID),
            "500-lead page": lambda: client.lead_lists.list_leads_in_list(LIST_ID, limit=500),
        }


OURS, HTTPX, HTTPX_16, AIOHTTP, OFFICIAL = (
    "ours",
    "httpx + json",
    "httpx + json, 16 at once",
    "aiohttp + json",
    "cleanlist-ai, aio",
)
CLIENTS: dict[str, Callable[[str], Any]] = {
    HTTPX: httpx_json,
    HTTPX_16: lambda url: httpx_json(url, at_once=16),
    "httpx2 + json": lambda url: httpx_json(url, "httpx2"),
    AIOHTTP: aiohttp_json,
    OFFICIAL: official,
    OURS: ours,
    "ours on httpx2": lambda url: ours(url, "httpx2"),
}
