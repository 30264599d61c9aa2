"""The ASGI applications: of one organization, and of a server with several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from cleanlist_async.errors import ConfigurationError

from .gate import SCHEME
from .ledger import Ledger, RequestRecord
from .options import Clock
from .responses import Envelopes, RefusedError
from .wire import Connection

if TYPE_CHECKING:
    from .server import Sandbox


class App:
    """The sandbox's application. Arrival is the moment at which uvicorn calls it."""

    def __init__(
        self,
        routes: Sequence[Route],
        envelopes_of: Callable[[str], Envelopes],
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        # Starlette's own 404 and 405 too are in the envelope of the surface that the path belongs to.
        async def refuse(request: Request, error: Exception) -> Response:
            refused = cast("HTTPException", error)
            envelopes = envelopes_of(request.scope["path"])
            return envelopes.render(RefusedError(refused.status_code, headers=refused.headers))

        # Without a handler uvicorn logs a traceback for each client that hangs up while it sends.
        async def answer_nobody(_request: Request, _error: Exception) -> Response:
            return Response()

        self._starlette = Starlette(
            routes=routes, exception_handlers={HTTPException: refuse, ClientDisconnect: answer_nobody}
        )
        self._ledger = ledger
        self._clock = clock
        self._open: set[anyio.CancelScope] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        # First of all: the limits count by the time of arrival.
        record = RequestRecord(
            self._clock(), scope["method"], scope["path"], scope["query_string"].decode("latin-1")
        )
        self._ledger.requests.append(record)
        scope["state"]["record"] = record
        connection: Connection = scope["state"]["connection"]

        async def recorded_send(message: Message) -> None:
            # An answer to a closed connection reaches nobody, so the ledger counts it as none.
            if message["type"] == "http.response.start" and not connection.transport.is_closing():
                record.status = message["status"]
            await send(message)

        # A scope for each request, so that stop() also ends those that wait in a delay.
        with anyio.CancelScope() as request:
            self._open.add(request)
            try:
                await self._starlette(scope, receive, recorded_send)
            finally:
                self._open.discard(request)

    def stop(self) -> None:
        """Give up every request that is being answered."""
        for request in list(self._open):
            request.cancel()


class Dispatcher:
    """The application of a server: passes a request on to the organization whose credential or file it names.

    One that names none of any goes to the first, which refuses it.
    """

    def __init__(self, *organizations: Sandbox) -> None:
        self._all = organizations
        self._by_credential: dict[str, Sandbox] = {}
        for one in self._all:
            for credential in (*one.api_keys, *one.no_api_keys, *one.jwts):
                if self._by_credential.setdefault(credential, one) is not one:
                    raise ConfigurationError(
                        f"{one.organization_id} has a key that another organization has too.",
                        fix="Give each organization api_keys of its own.",
                    )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._addressee(scope).own_app(scope, receive, send)

    def _addressee(self, scope: Scope) -> Sandbox:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        credential = headers.get(b"authorization", b"").decode("latin-1").removeprefix(SCHEME)
        if (known := self._by_credential.get(credential)) is not None:
            return known
        # A signed address takes no credential.
        return next((one for one in self._all if one.holds_file(scope["path"])), self._all[0])
