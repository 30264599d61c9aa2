"""Files behind signed addresses, as in a blob storage: no credential is asked for, and none is taken."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.responses import PlainTextResponse, Response

if TYPE_CHECKING:
    from starlette.requests import Request

    from .moments import Moments

FILE_TTL_S: Final = 86_400.0
FILE_PATH: Final = "/exports/{name}"
"""Outside the API's prefixes."""


class SignedFile(NamedTuple):
    """A file that can be fetched for 24 hours."""

    url: str
    expires_at: str
    """UTC, ISO 8601."""


class SignedFiles:
    """Every file there is."""

    def __init__(self, moments: Moments, base_url: Callable[[], str]) -> None:
        self._moments = moments
        self._base_url = base_url
        self._secret = secrets.token_bytes(32)
        self._files: dict[str, bytes] = {}

    def keep(self, content: bytes) -> SignedFile:
        """Keep a CSV file and return where it can be fetched."""
        name = f"{secrets.token_hex(16)}.csv"
        self._files[name] = content
        expires_at = int(self._moments.epoch_s() + FILE_TTL_S)
        address = f"{self._base_url()}{FILE_PATH.format(name=name)}"
        signature = self._signature(name, str(expires_at))
        until = self._moments.iso(self._moments.now() + FILE_TTL_S)
        return SignedFile(f"{address}?se={expires_at}&sig={signature}", until)

    def holds(self, path: str) -> bool:
        """Whether a path is that of one of these files."""
        return path.rpartition("/")[2] in self._files and path.startswith(FILE_PATH.partition("{")[0])

    async def download(self, request: Request) -> Response:
        """Return a file: 400 if a credential comes with it, 403 for a false or stale signature."""
        # A blob storage does the same, so a client that sends its key here fails its tests.
        if "authorization" in request.headers:
            return PlainTextResponse("This address is signed: send no Authorization header.", 400)
        name = request.path_params["name"]
        expires_at, signature = (request.query_params.get(key, "") for key in ("se", "sig"))
        # The signature first: only a time that we signed is sure to be a number.
        if not hmac.compare_digest(signature.encode(), self._signature(name, expires_at).encode()):
            return PlainTextResponse("Signature did not match.", 403)
        if self._moments.epoch_s() >= int(expires_at):
            return PlainTextResponse("Signature has expired.", 403)
        return Response(self._files[name], media_type="text/csv")

    def _signature(self, name: str, expires_at: str) -> str:
        return hmac.digest(self._secret, f"{name}:{expires_at}".encode(), "sha256").hex()
