"""The health probe says what the limiter knows, and nothing private."""

from __future__ import annotations

import pytest
from fastapi import Depends, FastAPI, HTTPException

from cleanlist_async import AsyncCleanlist, RateLimiter, RateLimitError, RateLimits
from cleanlist_async.integrations.fastapi import (
    CleanlistDep,
    cleanlist_lifespan,
    health_of,
    health_router,
    install_error_handlers,
)
from tests.support.backends import running
from tests.support.clients import KEY, always, json_answer
from tests.support.faulty_server import FaultyServer

pytestmark = [pytest.mark.sockets, pytest.mark.anyio]

REFUSED = json_answer({"error": {"code": "rate_limited"}}, 429, **{"Retry-After": "300"})
BALANCE = json_answer({"credits": 7})


def application(base_url: str) -> FastAPI:
    def opened() -> AsyncCleanlist:
        return AsyncCleanlist(KEY, base_url=base_url, limiter=RateLimiter(RateLimits()))

    app = FastAPI(lifespan=cleanlist_lifespan(opened))
    app.include_router(health_router())

    @app.get("/balance")
    async def balance(client: CleanlistDep) -> float:
        return (await client.public.credits_balance()).credits

    return app


async def test_an_idle_client_is_well():
    async with running(application("http://127.0.0.1:9")) as caller:
        assert (await caller.get("/health")).json() == {
            "status": "ok",
            "tokens_available": 30,
            "waiting": 0,
            "paused_for_s": 0,
            "rejected_429": 0,
            "requests": 0,
        }


async def test_a_busy_client_shows_what_it_used():
    async with FaultyServer(always(BALANCE), max_requests=10) as server:
        health = await asked(server.base_url, 3)
    assert (health["status"], health["tokens_available"], health["requests"]) == ("ok", 27, 3)


async def test_a_client_that_the_server_pauses_is_degraded_and_alive():
    async with FaultyServer(always(REFUSED), max_requests=10) as server:
        health = await asked(server.base_url, 1)
    assert (health["status"], health["rejected_429"], health["tokens_available"]) == ("degraded", 1, 0)
    assert 290 < health["paused_for_s"] <= 400
    assert KEY not in str(health)


async def asked(base_url: str, calls: int) -> dict[str, object]:
    """The health of a client after *calls*."""
    app = application(base_url)
    install_error_handlers(app)
    async with running(app) as caller:
        for _ in range(calls):
            await caller.get("/balance")
        answer = await caller.get("/health")
    assert answer.status_code == 200
    return answer.json()


async def test_the_probe_has_any_path_and_guard():
    def nobody() -> None:
        raise HTTPException(403)

    app = FastAPI(lifespan=cleanlist_lifespan(lambda: AsyncCleanlist(KEY, base_url="http://127.0.0.1:9")))
    app.include_router(health_router("/ready", dependencies=[Depends(nobody)]))
    async with running(app) as caller:
        assert (await caller.get("/ready")).status_code == 403
        assert (await caller.get("/health")).status_code == 404


async def test_the_probe_is_documented():
    app = FastAPI()
    app.include_router(health_router())
    paths = app.openapi()["paths"]
    answer = paths["/health"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/Health"}


async def test_the_health_of_one_client_is_not_that_of_another_beside_it():
    limiter = RateLimiter(RateLimits())
    async with FaultyServer(always(REFUSED), max_requests=10) as server:
        paused = AsyncCleanlist(KEY, base_url=server.base_url, limiter=limiter)
        well = AsyncCleanlist(
            ["clapi_other_one", "clapi_other_two"], base_url=server.base_url, limiter=limiter
        )
        async with paused, well:
            with pytest.raises(RateLimitError):
                await paused.public.credits_balance()
            assert health_of(paused).status == "degraded"
            assert (health_of(well).status, health_of(well).tokens_available) == ("ok", 60)
            assert [bucket.limit for bucket in well.statistics().buckets] == [30, 30, 60]
