"""Work that is cancelled when its caller hangs up: what was not sent yet is not paid for."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

import anyio

from cleanlist_async.checks import check_callable, wrong
from cleanlist_async.integrations.asgi.types import Receive

T = TypeVar("T")


class CallerHungUpError(Exception):
    """The caller of a request closed its connection, so there is nobody to answer."""


async def unless_disconnected(receive: Receive, work: Awaitable[T]) -> T:
    """Await *work*, which is cancelled when the caller that *receive* belongs to hangs up.

    Frameworks do not cancel an endpoint then, but for Django. An `enrich_one` that is cancelled before its
    contact is submitted costs nothing; after that it is paid for, and the next call for the same contact
    shares it. The body of the request must have been read. Raises CallerHungUpError once the caller is gone.
    """
    check_callable("receive", receive)
    if not isinstance(work, Awaitable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise wrong("work", "an awaitable", work)
    # A list, since None may be the result of the work.
    outcome: list[T] = []
    failure: Exception | None = None

    async def watch() -> None:
        # The rest of a body may still arrive before the disconnect.
        while (await receive())["type"] != "http.disconnect":
            pass
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        try:
            outcome.append(await work)
        except Exception as error:  # noqa: BLE001  # raised below, or it would come in an ExceptionGroup
            failure = error
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if not outcome:
        raise CallerHungUpError
    return outcome[0]
