"""Recognises single values: an e-mail address, a LinkedIn page, a domain, a person's name. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from cleanlist_async.tables.honorifics import without_titles
from cleanlist_async.tables.surnames import first_names, is_surname, surname_words
from cleanlist_async.tables.work_email import is_work_host

# Possessive before the dot, so that a long value without one fails in linear time.
_EMAIL: Final = re.compile(r"[^@\s,;]+@[^@\s,;][^@\s,;.]*+\.[^@\s,;]{2,}")
_PERSON_PAGE: Final = re.compile(r"linkedin\.com/(?:mwlite/)?(?:in|pub)/[^/\s]", re.IGNORECASE)
_COMPANY_PAGE: Final = re.compile(r"linkedin\.com/(?:company|school|showcase|sales/company)/", re.IGNORECASE)
# At most 253 characters, and 63 in each label (RFC 1035).
_DOMAIN: Final = re.compile(r"(?=.{4,253}$)(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_][\w-]*[^\W_]")
_EAST_ASIAN: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_PATRONYMIC: Final = re.compile(r"(?<=\w) +\w+(?:вич|ьич|мич|вна|чна|шна)$", re.IGNORECASE)
_SHORTEST_NAME: Final = 2
"""Letters; in capitals, what has no more is rather a degree."""
_VOWEL: Final = re.compile(r"[aeiouy]|[^\x00-\x7f]", re.IGNORECASE)
_INITIAL: Final = re.compile(r"[^\W\d_]\.")
_SHARED_HOSTS: Final = frozenset(
    {
        "linkedin.com",
        "facebook.com",
        "instagram.com",
        "twitter.com",
        "x.com",
        "youtube.com",
        "xing.com",
        "tiktok.com",
        "crunchbase.com",
        "github.com",
        "medium.com",
        "linktr.ee",
        "sites.google.com",
        "goo.gl",
    }
)
"""Hosts on which many companies have a page: such an address does not give the company's domain."""


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
    """Whether the value, or the host of the address it holds, can be a company's own domain."""
    domain = company_domain(value)
    return domain is not None and "@" not in value and _DOMAIN.fullmatch(domain) is not None


def is_full_name(value: str) -> bool:
    """Whether the value can be a person's first and last name."""
    words = without_titles(value).split()
    # These signs stand in addresses, handles and ids, but in no name.
    return len(words) > 1 and not any(sign in value for sign in "@/0123456789")


@lru_cache(maxsize=8192)  # a list of people names each company many times
def company_domain(value: str) -> str | None:
    """Reduce a domain or web address to the bare domain: ``https://www.acme.com/about`` is ``acme.com``.

    Of an e-mail address it is the host, if that is a company's own. An address that anybody can have, or a
    page on a host that many companies share (``facebook.com/acme``), is None. What is no domain at all is
    returned as it is, less surrounding white space: whether to send it is not decided here.
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


def split_name(name: str, *, last_name_first: bool = False) -> tuple[str | None, str | None]:
    """Split a full name into first and last: the first word, and all the others.

    Of ``Mary Ann van der Berg``, all before the particle are first names.
    ``Doe, Jane`` and ``van der Berg, Jane`` are turned round, as is a name of which *last_name_first* says
    so, or that is written in Chinese, Japanese or Korean; titles (``Dr. Jane Doe, PhD``) and patronymics are
    left out. A single word is a first name.
    """
    before, _, after = (without_titles(part).strip() for part in without_titles(name).partition(","))
    # "Doe, Jane", but not "Jane Doe, MA"
    if after and is_surname(before) and not _is_degree(after, all_is_upper=before.isupper()):
        return after, before or None
    words = before.split()
    if len(words) > 1 and (last_name_first or _EAST_ASIAN.match(before)):
        count = min(surname_words(words), len(words) - 1)
        last, first = " ".join(words[:count]), _PATRONYMIC.sub("", " ".join(words[count:]))
        return without_titles(first).strip() or None, last
    given = first_names(words)
    return " ".join(words[:given]) or None, " ".join(words[given:]) or None


def _is_degree(text: str, *, all_is_upper: bool) -> bool:
    word = text.split(maxsplit=1)[0]
    if "." in word:
        return _INITIAL.fullmatch(word) is None
    if all_is_upper:  # "DOE, JANE", but not "DOE, RN"
        return len(word) <= _SHORTEST_NAME or not _VOWEL.search(word)
    return sum(letter.isupper() for letter in word) > 1
