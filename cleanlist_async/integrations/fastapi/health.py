"""A health probe: whether the client can send, and the state of its rate limit."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from cleanlist_async.checks import check_instance, check_route, check_text, wrong
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.integrations.fastapi.lifespan import DEFAULT_NAME, cleanlist_client


class Health(BaseModel):
    """The state of a client. It holds no key, no name and no contact, and may be public."""

    status: Literal["ok", "degraded"] = Field(
        description="`degraded` while a 429 pauses the client, or makes it keep to less than the limit"
    )
    tokens_available: int = Field(description="Requests that could be sent at once")
    waiting: int = Field(description="Requests that wait for the rate limit")
    paused_for_s: float = Field(description="Seconds for which nothing is sent, because the server asked so")
    rejected_429: int = Field(description="Requests that were answered 429, since the start")
    requests: int = Field(description="Requests sent, since the start")


def health_of(client: AsyncCleanlist) -> Health:
    """Return the health of *client*. Sends nothing."""
    check_instance("client", client, AsyncCleanlist)
    now = client.statistics()
    # The capacity is what 429s have taught; the limit is the configured one.
    is_slowed = any(bucket.capacity < bucket.limit for bucket in now.buckets)
    return Health(
        status="degraded" if now.paused_for_s > 0 or is_slowed else "ok",
        tokens_available=now.available,
        waiting=now.waiting,
        paused_for_s=round(now.paused_for_s, 3),
        rejected_429=now.rejected_429,
        requests=now.requests,
    )


def health_router(
    path: str = "/health", *, name: str = DEFAULT_NAME, dependencies: Sequence[Any] = ()
) -> APIRouter:
    """Return a router with one probe, ``GET path``, for the client called *name*.

    It answers 200 even when degraded: a client that waits is working as it should, and a restart would only
    lose the record of the requests that it has sent. *dependencies* guard it, as those of any route.
    """
    check_route("path", path)
    check_text("name", name)
    is_list = isinstance(dependencies, list | tuple)
    if not (is_list and all(hasattr(one, "dependency") for one in dependencies)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise wrong("dependencies", "a sequence of Depends(...)", dependencies)
    router = APIRouter()

    # This module has no `from __future__ import annotations`: FastAPI could not resolve `name` in a string.
    @router.get(path, summary="Whether enrichments can be sent", tags=["health"], dependencies=dependencies)
    async def health(client: Annotated[AsyncCleanlist, Depends(cleanlist_client(name))]) -> Health:
        return health_of(client)

    return router
