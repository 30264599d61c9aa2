"""Backends for tests: an application with its lifespan, in memory or behind a real uvicorn."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx
import uvicorn
from fastapi import FastAPI


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A caller of *app*, in memory, within its lifespan, as a server would run it."""
    async with app.router.lifespan_context(app) as state, calling(app, **(state or {})) as caller:
        yield caller


@asynccontextmanager
async def calling(app: FastAPI, **state: object) -> AsyncIterator[httpx.AsyncClient]:
    """A caller of *app*, in memory, without its lifespan."""

    async def with_state(scope, receive, send):
        await app({**scope, "state": dict(state)}, receive, send)

    transport = httpx.ASGITransport(with_state)
    async with httpx.AsyncClient(transport=transport, base_url="http://backend") as caller:
        yield caller


@asynccontextmanager
async def served(app: FastAPI, *, port: int = 0, **options: object) -> AsyncIterator[str]:
    """The address of *app* behind a real uvicorn, in this event loop."""
    listener = socket.create_server(("127.0.0.1", port), backlog=2048)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as for a port that asyncio opens itself
    port = listener.getsockname()[1]
    config = uvicorn.Config(app, log_config=None, lifespan="on", ws="none", backlog=2048, **options)
    server = Quiet(config)
    serving = asyncio.get_running_loop().create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            assert not serving.done(), "the application did not start"
            await anyio.sleep(0.005)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        with anyio.CancelScope(shield=True):
            await serving


class Quiet(uvicorn.Server):
    """Leaves the signals of the test run alone."""

    def capture_signals(self):
        from contextlib import nullcontext

        return nullcontext()
