"""The probes of a client, as routes."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from cleanlist_async.checks import check_route, check_text, optional, wrong
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.integrations.asgi.health import Health, Readiness, health_of, readiness_of
from cleanlist_async.integrations.asgi.lifespan import DEFAULT_NAME
from cleanlist_async.integrations.fastapi.dependency import cleanlist_client


def health_router(
    path: str = "/health",
    *,
    ready: str | None = "/ready",
    name: str = DEFAULT_NAME,
    dependencies: Sequence[Any] = (),
) -> APIRouter:
    """Return a router with two probes for the client called *name*, ``GET path`` and ``GET ready``.

    *path* is for liveness. It answers 200 even when degraded: a client that waits is working as it should,
    and a restart would only lose the record of the requests that it has sent. *ready* (None: no such probe)
    is for the load balancer, and answers 503 while the client cannot buy: see `readiness_of`. *dependencies*
    guard them, as those of any route.
    """
    check_route("path", path)
    optional(check_route, "ready", ready)
    check_text("name", name)
    is_list = isinstance(dependencies, list | tuple)
    if not (is_list and all(hasattr(one, "dependency") for one in dependencies)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise wrong("dependencies", "a sequence of Depends(...)", dependencies)
    router = APIRouter(tags=["health"], dependencies=dependencies)

    # This module has no `from __future__ import annotations`: FastAPI could not resolve `name` in a string.
    @router.get(path, summary="Whether the client works")
    async def health(client: Annotated[AsyncCleanlist, Depends(cleanlist_client(name))]) -> Health:
        return health_of(client)

    if ready is not None:
        responses: dict[int | str, dict[str, Any]] = {503: {"model": Readiness, "description": "Not now"}}

        @router.get(ready, summary="Whether enrichments can be bought", responses=responses)
        async def readiness(
            client: Annotated[AsyncCleanlist, Depends(cleanlist_client(name))], response: Response
        ) -> Readiness:
            found = await readiness_of(client)
            response.status_code = 200 if found.ready else 503
            return found

    return router
