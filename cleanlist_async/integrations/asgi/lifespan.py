"""A client that opens and closes with the application."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from inspect import isclass, iscoroutinefunction, isfunction
from typing import Any, Final, TypeAlias

from cleanlist_async.checks import check_callable, check_function, check_text, wrong
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.integrations.asgi.requests import ASGIApp, Receive, Scope, Send

# `Any` stands for the application, whose class is the framework's.
Lifespan: TypeAlias = Callable[[Any], AbstractAsyncContextManager[Mapping[str, object]]]
"""What `FastAPI(lifespan=...)` takes: it runs around the application, and yields the lifespan state."""
ClientLifespan: TypeAlias = Callable[[Any], AbstractAsyncContextManager[Mapping[str, AsyncCleanlist]]]
"""A lifespan that yields its client by name. One of yours can enter it, and use the client: see
`cleanlist_lifespan`."""
OtherLifespan: TypeAlias = Callable[[Any], AbstractAsyncContextManager[Mapping[str, object] | None]]
"""A lifespan of yours, which may yield no state."""
OpenClient: TypeAlias = Callable[[], AbstractAsyncContextManager[AsyncCleanlist]]
"""Opens a client: the class, a function that makes one, or an async context manager that gives one."""

DEFAULT_NAME: Final = "cleanlist"
_CALL_IT: Final = "Where a framework takes a lifespan, call it: lifespan=cleanlist_lifespan()."


def cleanlist_lifespan(
    open_client: OpenClient = AsyncCleanlist, *, name: str = DEFAULT_NAME
) -> ClientLifespan:
    """Return a lifespan that opens a client, puts it into the lifespan state as *name*, and closes it.

    *open_client* is called at each start, so the client always belongs to the loop that serves:
    `AsyncCleanlist` itself, a function that makes one with your options, or an async context manager that
    gives one. When the application ends, calls of `enrich_one` that are still waiting (in tasks of yours:
    the server has seen its requests through by then) get their answers before the client is closed.

    Several clients stand side by side under names of their own, joined by `combine_lifespans`. A lifespan of
    yours that works with the client enters this one, and yields its state::

        from contextlib import asynccontextmanager

        opened = cleanlist_lifespan()


        @asynccontextmanager
        async def lifespan(app):
            async with opened(app) as state:
                store = state["cleanlist"].store
                yield {**state, "store": store}

    """
    check_text("name", name)
    _check_opens(open_client)

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncGenerator[Mapping[str, AsyncCleanlist]]:
        async with open_client() as client:
            yield {name: client}
            # Before the client closes: calls that still wait get what they bought.
            await client.drain()

    return lifespan


def _check_opens(open_client: object) -> None:
    """Check what opens a client. A framework that calls `cleanlist_lifespan` itself passes its app."""
    # pyright takes the class for a protocol with attributes.
    if isclass(open_client) and issubclass(open_client, AbstractAsyncContextManager):  # pyright: ignore[reportGeneralTypeIssues]
        return
    if isinstance(open_client, AsyncCleanlist):
        raise wrong(
            "open_client",
            "a function that makes a client at each start",
            open_client,
            fix="Write cleanlist_lifespan(lambda: AsyncCleanlist(...)).",
        )
    call = getattr(open_client, "__call__", None)  # noqa: B004  # not whether it is callable, but how
    if open_client is None or (iscoroutinefunction(call) and not isfunction(open_client)):
        raise wrong("open_client", "a function that makes a client", open_client, fix=_CALL_IT)
    check_function("open_client", open_client)


def _check_is_called(lifespan: object) -> None:
    if lifespan is cleanlist_lifespan:
        raise ConfigurationError("cleanlist_lifespan makes a lifespan, and is none itself.", fix=_CALL_IT)


def combine_lifespans(*lifespans: OtherLifespan) -> Lifespan:
    """Return one lifespan of several: entered in this order, left in reverse, their states joined.

    Each is given the application alone. One that needs the client of another enters that itself: see
    `cleanlist_lifespan`.

    Raises ConfigurationError at the start when two of them claim the same name in the state.
    """
    for one in lifespans:
        if not callable(one):  # pyright: ignore[reportUnnecessaryComparison]
            raise wrong("lifespans", "functions that return async context managers", one)
        _check_is_called(one)

    @asynccontextmanager
    async def lifespan(app: object) -> AsyncGenerator[Mapping[str, object]]:
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


def with_lifespan(app: ASGIApp, lifespan: Lifespan) -> ASGIApp:
    """Return *app* with a lifespan, for a framework that has none (Django).

    What *lifespan* yields is in ``scope["state"]`` of each request.
    """
    check_callable("app", app)
    check_callable("lifespan", lifespan)
    _check_is_called(lifespan)
    state: dict[str, object] = {}

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _serve_lifespan(lifespan, state, receive, send)
        else:
            # A copy for each request, as servers that serve the lifespan themselves make one.
            await app({**scope, "state": {**scope.get("state", {}), **state}}, receive, send)

    return with_state


async def _serve_lifespan(lifespan: Lifespan, state: dict[str, object], receive: Receive, send: Send) -> None:
    """Do what the server asks for in the lifespan protocol of ASGI."""
    await receive()  # lifespan.startup
    is_started = False
    try:
        async with lifespan(None) as opened:
            state.update(opened)
            await send({"type": "lifespan.startup.complete"})
            is_started = True
            await receive()  # lifespan.shutdown
    except Exception as error:
        kind = "shutdown" if is_started else "startup"
        await send({"type": f"lifespan.{kind}.failed", "message": f"{type(error).__name__}: {error}"})
        raise
    finally:
        state.clear()
    await send({"type": "lifespan.shutdown.complete"})
