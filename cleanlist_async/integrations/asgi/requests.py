"""Requests and responses of ASGI (asgi.readthedocs.io): their types, callers that hang up, webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import anyio

from cleanlist_async.checks import check_callable, check_instance, wrong
from cleanlist_async.webhooks.receiver import WebhookReceiver

Scope: TypeAlias = MutableMapping[str, Any]
"""What a connection is: its protocol, its path, its headers."""
Message: TypeAlias = MutableMapping[str, Any]
"""One event of a connection."""
Receive: TypeAlias = Callable[[], Awaitable[Message]]
"""Returns the next message of the caller."""
Send: TypeAlias = Callable[[Message], Awaitable[None]]
"""Sends a message to the caller."""
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An application."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Response:
    """A response. Pass its parts to your framework, or call it as an ASGI application.

    Attributes
    ----------
    status
        The HTTP status.
    headers
        Its headers, but for ``Content-Length``, which frameworks add.
    body
        The bytes of the body.

    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        headers = {**self.headers, "Content-Length": str(len(self.body))}
        if self.status == 204:  # which has no body, and so no length
            del headers["Content-Length"]
        pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": pairs})
        await send({"type": "http.response.body", "body": self.body})


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


def webhook_app(receiver: WebhookReceiver) -> ASGIApp:
    """Return an application that passes posts to ``.../{token}`` to *receiver*, and returns its answers.

    Mount it at the path of the receiver's public address, or where your proxy sends that. The body is read in
    chunks, up to the receiver's limit.
    """
    check_instance("receiver", receiver, WebhookReceiver)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] != "POST":
            await Response(405, {"Allow": "POST"})(scope, receive, send)
            return
        token = str(scope["path"]).rstrip("/").rpartition("/")[2]  # Litestar ends it with a slash
        answer = await receive_webhook(receiver, token, _content_type(scope), _body(receive))
        await answer(scope, receive, send)

    return app


async def receive_webhook(
    receiver: WebhookReceiver, token: str, content_type: str | None, body: bytes | AsyncIterator[bytes]
) -> Response:
    """Pass a post to *receiver*, and return the response to it."""
    answer = await receiver.receive(token, content_type, body)
    if answer.reason is None:
        return Response(answer.status)
    return Response(answer.status, {"Content-Type": "text/plain; charset=utf-8"}, answer.reason.encode())


def _content_type(scope: Scope) -> str | None:
    found = (value for name, value in scope["headers"] if name.lower() == b"content-type")
    value = next(found, None)
    return None if value is None else value.decode("latin-1")


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    """Yield the body as it arrives. Raises CallerHungUpError if it breaks off."""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise CallerHungUpError
        if body := message.get("body", b""):
            yield body
        if not message.get("more_body", False):
            return
