"""Limits of single endpoints, and 429s that concern one of them; the whole client in virtual time."""

from __future__ import annotations

import time

import anyio
import pytest

from cleanlist_async import ConfigurationError, RateLimitError, RateLimits, facts
from cleanlist_async.events import RateLimited
from cleanlist_async.testing import ServerRequest, ServerResponse
from tests.support.clients import ANSWERS, outcome_of, respond, virtual_client
from tests.surface.groups import OPERATIONS, PUBLIC

BALANCE = respond(ANSWERS["credits_balance"])
KEY = respond(ANSWERS["validate_key"])
REFUSED = respond({"error": {"code": "rate_limited"}}, 429, retry_after="30")


class Server:
    """Counts each endpoint's requests, and refuses those of the balance beyond *limit* in a minute."""

    def __init__(self, limit: int = 10**9, *, refuse: int = 0, answer_s: float = 0.0) -> None:
        self.balance_at: list[float] = []
        self.refused = 0
        self._limit, self._refuse, self._answer_s = limit, refuse, answer_s

    async def __call__(self, request: ServerRequest, number: int) -> ServerResponse:
        if "validate-key" in request.path:
            return KEY
        now = anyio.current_time()
        is_refused = len(self.balance_at) < self._refuse or (
            sum(now - at < 60 for at in self.balance_at) >= self._limit
        )
        self.balance_at.append(now)
        self.refused += is_refused
        await anyio.sleep(self._answer_s)
        return REFUSED if is_refused else BALANCE


async def test_an_endpoint_with_a_limit_of_its_own_draws_no_429_and_holds_up_no_other():
    server, limits = Server(limit=5), RateLimits(endpoints={"public.credits_balance": 5})
    async with virtual_client(server, rate_limits=limits) as client, anyio.create_task_group() as group:
        for _ in range(12):
            group.start_soon(client.public.credits_balance)
        await anyio.sleep(1)
        assert len(server.balance_at) == 5
        await client.public.validate_key()
        assert anyio.current_time() - server.balance_at[0] < 2
    assert server.refused == 0
    assert server.balance_at[-1] - server.balance_at[0] < 122


async def test_calls_that_wait_for_tokens_of_the_key_keep_to_the_limit_of_their_endpoint():
    server, limits = Server(limit=5), RateLimits(endpoints={"public.credits_balance": 5})
    async with virtual_client(server, rate_limits=limits) as client, anyio.create_task_group() as group:
        for _ in range(30):
            await client.public.validate_key()
        for _ in range(12):
            group.start_soon(client.public.credits_balance)
    assert server.refused == 0
    assert len(server.balance_at) == 12


async def test_a_429_of_an_endpoint_with_a_limit_pauses_that_endpoint_alone():
    told, limits = [], RateLimits(endpoints={"workspace.credits_balance": 20})
    server = Server(refuse=1)
    async with (
        virtual_client(server, rate_limits=limits, on_event=told.append) as client,
        anyio.create_task_group() as group,
    ):
        group.start_soon(client.public.credits_balance)
        await anyio.sleep(1)
        started = anyio.current_time()
        await client.public.validate_key()
        assert anyio.current_time() - started < 1
    first, second = server.balance_at
    assert 30 <= second - first < 31
    (limited,) = (event for event in told if isinstance(event, RateLimited))
    assert [bucket.name for bucket in limited.buckets] == ["credits_balance"]
    assert 30 <= limited.pause_s < 31


@pytest.mark.parametrize("is_another_accepted", [True, False])
async def test_without_a_limit_it_takes_another_endpoint_that_was_accepted_since(is_another_accepted):
    server = Server(refuse=1, answer_s=2.0)
    async with virtual_client(server) as client, anyio.create_task_group() as group:
        group.start_soon(client.public.credits_balance)
        await anyio.sleep(1)
        if is_another_accepted:
            await client.public.validate_key()
        await anyio.sleep(2)
        started = anyio.current_time()
        await client.public.validate_key()
        assert (anyio.current_time() - started < 1) == is_another_accepted


async def test_a_429_that_names_the_key_pauses_the_key():
    limits = RateLimits(endpoints={"public.credits_balance": 20})
    named = respond({"error": {"code": "rate_limited", "details": {"scope": "key"}}}, 429, retry_after="30")
    async with virtual_client(lambda request, number: KEY if number else named, rate_limits=limits) as client:
        started = anyio.current_time()
        with anyio.move_on_after(0.1):
            await outcome_of(client.public.credits_balance())
        await client.public.validate_key()
        assert 30 <= anyio.current_time() - started < 31


async def test_an_interactive_call_does_not_wait_for_a_long_pause_of_its_endpoint():
    limits = RateLimits(endpoints={"public.credits_balance": 20})
    refused = respond({"error": {"code": "rate_limited"}}, 429, retry_after="300")
    async with virtual_client(lambda request, number: refused, rate_limits=limits) as client:
        assert isinstance(await outcome_of(client.public.credits_balance()), RateLimitError)
        started = time.monotonic()
        error = await outcome_of(client.public.credits_balance())
    assert isinstance(error, RateLimitError)
    assert error.retry_after_s is not None
    assert 290 < error.retry_after_s <= 301
    assert time.monotonic() - started < 60


def test_an_endpoint_has_the_name_of_its_call_on_the_client():
    names = {f"public.{operation.name}" for operation in PUBLIC}
    names |= {f"{group}.{operation.name}" for group, ours in OPERATIONS.items() for operation in ours}
    assert set(facts.ENDPOINTS) == names, "facts.ENDPOINTS names all operations"


@pytest.mark.parametrize(
    "endpoints", [{"search_people": 10}, {"search.people": 0}, {"search.people": "10"}, ["search.people"]]
)
def test_what_is_no_limit_of_an_endpoint_is_refused(endpoints):
    with pytest.raises(ConfigurationError, match="endpoints"):
        RateLimits(endpoints=endpoints)


def test_limits_with_endpoints_can_be_compared_and_hashed():
    one, same = (RateLimits(endpoints={"search.people": 10}) for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    assert one != RateLimits()
