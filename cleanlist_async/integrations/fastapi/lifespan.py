"""A client that opens and closes with the application, and the dependency that hands it out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import cache
from inspect import isclass
from typing import Annotated, Final, TypeAlias

from fastapi import Depends
from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from cleanlist_async.checks import check_function, check_text, wrong
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.errors import ConfigurationError

Lifespan: TypeAlias = Callable[[Starlette], AbstractAsyncContextManager[Mapping[str, object]]]
"""What `FastAPI(lifespan=...)` takes: it runs around the application, and yields the lifespan state."""
ClientLifespan: TypeAlias = Callable[[Starlette], AbstractAsyncContextManager[Mapping[str, AsyncCleanlist]]]
OtherLifespan: TypeAlias = Callable[[Starlette], AbstractAsyncContextManager[Mapping[str, object] | None]]
"""A lifespan of yours, which may yield no state."""
OpenClient: TypeAlias = Callable[[], AbstractAsyncContextManager[AsyncCleanlist]]

DEFAULT_NAME: Final = "cleanlist"


def cleanlist_lifespan(
    open_client: OpenClient = AsyncCleanlist, *, name: str = DEFAULT_NAME
) -> ClientLifespan:
    """Return a lifespan that opens a client, puts it into the lifespan state as *name*, and closes it.

    *open_client* is called at each start, so the client always belongs to the loop that serves:
    `AsyncCleanlist` itself, a function that makes one with your options, or an async context manager that
    gives one. When the application ends, calls of `enrich_one` that are still waiting (in tasks of yours:
    the server has seen its requests through by then) get their answers before the client is closed.

    Several clients stand side by side under names of their own, joined by `combine_lifespans`.
    """
    check_text("name", name)
    if not (isclass(open_client) and issubclass(open_client, AbstractAsyncContextManager)):  # pyright: ignore[reportUnnecessaryIsInstance]
        check_function("open_client", open_client)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[Mapping[str, AsyncCleanlist]]:
        async with open_client() as client:
            yield {name: client}
            # Before the client closes: calls that still wait get what they bought.
            await client.drain()

    return lifespan


def combine_lifespans(*lifespans: OtherLifespan) -> Lifespan:
    """Return one lifespan of several: entered in this order, left in reverse, their states joined.

    Raises ConfigurationError at the start when two of them claim the same name in the state.
    """
    for one in lifespans:
        if not callable(one):  # pyright: ignore[reportUnnecessaryComparison]
            raise wrong("lifespans", "functions that return async context managers", one)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[Mapping[str, object]]:
        state: dict[str, object] = {}
        async with AsyncExitStack() as stack:
            for one in lifespans:
                # A lifespan may yield no state.
                added = await stack.enter_async_context(one(app)) or {}
                if taken := sorted(state.keys() & added.keys()):
                    raise ConfigurationError(
                        f"Two lifespans put {taken[0]!r} into the state of the application.",
                        fix="Give each client a name of its own: cleanlist_lifespan(..., name=...).",
                    )
                state |= added
            yield state

    return lifespan


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
