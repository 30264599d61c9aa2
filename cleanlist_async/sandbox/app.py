"""The ASGI application: records each arrival, finds the operation, records the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from .ledger import Ledger, RequestRecord
from .refusals import RefusedError

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from .options import Clock
    from .refusals import Envelopes
    from .wire import Connection


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
