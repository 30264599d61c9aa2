"""What do thousands of callers of `enrich_one` cost, over real sockets?

The embedded sandbox with a shorter window, a client beside it, and 10,000 calls for distinct contacts at once; then
500 calls through a FastAPI application behind a real uvicorn. Each with webhooks, which come to a real uvicorn, and
without. Every answer is held against the sandbox's ledger.

    python -m benchmarks.enrich_one_sockets [--callers 10000] [--requests 500] [--window-s 4]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from benchmarks import report
from cleanlist_async import AsyncCleanlist, Contact, RateLimits, WebhookReceiver
from cleanlist_async.integrations.fastapi import CleanlistDep, cleanlist_lifespan, webhook_router
from cleanlist_async.sandbox import Sandbox


@dataclass(frozen=True)
class Measured:
    right: int
    submits: int
    statuses: int
    rejections: int
    bought: int
    twice: int
    seconds: float


def contacts_of(count: int) -> list[Contact]:
    return [
        Contact(first_name=f"Ada{n}", last_name="Lovelace", company_domain=f"c{n % 97}.example")
        for n in range(count)
    ]


@contextlib.asynccontextmanager
async def served(app: FastAPI, listener: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(app, log_config=None, lifespan="on", ws="none", backlog=2048)
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def new_sandbox(window_s: float) -> Sandbox:
    return Sandbox(window_s=window_s, workflow_s=window_s / 20, credits=1e6)


async def serve(window_s: float, callers: int, *, pushed: bool, through_http: bool) -> Measured:
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    receiver = WebhookReceiver(f"{address}/webhooks") if pushed else None
    contacts = contacts_of(callers)
    async with new_sandbox(window_s) as sandbox:

        def opened() -> AsyncCleanlist:
            limits = RateLimits(window_s=window_s)
            return AsyncCleanlist(
                sandbox.api_key, base_url=sandbox.base_url, rate_limits=limits, webhooks=receiver
            )

        app = backend(opened, receiver)
        async with served(app, listener):
            started = time.monotonic()
            if through_http:
                emails = await over_http(address, contacts)
            else:
                emails = await direct(app.state.opened[0], contacts)
            seconds = time.monotonic() - started
        expected = [sandbox.expected(contact, "partial").email for contact in contacts]
        ledger = sandbox.ledger
        return Measured(
            right=sum(map(str.__eq__, map(str, emails), map(str, expected))),
            submits=len(ledger.requests_of("/enrich/bulk")),
            statuses=len(ledger.requests_of("/enrich/status")),
            rejections=ledger.count(429),
            bought=len(ledger.contacts),
            twice=len(ledger.duplicates()),
            seconds=seconds,
        )


def backend(opened: Callable[[], AsyncCleanlist], receiver: WebhookReceiver | None) -> FastAPI:
    def kept() -> AsyncCleanlist:
        app.state.opened.append(opened())
        return app.state.opened[-1]

    app = FastAPI(lifespan=cleanlist_lifespan(kept))
    app.state.opened = []
    if receiver is not None:
        app.include_router(webhook_router(receiver))

    @app.post("/enrich")
    async def enrich(contact: Contact, client: CleanlistDep) -> str | None:
        return (await client.enrich_one(contact)).email

    return app


async def direct(client: AsyncCleanlist, contacts: Sequence[Contact]) -> list[str | None]:
    results = await asyncio.gather(*(client.enrich_one(contact) for contact in contacts))
    return [result.email for result in results]


async def over_http(address: str, contacts: Sequence[Contact]) -> list[str | None]:
    """Call over a connection for each: a pool of so many would cost more than all that is measured."""
    host, _, port = address.rpartition("/")[2].partition(":")

    async def call(contact: Contact) -> str | None:
        person = {
            "first_name": contact.first_name,
            "last_name": contact.last_name,
            "company_domain": contact.company_domain,
        }
        body = json.dumps(person).encode()
        head = (
            f"POST /enrich HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(head.encode() + body)
        status, _, answer = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return json.loads(answer) if b" 200 " in status.split(b"\r\n")[0] else repr(status)

    return await asyncio.gather(*(call(contact) for contact in contacts))


def measure(callers: int = 10_000, requests: int = 500, window_s: float = 4.0) -> report.Section:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8_192), most))
    rows: list[tuple[object, ...]] = []
    found: list[Measured] = []
    for count, through_http in ((callers, False), (requests, True)):
        for pushed in (True, False):
            one = asyncio.run(serve(window_s, count, pushed=pushed, through_http=through_http))
            found.append(one)
            rows.append(
                (
                    f"{count:,} through uvicorn" if through_http else f"{count:,}",
                    "yes" if pushed else "no",
                    f"{one.right:,}",
                    one.submits,
                    one.statuses,
                    one.rejections,
                    f"{one.bought:,}",
                    one.twice,
                    f"{one.seconds:.1f}",
                )
            )
    columns = (
        "callers",
        "webhooks",
        "own answer",
        "submits",
        "status requests",
        "429s",
        "bought",
        "bought twice",
        "seconds",
    )
    submits, with_webhooks, without = (
        callers / 250 * 1.05,
        max(1, callers / 2_500),
        callers / 250 * 1.375,
    )
    counted = f"{found[0].submits}, {found[0].statuses}, {found[1].statuses}"
    wrong = sum(2 * count for count in (callers, requests)) - sum(one.right for one in found)
    troubles = sum(one.rejections + one.twice for one in found) + wrong
    targets = [
        report.Target(
            "429s, contacts bought twice, callers with another's answer", "0", str(troubles), troubles == 0
        ),
        report.Target(
            f"{callers:,} callers: submits; status requests with webhooks, and without",
            f"at most {submits:.0f}, {with_webhooks:.0f}, {without:.0f}",
            counted,
            found[0].submits <= submits
            and found[0].statuses <= with_webhooks
            and found[1].statuses <= without,
        ),
    ]
    text = report.text_of(__doc__)
    table = report.Table(columns, rows, f"Window of {window_s:g} s")
    return report.Section("Callers of enrich_one, over real sockets", text, [table], targets)


if __name__ == "__main__":
    report.command(measure)
