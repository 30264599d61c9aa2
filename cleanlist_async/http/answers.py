"""Reads the answers of a client, decides which are believed, and reports what is odd or unknown in them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import anyio

from cleanlist_async.errors import CleanlistError
from cleanlist_async.http.admission import Slot, shielded
from cleanlist_async.http.calls import Call, Operation
from cleanlist_async.http.decode import is_large, request_id_of
from cleanlist_async.http.outcome import read_odd_value, read_value
from cleanlist_async.http.root_task import RootTask
from cleanlist_async.http.transport import Exchange, Headers, Request
from cleanlist_async.ratelimit import StoreState

if TYPE_CHECKING:
    from cleanlist_async.events import Events, Listener
    from cleanlist_async.http.call_trace import Drift, FindUnknown


class Reporter:
    """Makes what reports on first use: events load with the first call."""

    def __init__(self, root: RootTask, on_event: Listener | None, find_unknown: FindUnknown) -> None:
        self._root = root
        self._on_event = on_event
        self._find_unknown = find_unknown

    @cached_property
    def events(self) -> Events:
        """Delivers the events of the client."""
        from cleanlist_async.events import Events

        return Events(self._on_event)

    @cached_property
    def drift(self) -> Drift:
        """Reports what differs from the documentation in answers."""
        from cleanlist_async.http.call_trace import Drift

        return Drift(self.events.emit, self._find_unknown)

    def on_store_reachability(self, state: StoreState, /) -> None:
        """Report, in the client's event loop, that the store of the limits was lost or found again."""
        from cleanlist_async.events import LimitsAway, LimitsBack

        self._root.call_soon(self.events.emit, LimitsBack() if state == "found" else LimitsAway())


T = TypeVar("T")


class OwnConnections:
    """Learns which operations name in every answer what was asked about.

    On a kept connection, httpx can give one request's answer to the next. So an operation whose answers might
    not show whose they are begins on connections of its own. Once an answer has named what was asked about,
    kept ones serve, and only such an answer is believed on them; once one has not, none ever again.
    """

    def __init__(self) -> None:
        self._names_itself: dict[str, bool] = {}

    def needed_for(self, operation: Operation[Any]) -> bool:
        """Whether a request of *operation* needs one."""
        return operation.own_connection and not self._names_itself.get(operation.name, False)

    def is_believed(self, call: Call[T], value: T, request: Request | None) -> bool:
        """Whether an answer to *request* is for *call*."""
        if not call.operation.own_connection:
            return call.belongs(value)
        name, is_named = call.operation.name, call.is_named_in(value)
        self._names_itself[name] = is_named and self._names_itself.get(name, True)
        came_alone = request is not None and request.own_connection
        return is_named or (came_alone and call.belongs(value))


@dataclass(frozen=True, slots=True)
class RawResponse(Generic[T]):
    """What an operation returned, with the answer that it was read from.

    An operation that takes several requests, such as one that buys by a quote, has the last answer.

    Attributes
    ----------
    value
        What the operation returns without ``with_raw_response``.
    status_code
        The HTTP status, such as 200.
    headers
        The headers of the answer, by name in any letter case.
    content
        The body in bytes, with the API key masked where the server echoed it.
    request_id
        The server's id of the request, for its support; None where it gave none.

    """

    value: T
    status_code: int
    headers: Headers
    content: bytes = field(repr=False)
    request_id: str | None


# With the task that asked: those that it starts inherit the variable, and their requests are not its own.
_latest: Final[ContextVar[tuple[object, list[Exchange]] | None]] = ContextVar("_latest", default=None)


async def with_answer(operation: Awaitable[T]) -> RawResponse[T]:
    """Await *operation*, and return its value with the latest answer that it got."""
    answers: list[Exchange] = []
    token = _latest.set((asyncio.current_task(), answers))
    try:
        value = await operation
    finally:
        _latest.reset(token)
    # One, whatever the attempts: each answer replaces the one before.
    (answer,) = answers
    request_id = request_id_of(answer.headers)
    return RawResponse(value, answer.status, Headers(answer.headers), answer.body, request_id)


def record_answer(exchange: Exchange) -> None:
    """Keep a copy of an answer if somebody asked for it; the pipeline discards its body."""
    if (wanted := _latest.get()) is not None and exchange.status:
        task, answers = wanted
        if task is asyncio.current_task():
            answers[:] = [replace(exchange)]


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
