"""Which addresses are safe to send to or fetch from."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Collection
from typing import Final

import httpx

from cleanlist_async.checks import is_any, wrong
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.http.transport.networks import Network, stated_network
from cleanlist_async.redact import scrub

LAST_PORT: Final = 65_535


def check_base_url(base_url: str) -> str:
    """Return *base_url* in its one normal form. Raises ConfigurationError unless it is safe for a key."""
    url = parsed(base_url)
    # httpx accepts ports that no socket does: the error would come with the first request.
    if url is None or url.scheme not in {"http", "https"} or (url.port or 1) > LAST_PORT:
        if is_any(base_url, str) and "@" in base_url:  # it may hold a password, so it is not shown
            raise ConfigurationError("base_url must be an http(s) address without a user.")
        raise wrong("base_url", "an http(s) address", base_url)
    if url.userinfo or url.query or url.fragment:
        raise ConfigurationError("base_url must not hold a user, a query or a fragment.")
    if url.scheme == "http" and not _is_loopback(url.host):
        raise ConfigurationError(
            f"base_url must be https: a key sent to http://{url.host} can be read in transit.",
            fix="Use https, or a loopback address for a sandbox.",
        )
    # An empty query or fragment passed the check above, and would end up between the address and a path.
    return str(url.copy_with(query=None, fragment=None)).rstrip("/")


def safe_url(address: str, home: Collection[Network] = ()) -> httpx.URL | None:
    """Return the parsed address of a file, or None if the address alone shows that it must not be fetched.

    Allowed are https to public networks and to those that the API itself is in, *home*; if that is loopback,
    also plain http there.
    """
    url = parsed(address)
    if url is None or url.userinfo or (url.port or 1) > LAST_PORT:
        return None
    network = stated_network(url)
    is_encrypted = url.scheme == "https" or (url.scheme == "http" and network == "loopback")
    return url if is_encrypted and network in {None, "public", *home} else None


def same_origin(address: str, base_url: str) -> bool:
    """Whether an address leads to the server of *base_url*."""
    one, other = parsed(address), parsed(base_url)
    return one is not None and other is not None and _origin(one) == _origin(other)


def origin_of(address: str) -> str:
    """Return the part of an address that names its server, without a key in it; empty if it names none."""
    url = parsed(address)
    return "" if url is None else scrub(f"{url.scheme}://{url.netloc.decode()}")


def is_loopback(address: str) -> bool:
    """Whether an address leads to this machine."""
    url = parsed(address)
    return url is not None and _is_loopback(url.host)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def parsed(address: str) -> httpx.URL | None:
    """Read an address with the parser that will choose where to connect; None if it names no host."""
    try:
        # Another parser could see another host in the same text.
        url = httpx.URL(address.strip())
        return url if url.host and not set(url.host) & set("%[]") else None
    except (httpx.InvalidURL, ValueError, TypeError, AttributeError):
        return None


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
