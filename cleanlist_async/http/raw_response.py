"""The answer behind a value: its status, headers and body, for callers that ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from cleanlist_async.http.decode import request_id_of
from cleanlist_async.http.transport import Exchange, Headers

T = TypeVar("T")


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
        The headers of the answer; their names may be looked up in any letter case.
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
            answers[:] = [exchange.copied()]
