"""The job that the crash tests run: 20 contacts in 4 chunks, in a process of its own that may be killed."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from cleanlist_async import AsyncCleanlist, CleanlistError, RateLimiter, RateLimits
from cleanlist_async.job.job import Job
from tests.crash.clocks import SPEED, JumpingLoop
from tests.support.chunk_sizes import chunks_of

CONTACTS, CHUNK = 20, 5
logging.getLogger("cleanlist_async").addHandler(logging.NullHandler())
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used, and loading certificates takes its time
KEY = "clapi_sandbox_0123456789abcdef"
_IMPORTED_ON_THE_WAY = (
    "anyio._backends._asyncio",
    "httpcore._async.connection_pool",
    "cleanlist_async.enrich.service",
)
for _name in _IMPORTED_ON_THE_WAY:  # before a child is forked, not in each
    importlib.import_module(_name)
MODES = (
    "plain",
    "tracked",
    *(("exact",) if importlib.util.find_spec("cleanlist_async.job.exact") else ()),
)


def write_source(folder: Path) -> Path:
    """Write the contacts into a CSV file."""
    rows = [f"Ada{i},Lovelace{i},c{i % 7}.example" for i in range(CONTACTS)]
    path = folder / "contacts.csv"
    path.write_text("\n".join(["first_name,last_name,company_domain", *rows, ""]))
    return path


@dataclass
class Life:
    """One life of the process that runs the job, from its start to its end or its death."""

    journal: str
    source: str
    base_url: str
    mode: str = "plain"
    truth: Mapping[str, str] | None = None
    """By contact, the workflow the server has for it: where this is given, unknown chunks are resolved in the
    end, as their owner would after a look into the portal."""


async def live(life: Life) -> dict:
    """Run the job, or go on with it, and tell how it ended."""
    with chunks_of(CHUNK):
        async with open_client(life.base_url) as client, await open_job(client, life) as job:
            return await _run(job, life)


def open_client(base_url: str, **options) -> AsyncCleanlist:
    """Open a client that goes by the running loop's clock."""
    loop = asyncio.get_running_loop()
    limiter = RateLimiter(RateLimits(), clock=loop.time, rng=Random(0))
    timeout_s = 200.0 if isinstance(loop, JumpingLoop) else 20 * SPEED  # a busy machine must not reach it
    client = AsyncCleanlist(
        KEY, base_url=base_url, limiter=limiter, **{"request_timeout_s": timeout_s, **options}
    )
    client._runtime.shared.transport._tls = _NO_TLS
    return client


async def open_job(client: AsyncCleanlist, life: Life) -> Job:
    """Begin or resume."""
    webhook = f"{life.base_url}/hooks" if life.mode == "tracked" else None
    return await client.job(
        life.journal, life.source, enrichment_type="partial", webhook_url=webhook, submit_mode=life.mode
    )


async def _run(job: Job, life: Life) -> dict:
    told = asyncio.get_running_loop().create_task(_hear_webhooks(job, life))
    try:
        report = await job.run()
        told_unknown = len(report.unknown)
        if life.truth is not None and report.unknown and life.mode == "tracked":
            await asyncio.sleep(30.0)  # webhooks may come later than everything else
            report = await job.run()
        unknown = len(report.unknown)
        if life.truth is not None:
            await _resolve(job, life.truth)
            report = await job.run()
        return {
            "state": report.status.state,
            "unknown": unknown,
            "told_unknown": told_unknown,
            "left": len(report.unknown),
            "stopped_by": str(report.stopped_by) if report.stopped_by else None,
            "verify": await job.verify(),
        }
    finally:
        told.cancel()
        with suppress(asyncio.CancelledError):
            await told


async def _resolve(job: Job, truth: Mapping[str, str]) -> None:
    for chunk in await job.unknown():
        workflow_id = truth.get(f"Ada{chunk.first}")
        if workflow_id:
            await job.resolve(chunk.number, accepted=workflow_id)
        else:
            await job.resolve(chunk.number, absent=True)


async def _hear_webhooks(job: Job, life: Life) -> None:
    """Receive webhooks over a connection of the test's own, as a receiver beside the job would."""
    if life.mode != "tracked":
        return
    with suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(life.base_url.rpartition(":")[2]))
        writer.write(b"GET /hooks HTTP/1.1\r\n\r\n")
        try:
            while line := await reader.readline():
                token, _, payload = line.partition(b" ")
                with suppress(CleanlistError):
                    job.receive(token.decode(), payload)
        finally:
            writer.close()


def as_dict(life: Life) -> dict:
    return asdict(life)
