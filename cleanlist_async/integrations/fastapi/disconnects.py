"""Work that is cancelled when the caller of a FastAPI request hangs up."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from cleanlist_async.checks import check_instance
from cleanlist_async.integrations import asgi

T = TypeVar("T")


async def unless_disconnected(request: Request, work: Awaitable[T]) -> T:
    """Await *work*, which is cancelled when the caller of *request* hangs up.

    See :func:`cleanlist_async.integrations.asgi.unless_disconnected`. The body of the request must have been
    read, as in any endpoint that declares one. Raises ClientDisconnect once the caller has hung up.
    """
    check_instance("request", request, Request)
    try:
        return await asgi.unless_disconnected(request.receive, work)
    except asgi.CallerHungUpError:
        raise ClientDisconnect from None
