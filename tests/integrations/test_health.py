"""The health probe says what the limiter knows, and nothing private."""

from __future__ import annotations

import anyio
import pytest
from fastapi import Depends, FastAPI, HTTPException

from cleanlist_async import AsyncCleanlist, RateLimiter, RateLimitError, RateLimits
from cleanlist_async.events import Event, LimitsAway
from cleanlist_async.integrations.fastapi import (
    CleanlistDep,
    cleanlist_lifespan,
    health_of,
    health_router,
    install_error_handlers,
    readiness_of,
)
from cleanlist_async.sandbox import Sandbox
from tests.support.backends import running
from tests.support.clients import KEY, always, json_answer
from tests.support.faulty_server import FaultyServer

pytestmark = [pytest.mark.sockets, pytest.mark.anyio]

REFUSED = json_answer({"error": {"code": "rate_limited"}}, 429, **{"Retry-After": "300"})
BALANCE = json_answer({"credits": 7})


def application(base_url: str, key: str = KEY) -> FastAPI:
    def opened() -> AsyncCleanlist:
        return AsyncCleanlist(key, base_url=base_url, limiter=RateLimiter(RateLimits()))

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
    app.include_router(health_router("/alive", ready="/can-buy", dependencies=[Depends(nobody)]))
    async with running(app) as caller:
        assert (await caller.get("/alive")).status_code == 403
        assert (await caller.get("/can-buy")).status_code == 403
        assert (await caller.get("/health")).status_code == 404
        assert (await caller.get("/ready")).status_code == 404


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


# -- readiness -------------------------------------------------------------------------------------


async def test_a_client_that_can_buy_is_ready_and_is_not_asked_about_again():
    async with Sandbox() as sandbox, running(application(sandbox.base_url, sandbox.api_key)) as caller:
        for _ in range(5):
            answer = await caller.get("/ready")
            assert (answer.status_code, answer.json()) == (200, {"ready": True, "obstacles": []})
        assert len(sandbox.ledger.requests) == 1


@pytest.mark.parametrize(
    ("options", "key", "obstacle"),
    [({"credits": 0}, None, "no_credits"), ({}, "clapi_revoked_0123456789", "key_rejected")],
)
async def test_a_client_that_cannot_buy_is_not_ready(options, key, obstacle):
    async with (
        Sandbox(**options) as sandbox,
        running(application(sandbox.base_url, key or sandbox.api_key)) as caller,
    ):
        answer = await caller.get("/ready")
        assert (answer.status_code, answer.json()) == (503, {"ready": False, "obstacles": [obstacle]})
        assert (await caller.get("/health")).status_code == 200


async def test_a_refusal_of_the_key_is_noticed_at_the_next_probe():
    answers = [BALANCE, json_answer({"error": {"code": "invalid_api_key"}}, 401)]
    async with FaultyServer(lambda _, number: answers[min(number, 1)], max_requests=10) as server:
        app = application(server.base_url)
        install_error_handlers(app)
        async with running(app) as caller:
            assert (await caller.get("/ready")).status_code == 200
            assert (await caller.get("/balance")).status_code == 500
            assert (await caller.get("/ready")).json()["obstacles"] == ["key_rejected"]


async def test_a_client_that_drains_is_not_ready():
    async with Sandbox() as sandbox, AsyncCleanlist(sandbox.api_key, base_url=sandbox.base_url) as client:
        assert (await readiness_of(client)).ready
        await client.drain()
        assert (await readiness_of(client)).obstacles == ["draining"]


async def test_a_client_whose_shared_limits_are_away_is_not_ready():
    away = anyio.Event()

    def listen(event: Event) -> None:
        if isinstance(event, LimitsAway):
            away.set()

    limiter = RateLimiter.redis("redis://127.0.0.1:9")
    client = AsyncCleanlist(KEY, base_url="http://127.0.0.1:9", limiter=limiter, on_event=listen)
    async with client, anyio.create_task_group() as group:
        group.start_soon(client.public.credits_balance)
        with anyio.fail_after(30):
            await away.wait()
        assert (await readiness_of(client)).obstacles == ["limits_away"]
        group.cancel_scope.cancel()


async def test_a_network_that_is_away_says_nothing_about_the_account():
    async with running(application("http://127.0.0.1:9")) as caller:
        assert (await caller.get("/ready")).json() == {"ready": True, "obstacles": []}
