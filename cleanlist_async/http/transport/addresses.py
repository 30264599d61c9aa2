"""Which addresses are safe to send to or fetch from.

The address of a file comes in an answer, whose author could make this machine send a request to a server that
only this machine can reach: its own services, its network, the metadata of a cloud.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, Final, Literal, TypeAlias

import anyio
import httpx

from cleanlist_async.checks import is_any, wrong
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.redact import scrub

Network: TypeAlias = Literal["public", "private", "link-local", "loopback", "none"]
"""``none``: addresses that no server has, such as 0.0.0.0, multicast and documentation ones."""

_IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# Not `is_private`, which holds other reserved networks too, and not shared address space (100.64.0.0/10).
_PRIVATE: Final = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10"),
    )
)
_NOBODYS: Final = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "3fff::/20")))
"""Not reachable from elsewhere by the registries of IANA, which older versions of Python do not know."""
_GLOBAL_UNICAST: Final = ipaddress.ip_network("2000::/3")
# Prefixes of IPv6 before an IPv4 address: the obsolete "compatible" one, and those of NAT64.
_AROUND_IPV4: Final = tuple(map(ipaddress.IPv6Network, ("::/96", "64:ff9b::/96", "64:ff9b:1::/48")))


def stated_network(url: httpx.URL) -> Network | None:
    """Return the network that an address names; None where it names a host that must be looked up."""
    host = url.raw_host.decode("ascii").removesuffix(".").lower()  # "localhost." is localhost
    if (address := _literal(host)) is not None:
        return _network_of(address)
    return "loopback" if host == "localhost" or host.endswith(".localhost") else None


async def networks_of(url: httpx.URL, *, resolves: bool) -> set[Network]:
    """Return the networks that a host is in; none where its name is not found, or not to be looked up."""
    if (stated := stated_network(url)) is not None:
        return {stated}
    if not resolves:
        return set()
    try:
        found = await anyio.getaddrinfo(url.raw_host, url.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return set()  # connecting will fail as well, with an error of its own
    return {network_of(str(sockaddr[0])) for *_, sockaddr in found}


def network_of(address: str) -> Network:
    """Return the network of an IP address, the inner one of IPv4 within IPv6."""
    return _network_of(ipaddress.ip_address(address.partition("%")[0]))  # after "%": the zone of link-local


def _network_of(address: _IPAddress) -> Network:
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    if any(address in network for network in _PRIVATE):
        return "private"
    # After the checks of the outer address: ::1 is within the "compatible" prefix.
    if isinstance(address, ipaddress.IPv6Address) and (inner := _inner(address)) is not None:
        return _network_of(inner)
    is_unicast = address in _GLOBAL_UNICAST if address.version == 6 else not address.is_multicast
    is_nobodys = any(address in network for network in _NOBODYS)
    return "public" if address.is_global and is_unicast and not is_nobodys else "none"


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if any(address in network for network in _AROUND_IPV4):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


def _literal(host: str) -> _IPAddress | None:
    """Read an IP address, also in the short, octal, hexadecimal and decimal forms that resolvers take."""
    with suppress(ValueError):
        return ipaddress.ip_address(host)
    with suppress(OSError):  # inet_aton reads 127.1 and 0x7f000001, which ip_address refuses
        return ipaddress.IPv4Address(socket.inet_aton(host))
    return None


class PeerCheck:
    """A trace extension of httpcore that drops a connection to a network that is not allowed.

    A name may resolve to another address when it is looked up again to connect. No byte is sent there.
    """

    def __init__(self, allowed: Collection[Network]) -> None:
        self._allowed = allowed

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """Check the address that a connection was made to."""
        if not event.endswith("connect_tcp.complete"):
            return
        connection = info["return_value"]
        peer = connection.get_extra_info("server_addr")
        if peer is not None and network_of(str(peer[0])) not in self._allowed:
            await connection.aclose()
            raise ForbiddenNetworkError


class ForbiddenNetworkError(Exception):
    """An address leads into a network from which nothing may be fetched."""


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

    Allowed are https to public networks and to those of the API itself, *home*; of loopback also plain http.
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
    if one is None or other is None:
        return False
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def origin_of(address: str) -> str:
    """Return the part of an address that names its server, without a key in it; empty if it names none."""
    url = parsed(address)
    return "" if url is None else scrub(f"{url.scheme}://{url.netloc.decode()}")


def is_loopback(address: str) -> bool:
    """Whether an address leads to this machine."""
    url = parsed(address)
    return url is not None and _is_loopback(url.host)


def parsed(address: str) -> httpx.URL | None:
    """Read an address with the parser that will choose where to connect; None if it names no host."""
    try:
        # Another parser could see another host in the same text.
        url = httpx.URL(address.strip())
        return url if url.host and not set(url.host) & set("%[]") else None
    except (httpx.InvalidURL, ValueError, TypeError, AttributeError):
        return None


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
