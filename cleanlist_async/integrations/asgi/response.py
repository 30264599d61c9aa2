"""One response, for whatever sends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cleanlist_async.integrations.asgi.types import Receive, Scope, Send


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
