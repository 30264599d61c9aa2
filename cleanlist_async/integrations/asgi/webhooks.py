"""An ASGI application at which Cleanlist's webhooks arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator

from cleanlist_async.checks import check_instance
from cleanlist_async.integrations.asgi.disconnects import CallerHungUpError
from cleanlist_async.integrations.asgi.response import Response
from cleanlist_async.integrations.asgi.types import ASGIApp, Receive, Scope, Send
from cleanlist_async.webhooks.receiver import WebhookReceiver


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
