"""The client opens with the application and closes with it, beside whatever else lives there."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, WebSocket
from litestar import Litestar

from cleanlist_async import AsyncCleanlist, ConfigurationError
from cleanlist_async.integrations.asgi import with_lifespan
from cleanlist_async.integrations.fastapi import (
    CleanlistDep,
    cleanlist_client,
    cleanlist_lifespan,
    combine_lifespans,
    install_error_handlers,
)
from tests.support.backends import calling, running
from tests.support.clients import KEY

pytestmark = pytest.mark.anyio


class Opened:
    """Opens clients that never connect, and remembers them."""

    def __init__(self, port: int = 9) -> None:
        self.clients: list[AsyncCleanlist] = []
        self._port = port

    def __call__(self) -> AsyncCleanlist:
        client = AsyncCleanlist(KEY, base_url=f"http://127.0.0.1:{self._port}")
        self.clients.append(client)
        return client


def is_closed(client: AsyncCleanlist) -> bool:
    return client._runtime.shared.root.closed


def application(lifespan: object) -> FastAPI:
    app = FastAPI(lifespan=lifespan)

    @app.get("/whose")
    async def whose(client: CleanlistDep) -> str:
        return repr(client)

    return app


async def started(app: FastAPI) -> None:
    async with running(app):
        pass


async def first_message(app: FastAPI, path: str, state: object) -> str:
    """The first text that a websocket sends."""
    scope = {"type": "websocket", "path": path, "headers": [], "query_string": b"", "state": state}
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    return next(message["text"] for message in sent if message["type"] == "websocket.send")


async def test_the_client_lives_as_long_as_the_application():
    opened = Opened()
    app = application(cleanlist_lifespan(opened))
    assert opened.clients == []
    async with running(app) as caller:
        assert (await caller.get("/whose")).json() == "<AsyncCleanlist http://127.0.0.1:9>"
        assert (await caller.get("/whose")).status_code == 200
        (client,) = opened.clients
        assert not is_closed(client)
    assert is_closed(client)


async def test_an_application_that_starts_again_opens_a_new_client():
    opened = Opened()
    app = application(cleanlist_lifespan(opened))
    for _ in range(2):
        async with running(app) as caller:
            assert (await caller.get("/whose")).status_code == 200
    assert len(opened.clients) == 2
    assert all(map(is_closed, opened.clients))


async def test_the_client_is_in_the_state_of_the_request():
    app = FastAPI(lifespan=cleanlist_lifespan(opened := Opened()))

    @app.get("/")
    async def root(request: Request) -> bool:
        return request.state.cleanlist is opened.clients[0]

    async with running(app) as caller:
        assert (await caller.get("/")).json() is True


async def test_routers_mounted_applications_and_websockets_have_it_too():
    app, router, mounted = FastAPI(lifespan=cleanlist_lifespan(Opened())), APIRouter(), application(None)

    @router.get("/routed")
    async def routed(client: CleanlistDep) -> str:
        return repr(client)

    @router.websocket("/socket")
    async def socket(websocket: WebSocket, client: CleanlistDep) -> None:
        await websocket.accept()
        await websocket.send_text(repr(client))

    app.include_router(router)
    app.mount("/mounted", mounted)
    async with running(app) as caller:
        assert "AsyncCleanlist" in (await caller.get("/routed")).json()
        assert "AsyncCleanlist" in (await caller.get("/mounted/whose")).json()
    async with app.router.lifespan_context(app) as state:
        assert "AsyncCleanlist" in await first_message(app, "/socket", state)


@pytest.mark.parametrize("entered", [running, calling])
async def test_without_the_lifespan_the_error_says_what_to_do(entered):
    async with entered(application(None)) as caller:
        with pytest.raises(ConfigurationError, match="lifespan=cleanlist_lifespan"):
            await caller.get("/whose")


async def test_without_the_lifespan_the_caller_sees_a_fault_of_ours():
    app = application(None)
    install_error_handlers(app)
    async with running(app) as caller:
        answer = await caller.get("/whose")
    assert (answer.status_code, answer.json()["code"]) == (500, "configuration")


async def test_a_client_that_cannot_be_opened_stops_the_application(monkeypatch):
    monkeypatch.delenv("CLEANLIST_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="CLEANLIST_API_KEY"):
        await started(application(cleanlist_lifespan()))


async def test_two_clients_stand_side_by_side():
    ours, theirs = Opened(), Opened(port=10)
    app = application(combine_lifespans(cleanlist_lifespan(ours), cleanlist_lifespan(theirs, name="theirs")))

    @app.get("/theirs")
    async def other(client: Annotated[AsyncCleanlist, Depends(cleanlist_client("theirs"))]) -> str:
        return repr(client)

    async with running(app) as caller:
        assert (await caller.get("/whose")).json().endswith(":9>")
        assert (await caller.get("/theirs")).json().endswith(":10>")
    assert all(map(is_closed, ours.clients + theirs.clients))


async def test_lifespans_are_entered_in_order_and_left_in_reverse():
    told, opened = [], Opened()

    def other(name: str, state: dict[str, object] | None):
        @asynccontextmanager
        async def lifespan(app: FastAPI):
            told.append(f"{name} opens")
            yield state
            told.append(f"{name} closes, client is {'closed' if is_closed(opened.clients[0]) else 'open'}")

        return lifespan

    app = FastAPI(
        lifespan=combine_lifespans(
            other("database", {"database": 1}), cleanlist_lifespan(opened), other("worker", None)
        )
    )

    @app.get("/")
    async def root(request: Request, client: CleanlistDep) -> int:
        return request.state.database

    async with running(app) as caller:
        assert (await caller.get("/")).json() == 1
    assert told == [
        "database opens",
        "worker opens",
        "worker closes, client is open",
        "database closes, client is closed",
    ]


async def test_a_lifespan_that_wraps_ours():
    opened = Opened()

    @asynccontextmanager
    async def lifespan(app: FastAPI):
        async with cleanlist_lifespan(opened)(app) as state:
            yield {**state, "more": 2}

    async with running(application(lifespan)) as caller:
        assert (await caller.get("/whose")).status_code == 200
    assert is_closed(opened.clients[0])


async def test_two_lifespans_cannot_claim_one_name():
    opened = Opened()
    twice = combine_lifespans(cleanlist_lifespan(opened), cleanlist_lifespan(opened))
    with pytest.raises(ConfigurationError, match="'cleanlist'"):
        await started(application(twice))
    assert all(map(is_closed, opened.clients))


async def test_a_later_lifespan_that_fails_closes_the_client():
    opened = Opened()

    @asynccontextmanager
    async def broken(app: FastAPI):
        raise ZeroDivisionError
        yield

    with pytest.raises(ZeroDivisionError):
        await started(application(combine_lifespans(cleanlist_lifespan(opened), broken)))
    assert is_closed(opened.clients[0])


async def test_the_dependency_can_be_overridden():
    app, other = application(None), Opened(port=11)()
    app.dependency_overrides[cleanlist_client()] = lambda: other
    async with calling(app) as caller:
        assert (await caller.get("/whose")).json().endswith(":11>")


def test_a_client_that_is_made_already_is_refused_at_once():
    with pytest.raises(ConfigurationError, match=r"cleanlist_lifespan\(lambda: AsyncCleanlist"):
        cleanlist_lifespan(AsyncCleanlist(KEY))


async def test_a_lifespan_that_nobody_has_called_is_told_to_be():
    with pytest.raises(ConfigurationError, match=r"call it: lifespan=cleanlist_lifespan\(\)"):
        await started(application(cleanlist_lifespan))
    for given in (Litestar(), None):  # None is the application of `with_lifespan`
        with pytest.raises(ConfigurationError, match=r"call it: lifespan=cleanlist_lifespan\(\)"):
            cleanlist_lifespan(given)


@pytest.mark.parametrize("join", [combine_lifespans, partial(with_lifespan, lambda *_: None)])
def test_where_we_take_lifespans_ourselves_that_is_told_at_once(join):
    with pytest.raises(ConfigurationError, match=r"call it: lifespan=cleanlist_lifespan\(\)"):
        join(cleanlist_lifespan)
