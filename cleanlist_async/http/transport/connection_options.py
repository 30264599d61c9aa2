"""How servers are reached: by which client, with which certificates, proxy and headers."""

from __future__ import annotations

import os
import platform
import re
import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, cast
from urllib.request import getproxies, proxy_bypass

import anyio
import httpx

from cleanlist_async import __version__
from cleanlist_async.checks import check_flag, check_instance, checked_path, shown
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.http.transport.addresses import LAST_PORT, parsed, stated_network
from cleanlist_async.redact import Secret

if TYPE_CHECKING:
    import httpx2

HTTPClient: TypeAlias = "httpx.AsyncClient | httpx2.AsyncClient"
HTTPConnections: TypeAlias = httpx.AsyncBaseTransport


class Sender:
    """A client of httpx or httpx2, and `library`, the module that it is from.

    `shows_trace` says whether trace events show what happens to each request: a mock of httpx sends nothing,
    so what it does shows without them. `users` are the requests that use it now; if it is `retired`, it is
    closed after the last of them.
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


Headers: TypeAlias = httpx.Headers

USER_AGENT: Final = (
    f"cleanlist-async/{__version__} python/{platform.python_version()} httpx/{httpx.__version__}"
)
ACCEPTED_ENCODING: Final = "identity"  # a compressed answer of 2 kB can become 1 GiB

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_VALUE: Final = re.compile(r"[!-~](?:[\t -~]*[!-~])?", re.ASCII)
_RESERVED: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
    }
)


class DefaultHeaders:
    """Headers of every request to the API. Its repr shows their names only: a value may be a secret."""

    __slots__ = ("_pairs", "names")

    def __init__(self, pairs: Mapping[str, str]) -> None:
        own = {"accept": ("Accept", "application/json"), "user-agent": ("User-Agent", USER_AGENT)}
        own["accept-encoding"] = ("Accept-Encoding", ACCEPTED_ENCODING)
        given = {name.lower(): (name, value) for name, value in pairs.items()}
        self._pairs = tuple((own | given).values())
        self.names = tuple(pairs)

    @classmethod
    def checked(cls, given: object) -> Self:
        """Return the headers of the option ``default_headers``. Raises ConfigurationError."""
        if given is None:
            return cls({})
        check_instance("default_headers", given, Mapping)
        pairs: dict[str, str] = {}
        for name, value in cast("Mapping[object, object]", given).items():
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ConfigurationError(f"default_headers holds what is no name of a header: {shown(name)}.")
            if name.lower() in _RESERVED:
                raise ConfigurationError(f"default_headers cannot hold {name}: the client sets it itself.")
            if not isinstance(value, str) or not _VALUE.fullmatch(value):
                raise ConfigurationError(f"default_headers[{name!r}] must be printable ASCII text.")
            pairs[name] = value
        return cls(pairs)

    def for_request(self, authorization: str, *, has_body: bool) -> list[tuple[str, str]]:
        """Return all headers of one request."""
        body = [("Content-Type", "application/json")] if has_body else []
        return [*self._pairs, *body, ("Authorization", authorization)]

    def __repr__(self) -> str:
        return f"<DefaultHeaders {', '.join(self.names)}>"


Verify: TypeAlias = "ssl.SSLContext | str | PathLike[str] | bool"

_SCHEMES: Final = frozenset({"http", "https", "socks5", "socks5h"})
_OF_ENVIRONMENT: Final = "The proxy of the environment (HTTPS_PROXY, ALL_PROXY)"


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """How a client reaches servers.

    `proxy` is for every server; None for that of the environment, if any. Of certificates `tls` are trusted,
    or `certificates`, those of the environment; if both are None, those that httpx brings. `headers` go with
    every request to the API.
    """

    proxy: Secret | None = None
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    certificates: Certificates | None = None
    trust_env: bool = True
    headers: DefaultHeaders = field(default_factory=lambda: DefaultHeaders({}))

    @classmethod
    def checked(
        cls,
        base_url: str,
        *,
        proxy: str | None = None,
        verify: Verify = True,
        trust_env: bool = True,
        default_headers: Mapping[str, str] | None = None,
    ) -> ConnectionOptions:
        """Check the options of a client. Raises ConfigurationError for what cannot work."""
        check_flag("trust_env", trust_env)
        tls = _given(verify)
        # What a variable names does not matter to a server that has no certificate.
        uses_env = tls is None and trust_env and base_url.startswith("https:")
        return cls(
            None if proxy is None else checked_proxy(proxy, "proxy"),
            tls,
            _of_environment() if uses_env else None,
            trust_env,
            DefaultHeaders.checked(default_headers),
        )

    def context(self) -> ssl.SSLContext:
        """Return the certificates to trust. Raises ConfigurationError for those that cannot be read."""
        if self.certificates is not None:
            return self.certificates.load()
        return self.tls or _public_authorities()

    def proxy_for(self, address: str) -> Secret | None:
        """Return the proxy that leads to an address, if any. Raises ConfigurationError for a wrong one.

        The environment's (``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``) never leads to this machine's own.
        """
        url = parsed(address)
        if self.proxy is not None or not self.trust_env or url is None or stated_network(url) == "loopback":
            return self.proxy
        found = getproxies()
        proxy = found.get(url.scheme) or found.get("all")
        if not proxy or proxy_bypass(url.netloc.decode("ascii")):
            return None
        return checked_proxy(proxy if "://" in proxy else f"http://{proxy}", _OF_ENVIRONMENT)


def checked_proxy(proxy: str, name: str) -> Secret:
    """Return *proxy* as a secret, for it may hold a password. Raises ConfigurationError if it cannot work."""
    url = parsed(proxy)
    scheme = url.scheme if url is not None and (url.port or 1) <= LAST_PORT else ""
    if scheme not in _SCHEMES:
        raise ConfigurationError(f"{name} must be an address like http://proxy.example:3128.")
    # httpx would raise ImportError with the first request only.
    if scheme.startswith("socks") and find_spec("socksio") is None:
        raise ConfigurationError("A SOCKS proxy needs one more package.", fix="pip install 'httpx[socks]'")
    # The address alone is no secret, and is to be named.
    return Secret(proxy, is_masked="@" in proxy)


def proxy_name(proxy: Secret) -> str:
    """Return the address of a proxy without its user and password."""
    url = httpx.URL(proxy.reveal())
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


@dataclass(frozen=True, slots=True)
class Certificates:
    """Certificates of authorities: those in a file and in a folder, either of which may be missing."""

    source: str
    file: str | None = None
    folder: str | None = None

    def check(self) -> Self:
        """Raise ConfigurationError for paths that lead nowhere."""
        # A folder that does not exist is no error to OpenSSL, which would then trust nobody.
        if self.folder and not any(_is_there(part, Path.is_dir) for part in self.folder.split(os.pathsep)):
            raise ConfigurationError(f"{self.source} names no folder of certificates: {shown(self.folder)}.")
        if self.file and not _is_there(self.file, Path.is_file):
            raise ConfigurationError(f"{self.source} names no file of certificates: {shown(self.file)}.")
        return self

    def load(self) -> ssl.SSLContext:
        """Read them. Raises ConfigurationError."""
        try:
            return _read(self.file, self.folder, self._changed_at())
        except (OSError, ValueError) as problem:  # an SSLError is an OSError
            reason = getattr(problem, "reason", None) or getattr(problem, "strerror", None) or problem
            raise ConfigurationError(
                f"{self.source} names no certificates that can be read: {shown(self.file)} ({reason}).",
                fix="It must be a file in PEM form, as certificate authorities give out.",
            ) from problem

    def _changed_at(self) -> tuple[float, ...]:
        paths = [Path(path) for path in (self.file, self.folder) if path and os.pathsep not in path]
        return tuple(path.stat().st_mtime for path in paths)


# One context for all clients of a process: each takes 20 ms and 700 kB, and none is changed by its use.
@cache
def _public_authorities() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


@lru_cache(maxsize=8)
def _read(file: str | None, folder: str | None, changed_at: tuple[float, ...]) -> ssl.SSLContext:
    del changed_at  # it distinguishes a bundle that was replaced from what it was before
    return ssl.create_default_context(cafile=file, capath=folder)


def _given(verify: Verify) -> ssl.SSLContext | None:
    """Return the certificates that the caller names; None for the default."""
    if isinstance(verify, ssl.SSLContext):
        return verify
    if verify is False:
        raise ConfigurationError(
            "verify=False would show the key to anybody in between.",
            fix="Pass the file of your certificate authority as verify, or name it in SSL_CERT_FILE.",
        )
    if verify is True:
        return None
    path = checked_path("verify", verify)
    kind = "folder" if _is_there(path, Path.is_dir) else "file"
    return Certificates("verify", **{kind: os.fspath(path)}).check().load()


def _is_there(path: str | Path, is_kind: Callable[[Path], bool]) -> bool:
    try:
        return is_kind(Path(path))
    except OSError:  # before Python 3.14, for one that is too long for the system
        return False


def _of_environment() -> Certificates | None:
    file, folder = (os.environ.get(name) or None for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    if file:
        Certificates("SSL_CERT_FILE", file).check()
    if folder:
        Certificates("SSL_CERT_DIR", folder=folder).check()
    names = " and ".join(name for name, value in (("SSL_CERT_FILE", file), ("SSL_CERT_DIR", folder)) if value)
    return Certificates(names, file, folder) if names else None
