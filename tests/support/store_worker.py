"""A web worker in a process of its own: each connection asks for one contact, and may hang up."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import suppress

from cleanlist_async import AsyncCleanlist, CleanlistError, RateLimits
from tests.support.virtual_sandbox import KEY, people

LIMITS = RateLimits(org=2_000, key=2_000, window_s=2.0)


async def serve(socket: str, base_url: str, store: str) -> None:
    """Serve on *socket* until SIGTERM, then drain."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with AsyncCleanlist(KEY, base_url=base_url, store=store, rate_limits=LIMITS) as client:

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if not (line := await reader.readline()):  # it hung up before it had asked
                writer.close()
                return
            call = asyncio.ensure_future(client.enrich_one(people(1, int(line))[0]))
            hung_up = asyncio.ensure_future(reader.read())
            await asyncio.wait({call, hung_up}, return_when=asyncio.FIRST_COMPLETED)
            for task in (call, hung_up):
                task.cancel()
            with suppress(asyncio.CancelledError, OSError):
                writer.write(json.dumps(await _outcome(call)).encode() + b"\n")
                await writer.drain()
            writer.close()

        async with await asyncio.start_unix_server(answer, socket, backlog=1_000):
            await stop.wait()
            await client.drain()


async def _outcome(call: asyncio.Future) -> dict[str, str | None]:
    try:
        result = await call
    except CleanlistError as error:
        return {"error": type(error).__name__, "billed": error.billed, "text": str(error)}
    return {"status": result.status, "email": result.email}


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
