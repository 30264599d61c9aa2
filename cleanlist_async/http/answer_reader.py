"""Reads the answers of a client: small ones at once, large and odd ones in a thread, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import anyio

from cleanlist_async.errors import CleanlistError
from cleanlist_async.http.admission import Slot, shielded
from cleanlist_async.http.calls import Call
from cleanlist_async.http.decode import is_large
from cleanlist_async.http.outcome import read_odd_value, read_value
from cleanlist_async.http.reporter import Reporter

T = TypeVar("T")
R = TypeVar("R")


class AnswerReader:
    """Reads answers, and reports what is odd or unknown in them."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        # Several threads would leave the event loop no turn.
        self._line = anyio.Lock(fast_acquire=True)

    async def read(self, call: Call[T], slot: Slot) -> T | CleanlistError:
        """Return what a whole 2xx answer says, or the error that it is."""
        exchange = slot.exchange
        if is_large(exchange.body, of_models=call.operation.of_models):
            value = await self._in_thread(call, slot, partial(read_value, call, exchange, is_large=True))
        else:
            value = read_value(call, exchange)
        if value is None:
            value = await self._in_thread(call, slot, partial(read_odd_value, call, exchange))
            if exchange.lost_rows is not None:
                self._reporter.drift.lost_rows(call, exchange.lost_rows)
        if not isinstance(value, CleanlistError):
            self._reporter.drift.look_at(call, value)
        return value

    async def _in_thread(self, call: Call[Any], slot: Slot, read: Callable[[], R]) -> R:
        try:  # cancellation may come here too, after the answer
            with shielded(when=call.shield_answer):
                async with self._line:
                    return await asyncio.get_running_loop().run_in_executor(None, read)
        except BaseException:
            slot.note_detached()
            raise
