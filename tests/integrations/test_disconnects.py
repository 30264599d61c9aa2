"""Work for a caller: done, failed, or given up with the caller."""

from __future__ import annotations

import anyio
import pytest
from fastapi import Request
from starlette.requests import ClientDisconnect

from cleanlist_async.errors import RateLimitError
from cleanlist_async.integrations.fastapi import unless_disconnected

pytestmark = pytest.mark.anyio


class Caller:
    """A caller that stays until it `hangs_up`."""

    def __init__(self) -> None:
        self.gone = anyio.Event()
        self.request = Request({"type": "http"}, self._receive)

    async def _receive(self):
        await self.gone.wait()
        return {"type": "http.disconnect"}


async def test_the_result_is_the_work_s():
    async def work() -> int:
        await anyio.lowlevel.checkpoint()
        return 7

    assert await unless_disconnected(Caller().request, work()) == 7


async def test_an_error_comes_as_it_is():
    async def work() -> None:
        await anyio.lowlevel.checkpoint()
        raise RateLimitError("slow down")

    with pytest.raises(RateLimitError, match="slow down"):
        await unless_disconnected(Caller().request, work())


async def test_who_hangs_up_ends_the_work():
    caller, ended = Caller(), anyio.Event()

    async def work() -> None:
        try:
            caller.gone.set()
            await anyio.sleep_forever()
        finally:
            ended.set()

    with anyio.fail_after(60), pytest.raises(ClientDisconnect):
        await unless_disconnected(caller.request, work())
    assert ended.is_set()


async def test_what_is_done_counts_though_the_caller_is_gone():
    caller = Caller()

    async def work() -> int:
        caller.gone.set()
        return 7

    assert await unless_disconnected(caller.request, work()) == 7


async def test_cancelling_from_outside_goes_through():
    with anyio.move_on_after(0.01) as scope:
        await unless_disconnected(Caller().request, anyio.sleep_forever())
    assert scope.cancelled_caught


async def test_the_rest_of_a_body_is_no_farewell():
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        if messages:
            return messages.pop()
        return await anyio.sleep_forever()

    async def work() -> int:
        await anyio.sleep(0.01)
        return 7

    assert await unless_disconnected(Request({"type": "http"}, receive), work()) == 7
