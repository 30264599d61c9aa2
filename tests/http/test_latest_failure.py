"""A wait that ends without a result says how its last attempt failed."""

import math
import time

import pytest

from cleanlist_async import (
    APIConnectionError,
    AsyncCleanlist,
    DeadlineExceededError,
    InternalServerError,
    RateLimiter,
    RateLimitError,
    WaitTimeoutError,
)
from cleanlist_async.sandbox import Fault
from tests.support.clients import KEY, WIDE
from tests.support.virtual_sandbox import people

BULK, STATUS = "/enrich/bulk", "/enrich/status"


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if "an attempt of" in record.getMessage()]


async def one(world, deadline_s=10.0):
    with pytest.raises(WaitTimeoutError) as raised:
        await world.client.enrich_one(people(1)[0], deadline_s=deadline_s)
    return raised.value


async def test_endless_429s(world):
    world.sandbox.add_fault(Fault(BULK, status=429, headers=[("Retry-After", "1")], times=math.inf))

    error = await one(world)

    assert str(error).startswith("There was no result within 10 s. The last attempt failed: ")
    assert "(429 " in str(error)
    assert isinstance(error.__cause__, RateLimitError)


async def test_a_status_that_fails(world, caplog):
    world.sandbox.add_fault(Fault(STATUS, status=500, times=math.inf))

    error = await one(world)

    assert "(500 " in str(error)
    assert "(500 " in error.pending.error
    assert isinstance(error.__cause__, InternalServerError)
    assert warnings(caplog) == ["an attempt of bulk_status failed: 500 internal_error"]


@pytest.mark.sockets
@pytest.mark.anyio
async def test_a_server_that_is_not_there(caplog):
    limiter = RateLimiter(WIDE, clock=lambda: time.monotonic())  # noqa: PLW0108  # of its own
    async with AsyncCleanlist(KEY, base_url="http://127.0.0.1:9", limiter=limiter) as client:
        with pytest.raises(WaitTimeoutError) as raised:
            await client.enrich_one(people(1)[0], deadline_s=0.3)
        with pytest.raises(DeadlineExceededError) as run:
            await client.with_options(deadline_s=0.3).enrich(people(1))
        with pytest.raises(DeadlineExceededError) as call:
            await client.with_options(deadline_s=0.3).public.validate_key()

    for error in (raised.value, run.value, call.value):
        assert "The last attempt failed: No answer from 127.0.0.1:9: " in str(error)
        assert isinstance(error.__cause__, APIConnectionError)
        assert "collect" not in str(error)
    assert len(warnings(caplog)) == 2


async def test_a_failure_that_has_passed_is_not_the_cause(world):
    world.sandbox.add_fault(Fault(BULK, status=429, headers=[("Retry-After", "1")]))

    await world.client.enrich_one(people(1)[0], deadline_s=60)
    error = await one(world, deadline_s=0.01)

    assert str(error).startswith("There was no result within 0.01 s.")
    assert error.__cause__ is None
