"""JSON answers."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.responses import Response


def encode(document: object) -> bytes:
    """Return a document as compact JSON; escaped to ASCII, so that any string can be echoed."""
    return json.dumps(document, separators=(",", ":")).encode()


def json_response(document: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a document, or JSON that is already encoded (bytes), as an answer."""
    body = document if isinstance(document, bytes) else encode(document)
    return Response(body, status, headers, media_type="application/json")
