"""The clients of httpx and httpx2 that requests go through: ours, or the caller's."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import anyio
import httpx

from cleanlist_async.checks import shown
from cleanlist_async.errors import ConfigurationError

if TYPE_CHECKING:
    import httpx2

HTTPClient: TypeAlias = "httpx.AsyncClient | httpx2.AsyncClient"
HTTPConnections: TypeAlias = httpx.AsyncBaseTransport


class Sender:
    """A client of httpx or httpx2, and what its module offers.

    Attributes
    ----------
    library
        The module that the client is from.
    shows_trace
        Whether trace events show what happens to each request. A mock of httpx sends nothing, so what it does
        shows without them.
    users, retired
        Requests that use it now, and whether it is closed after the last of them.

    """

    def __init__(self, library: Any, client: Any, *, shows_trace: bool) -> None:
        self.library = library
        self.shows_trace = shows_trace
        self.users = 0
        self.retired = False
        self._client = client
        self._no_auth = library.Auth()  # for None, httpx looks for a password in each address
        self._unsent = (library.ConnectError, library.ConnectTimeout, library.PoolTimeout)

    async def send(self, request: Any) -> Any:
        """Send *request* as it is; return the response, whose body is still to be read."""
        # Looked up at each call, so that a patch of `httpx.AsyncClient.send` works whenever it is made.
        # No redirects: a request goes to the API's own origin, and takes one token.
        return await self._client.send(request, stream=True, auth=self._no_auth, follow_redirects=False)

    def happens_unsent(self, problem: Exception) -> bool:
        """Whether *problem* can only occur before a request is sent."""
        return isinstance(problem, self._unsent)

    async def aclose(self) -> None:
        """Close the client and its connections."""
        with anyio.CancelScope(shield=True):
            await self._client.aclose()


def own_client(connections: HTTPConnections) -> Sender:
    """Return a client over *connections* that adds nothing to a request."""
    return Sender(httpx, _Client(connections), shows_trace=isinstance(connections, httpx.AsyncHTTPTransport))


class GivenClient(Sender):
    """The caller's client. Raises ConfigurationError for what is none of httpx or httpx2."""

    def __init__(self, client: HTTPClient, base_url: str) -> None:
        library = _library_of(client)
        if library is None:
            raise ConfigurationError(
                f"http_client must be an httpx.AsyncClient or httpx2.AsyncClient, not {shown(client)}."
            )
        super().__init__(library, client, shows_trace=False)
        # A transport of the caller's own may send before it shows anything.
        shows = library.AsyncHTTPTransport, library.MockTransport
        self.shows_trace = isinstance(self.connections_to(base_url), shows)

    def connections_to(self, address: str) -> Any:
        """Return the connections that the client would use for an address; None if httpx hides them."""
        choose = getattr(self._client, "_transport_for_url", None)  # no public name leads to them
        return None if choose is None else choose(self.library.URL(address))

    def has_proxy_to(self, address: str) -> bool:
        """Whether the client would use a proxy for an address, as far as httpx shows it."""
        pool = getattr(self.connections_to(address), "_pool", None)
        return getattr(pool, "_proxy_url", None) is not None


def _library_of(client: object) -> Any:
    """Return the module of a client: httpx, or httpx2, which has the same names; None for neither."""
    if isinstance(client, httpx.AsyncClient):
        return httpx
    other = sys.modules.get("httpx2")  # imported already where one of its clients exists
    return other if other is not None and isinstance(client, other.AsyncClient) else None


class _NoCookies(httpx.Cookies):
    def extract_cookies(self, response: httpx.Response) -> None:
        """Extract none: looking for cookies takes as long as everything else that the client does."""


class _Client(httpx.AsyncClient):
    """A client without cookies: a cookie set for one key must not be sent with another."""

    def __init__(self, connections: HTTPConnections) -> None:
        super().__init__(transport=connections, trust_env=False)

    @property
    def cookies(self) -> httpx.Cookies:
        return _NO_COOKIES

    @cookies.setter
    def cookies(self, cookies: object) -> None:
        """Take none."""


_NO_COOKIES: Final = _NoCookies()
