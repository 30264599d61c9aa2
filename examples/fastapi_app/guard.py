"""Refuses requests that pages of other sites cause, and large bodies: the application's key can buy."""

from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

READING: Final = {"GET", "HEAD", "OPTIONS"}


class Guard:
    """Middleware that refuses what is not meant for this application, before its body is read.

    Any page that a browser on the caller's machine shows can send requests here: under its own host name
    (DNS rebinding), or by a form or script whose request needs no preflight (CSRF). So `Host` must be one of
    *hosts*, the page must be ours, and the type of a body must be one that needs a preflight.
    Older versions of FastAPI read a body without a type as JSON.

    *max_bytes* limits a body, *max_bytes_of* those of single paths; bytes are counted as they arrive.
    """

    def __init__(
        self, app: ASGIApp, hosts: Collection[str], max_bytes: int, max_bytes_of: Mapping[str, int]
    ) -> None:
        self.app = app
        self.hosts = {host.lower() for host in hosts}
        self.max_bytes = max_bytes
        self.max_bytes_of = max_bytes_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.max_bytes_of.get(scope["path"], self.max_bytes)
        if refusal := self.refusal(scope["method"], Headers(scope=scope), limit):
            await JSONResponse({"detail": refusal.detail}, refusal.status_code)(scope, receive, send)
        else:
            await self.app(scope, limited(receive, limit), send)

    def refusal(self, method: str, headers: Headers, limit: int) -> HTTPException | None:
        """Return why a request is refused, judged by its headers; None if it is not."""
        host = headers.get("Host", "")
        if name_in(host) not in self.hosts:
            return HTTPException(400, "This host name is not served here; see ALLOWED_HOSTS.")
        if int_of(headers.get("Content-Length", "")) > limit:
            return too_large(limit)
        if method in READING:
            return None
        if is_of_another_site(host, headers):
            return HTTPException(403, "This request comes from a page of another site.")
        if method == "POST" and not needs_preflight(headers.get("Content-Type", "")):
            return HTTPException(415, "A body must be application/json or text/csv.")
        return None


def limited(receive: Receive, limit: int) -> Receive:
    """Return a `receive` that raises 413 as soon as a body is longer than *limit* bytes."""
    received = 0

    async def receive_some() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise too_large(limit)
        return message

    return receive_some


def too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"A body may have at most {limit:,} bytes.")


def is_of_another_site(host: str, headers: Headers) -> bool:
    """Whether a browser says that a page of another site sends this."""
    if (site := headers.get("Sec-Fetch-Site")) is not None:
        return site not in {"same-origin", "none"}
    origin = headers.get("Origin")
    return origin is not None and origin.partition("://")[2].lower() != host.lower()


def needs_preflight(content_type: str) -> bool:
    """Whether a browser sends this for another site only after a preflight, which we do not answer."""
    kind = content_type.partition(";")[0].strip().lower()
    is_json = kind.startswith("application/") and kind.removeprefix("application/").endswith("json")
    return is_json or kind == "text/csv"


def name_in(host: str) -> str | None:
    """Return the name in a `Host` header, without its port."""
    try:
        return None if set(host) & set("@/?#\\") else urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def int_of(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
