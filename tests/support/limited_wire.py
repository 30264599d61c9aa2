"""The limiter before an exact server, without HTTP between them: what counts is who arrives when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from cleanlist_async.http.decode import decode_error
from cleanlist_async.ratelimit import Pace, Permit, RateLimiter, RateLimits, RequestClass, Route
from cleanlist_async.testing import ServerRequest, ServerResponse, StrictServer

INTERACTIVE, SUBMIT, STATUS = RequestClass
Outcome = Literal["answered", "lost", "unsent"]

KEY, JWT = "clapi_test", "eyJ.a.b"
ROUTE = Route((KEY,), "org_test")
JWT_ROUTE = Route((), "org_test")
PATH = "/api/v1/public/auth/validate-key"


def new_limiter(limits: RateLimits | None = None) -> RateLimiter:
    """A limiter that goes by the running loop's clock, on the store that a test asked for."""
    return make_limiter.get()(limits)


def memory_limiter(limits: RateLimits | None = None) -> RateLimiter:
    return RateLimiter(limits, clock=asyncio.get_running_loop().time)


make_limiter: ContextVar[Callable[[RateLimits | None], RateLimiter]] = ContextVar(
    "make_limiter", default=memory_limiter
)


@dataclass
class LimitedWire:
    """Sends requests through `limiter` to `server`; `latency` in seconds, each way."""

    limiter: RateLimiter
    server: StrictServer
    latency: Callable[[], float] = lambda: 0.2
    outcome: Callable[[], Outcome] = lambda: "answered"
    gives_up_after_s: float = 0.05
    on_the_way: set[asyncio.Task[ServerResponse]] = field(default_factory=set)

    async def call(
        self, route: Route = ROUTE, kind: RequestClass = INTERACTIVE, pace: Pace = "auto"
    ) -> Permit:
        """Acquire and send, again after each 429, as a bulk run does."""
        while True:
            permit = await self.limiter.acquire(route, kind, pace)
            if await self.send(permit):
                return permit

    async def send(self, permit: Permit) -> bool:
        """Send one request; return whether it got through."""
        outcome = self.outcome()
        if outcome == "unsent":
            permit.unsent()
            return True
        try:
            arriving = asyncio.ensure_future(self._arrive(permit.key or JWT))
            self.on_the_way.add(arriving)
            if outcome == "lost":
                await asyncio.sleep(self.gives_up_after_s)
                permit.lost()
                return True
            response = await asyncio.shield(arriving)
            await asyncio.sleep(self.latency())
        except asyncio.CancelledError:
            permit.lost()
            raise
        self._answer(permit, response)
        return response.status != 429

    async def _arrive(self, key: str) -> ServerResponse:
        await asyncio.sleep(self.latency())
        headers = {"authorization": f"Bearer {key}"}
        return await self.server(
            ServerRequest("GET", PATH, {}, headers, b"", asyncio.get_running_loop().time())
        )

    def _answer(self, permit: Permit, response: ServerResponse) -> None:
        now = asyncio.get_running_loop().time()
        if response.status != 429:
            permit.answered(now)
            return
        headers = dict(response.headers)
        error = decode_error(
            429, headers, response.body, method="GET", path=PATH, now=datetime(2026, 1, 1, tzinfo=UTC)
        )
        permit.answered(now, rejected=True, asked_s=error.retry_after_s)
