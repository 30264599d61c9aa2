"""Several organizations on one server: each request goes to that of its credential."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cleanlist_async.errors import ConfigurationError

from .auth import SCHEME

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from .server import Sandbox


class Dispatcher:
    """The application of a server: passes a request on to the organization whose credential or file it names.

    One that names none of any goes to the first, which refuses it.
    """

    def __init__(self, first: Sandbox, *others: Sandbox) -> None:
        self._first = first
        self._all = (first, *others)
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
        return next((one for one in self._all if one.holds_file(scope["path"])), self._first)
