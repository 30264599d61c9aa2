"""What the sandbox finds about a contact, and its price: decided by its own fields and the seed alone."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from cleanlist_async.contacts.contact import API_FIELDS

from .ledger import ContactLike, Identity, identity_of

if TYPE_CHECKING:
    from .options import Options

EMAIL_CREDITS: Final = 1.0
PHONE_CREDITS: Final = 10.0
FULL_CREDITS: Final = 11.0
DISCOVERED_CREDITS: Final = 1.0

WORST_CASE: Final[dict[str, float]] = {
    "none": 0.0,
    "partial": EMAIL_CREDITS,
    "phone_only": PHONE_CREDITS,
    "full": FULL_CREDITS,
    "prospecting_only": DISCOVERED_CREDITS,
}
"""Credits that one contact costs at most."""

FIRST_NAMES: Final = ("Ada", "Alan", "Barbara", "Edsger", "Grace", "Katherine", "Linus", "Margaret")
LAST_NAMES: Final = ("Hamilton", "Hopper", "Johnson", "Kernighan", "Liskov", "Lovelace", "Turing", "Wirth")
RELIABLE_SHARE: Final = 0.80
RISKY_SHARE: Final = 0.15
_DIGEST: Final = Struct(">5I6sQ")
_NOT_IN_LOCAL_PART: Final = re.compile(r"[^a-z0-9]+")
_WEBSITE: Final = re.compile(r"^(?:[a-z]+://)?(?:www\.)?", re.IGNORECASE)
_NOT_IN_DOMAIN: Final = re.compile(r"[^a-z0-9.-]+")


class Person(NamedTuple):
    """Name, profile and employer of a contact; what the contact lacks is invented."""

    first_name: str
    """The first name."""
    last_name: str
    """The last name."""
    linkedin_url: str
    """The address of the LinkedIn profile."""
    company_name: str
    """The name of the employer."""
    company_domain: str
    """The domain of the employer's web site."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the sandbox answers for a contact, and what it charges (credits)."""

    person: Person
    """Who was found."""
    successful: bool
    """Whether anything was found."""
    email: str | None
    """The e-mail address, if one was found."""
    email_status: str | None
    """How certain the server is of it."""
    phones: tuple[str, ...]
    """The phone numbers that were found."""
    credits: float
    """What it costs."""


class Dice(NamedTuple):
    """Numbers drawn from a contact and a seed, the same ones each time. Rolls are shares, 0 <= roll < 1."""

    email: float
    email_status: float
    phone: float
    omit: float
    unfinish: float
    mark: str
    """Twelve hexadecimal digits that no other contact has."""
    number: int
    """A large number."""


def throw(identity: Identity, seed: int) -> Dice:
    """Return the numbers of a contact."""
    # repr() keeps the fields apart: joined text could be the same for two contacts.
    digest = blake2b(repr((seed, identity)).encode(), digest_size=_DIGEST.size).digest()
    email, email_status, phone, omit, unfinish, mark, number = _DIGEST.unpack(digest)
    rolls = (email / 2**32, email_status / 2**32, phone / 2**32, omit / 2**32, unfinish / 2**32)
    return Dice(*rolls, mark=mark.hex(), number=number)


def expected(
    contact: ContactLike,
    enrichment_type: str,
    *,
    seed: int = 0,
    hit_rate: float = 0.7,
    half_full_price: str = "each",
) -> Expected:
    """Return what a sandbox with these options answers for ``contact``.

    Two different contacts never share an e-mail address.
    """
    identity = identity_of(contact)
    dice = throw(identity, seed)
    person = _person(identity, dice)
    finds_email = enrichment_type in {"partial", "full"} and dice.email < hit_rate
    finds_phone = enrichment_type in {"phone_only", "full"} and dice.phone < hit_rate
    # It has no probability of its own among the options.
    discovers = enrichment_type == "prospecting_only" and dice.email < hit_rate
    parts = finds_email * EMAIL_CREDITS + finds_phone * PHONE_CREDITS + discovers * DISCOVERED_CREDITS
    # No page gives the price of a full result of which one half was found.
    pays_for_both = enrichment_type == "full" and half_full_price == "full" and parts > 0
    return Expected(
        person=person,
        successful=finds_email or finds_phone or discovers or enrichment_type == "none",
        email=_email(person, dice) if finds_email else None,
        email_status=_email_status(dice) if finds_email else None,
        phones=(f"+1555{dice.number % 10_000_000:07d}",) if finds_phone else (),
        credits=FULL_CREDITS if pays_for_both else parts,
    )


def expected_by(options: Options, contact: ContactLike, enrichment_type: str) -> Expected:
    """Return what a sandbox with *options* answers for ``contact``."""
    return expected(
        contact,
        enrichment_type,
        seed=options.seed,
        hit_rate=options.hit_rate,
        half_full_price=options.half_full_price,
    )


def _person(identity: Identity, dice: Dice) -> Person:
    given = dict(zip(API_FIELDS, identity, strict=True))
    number = dice.number
    first = given["first_name"] or FIRST_NAMES[number % 8]
    last = given["last_name"] or LAST_NAMES[number // 8 % 8]
    # It may be given as the address of a website.
    domain = _WEBSITE.sub("", given["company_domain"].strip()).partition("/")[0]
    if not domain:
        company = given["company_name"]
        domain = f"{_slug(company)}.example" if company else f"company{number % 1000}.example"
    return Person(
        first_name=first,
        last_name=last,
        linkedin_url=given["linkedin_url"]
        or f"https://www.linkedin.com/in/{_slug(first)}-{_slug(last)}-{dice.mark}",
        company_name=given["company_name"] or domain.partition(".")[0].capitalize(),
        company_domain=domain,
    )


def _email(person: Person, dice: Dice) -> str:
    domain = _NOT_IN_DOMAIN.sub("", person.company_domain.lower()).strip(".-") or "company.example"
    # The mark makes each address unique, so that one in the wrong row is noticed.
    return f"{_slug(person.first_name)}.{_slug(person.last_name)}.{dice.mark}@{domain}"


def _email_status(dice: Dice) -> str:
    share = dice.email_status
    if share < RELIABLE_SHARE:
        return "reliable"
    return "risky" if share < RELIABLE_SHARE + RISKY_SHARE else "unknown"


@lru_cache(maxsize=4096)
def _slug(text: str) -> str:
    lower = text.lower()
    # Only ASCII is certain to need no decomposing, which is slow.
    plain = lower if lower.isascii() else unicodedata.normalize("NFKD", lower)
    return _NOT_IN_LOCAL_PART.sub("", plain) or "x"
