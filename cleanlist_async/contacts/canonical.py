"""One canonical form for all spellings of a text or of a LinkedIn address. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import unquote

_INVISIBLE: Final = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u180e\u200b"
    "\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0001-\U000e007f]"
)
"""Control and format characters that no reader sees. Joiners (U+200C, U+200D) are not among them."""
# Some scripts need joiners to be spelled right: they are sent, and ignored only in comparisons.
_JOINERS: Final = re.compile("[\u200c\u200d]")
_PROFILE: Final = re.compile(
    r"(?:^|/)(in|pub|sales/(?:lead|people)|(?:talent|recruiter)/profile)/+([^?#\s]+)", re.IGNORECASE
)
_MEMBER_ID: Final = re.compile(r"ac[a-z]aa[\w-]*", re.IGNORECASE)
"""An id of a profile, in which letter case counts; chosen names have none."""
_FOREIGN: Final = re.compile(r"[\s\"'<>@;|]|^=")
"""Signs of something else than one address."""
_HANDLE: Final = re.compile(r"(?!\d+$)[\w%-]+")
"""The name of a profile without an address: not only digits."""
_NO_NAMES: Final = frozenset({"null", "undefined", "none", "nan", "n/a", "unavailable", "unknown"})
"""What programs put in place of the name of a profile."""
_NO_HANDLES: Final = _NO_NAMES | {
    *("y", "n", "yes", "no", "true", "false", "linkedin", "link", "url", "view", "profile", "open")
}
"""What only says that there is a profile, or none."""
_AROUND: Final = "<>()\"',;. "
"""Signs that are left around an address by its text."""
_BEFORE_DOMAIN: Final = re.compile(r"^(?:[a-z][a-z0-9+.-]{0,20}:)?/{0,2}(?:www\.)?")
_HOST: Final = re.compile(r"(?:[a-z][a-z0-9+.-]{0,20}:)?/{0,9}([a-z0-9.-]+)", re.IGNORECASE)


def visible(text: str) -> str:
    """Return *text* without invisible characters."""
    # Almost all text is plain, and the check is a tenth of the cost of the substitution.
    if text.isascii() and text.isprintable():
        return text
    return _INVISIBLE.sub("", text)


def folded(text: str) -> str:
    """Return *text* in one spelling: composed letters, no case, no invisible characters, single spaces."""
    if not text.isascii():
        # casefold, not lower: "Strauß" and "STRAUSS" are one name.
        # NFC again after folding: the lower case of a composed letter may be a sequence.
        composed = unicodedata.normalize("NFC", _JOINERS.sub("", visible(text)))
        return " ".join(unicodedata.normalize("NFC", composed.casefold()).split())
    return " ".join(visible(text).lower().split())


def domain(text: str) -> str:
    """Return a company's domain, folded, without scheme, ``www.`` and trailing slash."""
    return _BEFORE_DOMAIN.sub("", folded(text)).rstrip("/.")


def profile(url: str) -> str:
    """Return what names the person in a LinkedIn address, folded; the folded address where nothing does.

    Scheme, host, country, locale, query, fragment and trailing slash do not: ``linkedin.com/in/ada-l?trk=x``
    and ``https://de.linkedin.com/in/Ada-L/`` are one profile, as are ``/sales/lead/`` and ``/sales/people/``
    of one id.
    """
    address = visible(url).strip(_AROUND)
    if found := _found_in(address):
        kind, name = found
        if _MEMBER_ID.fullmatch(name):
            return f"in/{name}"
        return f"{kind}/{folded(name)}"
    if _HANDLE.fullmatch(address):
        return f"in/{folded(unquote(address))}"
    # Elsewhere the query may name the person; a fragment never reaches a server.
    return folded(address).partition("#")[0].rstrip("/")


def is_profile(url: str) -> bool:
    """Whether a cleaned text can name a person on LinkedIn, with or without the address around the name.

    An e-mail address, the page of a company, a feed, a formula, two addresses or a page elsewhere cannot.
    """
    address = url.strip(_AROUND)
    if _FOREIGN.search(address):
        return False
    if found := _found_in(address):
        return found[1].casefold() not in _NO_NAMES
    return _HANDLE.fullmatch(address) is not None and address.casefold() not in _NO_HANDLES


def _found_in(address: str) -> tuple[str, str] | None:
    """Return the kind of a LinkedIn page, and what names the person there."""
    found = _PROFILE.search(address.partition("?")[0].partition("#")[0])
    if found is None or not (found.start() == 0 or _is_linkedin(address)):
        return None
    kind, path = found[1].lower().partition("/")[0], found[2]
    # Old public addresses go on: /pub/ada-lovelace/7/b1/a is one person, /pub/ada-lovelace many.
    if path[:3] in {"n/a", "N/A"}:  # a placeholder behind the address, not a profile named "n"
        return kind, "n/a"
    name = path.rstrip("/") if kind == "pub" else path.partition("/")[0].partition(",")[0]
    return (kind, unquote(name)) if name else None  # only now, so that an encoded slash does not end the name


def _is_linkedin(address: str) -> bool:
    """Whether an address is of LinkedIn, in any country."""
    host = _HOST.match(address)
    return host is not None and host[1].lower().split(".")[-2:-1] == ["linkedin"]
