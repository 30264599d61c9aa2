"""The dependency that hands out the client of a FastAPI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Annotated, TypeAlias

from fastapi import Depends
from starlette.requests import HTTPConnection

from cleanlist_async.checks import check_text
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.integrations.asgi.lifespan import DEFAULT_NAME


def cleanlist_client(name: str = DEFAULT_NAME) -> Callable[[HTTPConnection], Awaitable[AsyncCleanlist]]:
    """Return the dependency that gives the client called *name*: the same one each time, to be overridden.

    The dependency raises ConfigurationError where no such client is open.
    """
    check_text("name", name)
    return _dependency(name)


# Cached, so that app.dependency_overrides finds the same function for the same name.
@cache
def _dependency(name: str) -> Callable[[HTTPConnection], Awaitable[AsyncCleanlist]]:
    async def client_of(connection: HTTPConnection) -> AsyncCleanlist:
        client = getattr(connection.state, name, None)
        if isinstance(client, AsyncCleanlist):
            return client
        raise ConfigurationError(
            f"No client named {name!r} is open in this application.",
            fix="Pass lifespan=cleanlist_lifespan() to FastAPI; in a test, run the lifespan as well: "
            "`with TestClient(app)`.",
        )

    return client_of


CleanlistDep: TypeAlias = Annotated[AsyncCleanlist, Depends(cleanlist_client())]
"""The client of the application, as a parameter of an endpoint. Raises ConfigurationError without one."""
