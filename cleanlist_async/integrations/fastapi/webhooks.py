"""The route at which Cleanlist's webhooks arrive."""

from __future__ import annotations

from urllib.parse import urlsplit

import fastapi

from cleanlist_async.checks import check_flag, check_instance, check_route
from cleanlist_async.integrations.asgi.webhooks import receive_webhook
from cleanlist_async.webhooks.receiver import WebhookReceiver


def webhook_router(
    receiver: WebhookReceiver, *, prefix: str | None = None, include_in_schema: bool = False
) -> fastapi.APIRouter:
    """Return a router that passes posts to ``prefix/{token}`` to *receiver*, and returns its answers.

    The prefix is by default the path of the receiver's public address; pass another one if a proxy rewrites
    it. The body is read in chunks, up to the receiver's limit. The route is for Cleanlist alone,
    so it is not in the documentation of your API by default.
    """
    check_instance("receiver", receiver, WebhookReceiver)
    if prefix is not None and (not isinstance(prefix, str) or prefix):  # pyright: ignore[reportUnnecessaryIsInstance]
        check_route("prefix", prefix)
    check_flag("include_in_schema", include_in_schema)
    router = fastapi.APIRouter(prefix=urlsplit(receiver.public_url).path if prefix is None else prefix)

    @router.post("/{token}", status_code=204, include_in_schema=include_in_schema, tags=["webhooks"])
    async def receive(token: str, request: fastapi.Request) -> fastapi.Response:
        """Receive an event of Cleanlist."""
        # Streamed: request.body() would read any size before the receiver could refuse it.
        answer = await receive_webhook(receiver, token, request.headers.get("Content-Type"), request.stream())
        return fastapi.Response(answer.body, answer.status, answer.headers)

    return router
