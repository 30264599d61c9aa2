"""Names, employers and LinkedIn addresses, reduced to what stays the same however they are written. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final, Protocol, TypeAlias
from urllib.parse import unquote

from cleanlist_async.api.models.rows import EnrichmentRow
from cleanlist_async.contacts.contact import API_FIELDS, Contact
from cleanlist_async.types import JSON

Name: TypeAlias = frozenset[str]
"""The words of a name, in no order: some write the family name first."""
Input: TypeAlias = tuple[tuple[str, str], ...]
"""The fields of a contact, as they are sent or folded."""

_PROFILE: Final = re.compile(
    r"(?:^|/)(in|pub|sales/lead|sales/people|talent/profile|recruiter/profile)/+([^?#\s]+)", re.IGNORECASE
)
_MEMBER_ID: Final = re.compile(r"AC[a-z]AA[\w-]*")
"""An id that LinkedIn puts in the place of a name."""
_HOST: Final = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?(?://)?(?:[^/@]*@)?(?:www\.)?([^/:?#\s]+)", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W_]+")
_LETTERS: Final = str.maketrans(
    {
        "ø": "o",
        "æ": "ae",
        "œ": "oe",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "\u0131": "i",
        "'": None,
        "\u2019": None,
    }
)
"""Letters that Unicode does not take apart (the last: a dotless i), and apostrophes, which some leave out."""
_COMPANY_FORMS: Final = frozenset({
    *("inc", "incorporated", "ltd", "limited", "llc", "llp", "gmbh", "ag", "sa", "sas", "sarl", "srl", "spa"),
    *("bv", "nv", "plc", "corp", "corporation", "co", "company", "group", "holding", "holdings", "the"),
})  # fmt: skip
_LONGEST_NAME: Final = 4_001
_LONGEST_TEXT: Final = 2_000
"""Characters: what is longer is no name (two fields of a contact), and no address or domain."""
_LONGEST_COMPARED: Final = 200
"""Characters of a name up to which it is compared letter by letter, which takes their square."""
_ALIKE: Final = 0.75
"""Share of letters in common of two spellings of one word: Jörg and Joerg, Aase and Ase."""

_DOUBLED: Final = re.compile(r"([a-z])\1")
_DIGRAPH: Final = re.compile(r"([aou])e")
_FORMS: Final = """
    abigail abby
    alexander alex alec sandy sasha xander alexandra alexandria lexi
    andrew andy drew andreas andre
    anthony tony antonio anton
    barbara barb babs
    benjamin ben benny benji
    bernard bernie
    catherine cathy cate katherine kathy kate katie kathryn katharine kit
    charles charlie chuck chas
    christopher chris christian kris christine christina tina chrissy
    cynthia cindy
    daniel dan danny danielle
    david dave davy
    deborah deb debbie debra
    donald don donny
    dorothy dot dottie
    douglas doug
    edward ed eddie ted teddy ned edwin edmund
    elizabeth liz lizzie beth betty betsy eliza lisa elisabeth bess
    eugene gene
    francis frank fran frankie frances franklin
    frederick fred freddie
    geoffrey geoff jeffrey jeff jeffery
    george georgie
    gerald gerry jerry jerome
    gregory greg gregg
    harold harry hal henry hank
    isabella bella izzy isabel
    jacob jake
    james jim jimmy jamie jem
    jennifer jen jenny jenna
    jessica jess jessie
    john jack johnny jon jonathan johnathan johannes hans
    joseph joe joey josef jose pepe
    joshua josh
    judith judy
    kenneth ken kenny
    laurence larry lawrence lorenzo
    leonard leo len lenny leonardo
    margaret maggie meg peggy marge margie greta rita
    martin marty
    matthew matt mathew matthias mathias
    maximilian max maxwell maxim
    melissa mel melanie
    michael mike mick mickey mikey
    nathaniel nate nathan nat
    nicholas nick nicky nicolas nikolai klaus nico
    olivia liv
    pamela pam
    patrick pat paddy patricia patty trish trisha
    peter pete
    philip phil phillip
    raymond ray
    rebecca becky becca
    richard dick rick ricky rich richie
    robert bob bobby rob robbie bert
    ronald ron ronnie
    samuel sam sammy samantha
    sara sarah sally sadie
    stephen steve steven stefan stephan
    susan sue susie suzanne susanna
    theodore theo
    theresa terry teresa tess
    thomas tom tommy
    timothy tim timmy
    valerie val
    victoria vicky vicki tori
    vincent vince vinny
    walter walt wally
    william will bill billy willy liam wilhelm
    zachary zach zack
"""
_SHORT_FORMS: Final = {
    short: forms.split()[0] for forms in _FORMS.strip().splitlines() for short in forms.split()
}
"""First names, each with the form that stands for all."""


def linkedin_slug(url: str | None) -> str | None:
    """Return what names the person in a LinkedIn address, folded; None where nothing does for certain.

    A company's page or a search (``/profile/view?id=1``) names no person. An id keeps its letter case, which
    distinguishes two people.
    """
    return _slug(url) if url and len(url) <= _LONGEST_TEXT else None


# These are asked of a contact and of its row, and again of a workflow that is read again. What is remembered
# is short, whatever an answer holds.
@lru_cache(maxsize=4_096)
def _slug(url: str) -> str | None:
    if (found := _PROFILE.search(url)) is None:
        return None
    kind, path = found.groups()
    # Old public addresses go on: /pub/ada-lovelace/7/b1/a is one person, /pub/ada-lovelace many.
    # An id of Sales Navigator is followed by how it was found, after a comma.
    named = path.rstrip("/") if kind.lower() == "pub" else path.partition("/")[0].partition(",")[0]
    named = unquote(named)
    is_id = kind.lower() not in {"in", "pub"} or _MEMBER_ID.fullmatch(named)
    return (named if is_id else named.casefold()) or None


def slug_words(slug: str) -> tuple[str, ...]:
    """Return the words of a slug such as ``ada-lovelace-7b1``; an id has none."""
    return () if _MEMBER_ID.fullmatch(slug) else words(slug.replace("-", " "))


def words(text: str | None) -> tuple[str, ...]:
    """Return the words of *text* without case and accents."""
    return _words(text) if text and len(text) <= _LONGEST_NAME else ()


@lru_cache(maxsize=4_096)
def _words(text: str) -> tuple[str, ...]:
    if text.isascii():  # nearly always, and many times faster
        return tuple(_WORD.findall(text.lower().replace("'", "")))
    plain = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return tuple(_WORD.findall(bare.casefold().translate(_LETTERS)))


def name_of(contact: Contact) -> Name:
    """Return a contact's name; empty unless it has both a first and a last name."""
    return _full_name(contact.first_name, contact.last_name)


def half_name(contact: Contact) -> Name:
    """Return the first or last name of a contact that lacks the other; else nothing."""
    half = (
        contact.last_name if not contact.first_name else contact.first_name if not contact.last_name else None
    )
    return frozenset(words(half))


def name_in(row: EnrichmentRow) -> Name:
    """Return the name a row carries."""
    return _full_name(row.first_name, row.last_name) or frozenset(words(row.full_name))


def _full_name(first: str | None, last: str | None) -> Name:
    return frozenset(words(f"{first} {last}")) if first and last else frozenset()


@lru_cache(maxsize=4_096)
def name_key(name: Name) -> Name:
    """Return what two forms of one name have in common: "Bob Lee" and "Robert Q. Lee", Jörg and Joerg.

    People whose names have the same key may be taken for one another.
    """
    # Initials come and go, unless there is nothing else.
    full = frozenset(word for word in name if len(word) > 1)
    return frozenset(map(_plainest, full if len(full) > 1 else name))


@lru_cache(maxsize=4_096)
def _plainest(word: str) -> str:
    plain = _DIGRAPH.sub(r"\1", _DOUBLED.sub(r"\1", _SHORT_FORMS.get(word, word)))
    return _SHORT_FORMS.get(plain, plain)


def names_differ(ours: Name, theirs: Name) -> bool:
    """Whether these are certainly the names of two people.

    "Bob Lee" may come back as "Robert Q. Lee", and a name in another script as anything.
    """
    if not ours or not theirs or ours & theirs or _is_latin(ours) is not _is_latin(theirs):
        return False
    if max(sum(map(len, ours)), sum(map(len, theirs))) > _LONGEST_COMPARED:
        return False
    return not any(_are_alike(our, their) for our in ours for their in theirs)


def _are_alike(our: str, their: str) -> bool:
    shared, both = min(len(our), len(their)), len(our) + len(their)
    # The first test bounds the ratio, at a fraction of its cost.
    return 2 * shared >= _ALIKE * both and SequenceMatcher(None, our, their).ratio() >= _ALIKE


def _is_latin(name: Name) -> bool:
    return all(word.isascii() for word in name)


class Employed(Protocol):
    """A contact or a row, which may name an employer."""

    @property
    def company_name(self) -> str | None:
        """Its name."""
        ...

    @property
    def company_domain(self) -> str | None:
        """Its domain, or the address of its website."""
        ...


def same_employer(contact: Employed, row: Employed) -> bool | None:
    """Whether the employers are the same; None where one of the two says nothing of it."""
    if contact.company_domain and (their_domain := row.company_domain):
        if contact.company_domain == their_domain:
            return True
        if len(their_domain) > _LONGEST_TEXT:
            return None  # a pattern over a megabyte of text would hold up the event loop
        ours, theirs = domain(contact.company_domain), domain(their_domain)
        # A subsidiary or a country may have a subdomain.
        return ours == theirs or ours.endswith(f".{theirs}") or theirs.endswith(f".{ours}")
    our_words, their_words = company_words(contact.company_name), company_words(row.company_name)
    return our_words == their_words if our_words and their_words else None


def company_words(name: str | None) -> Name:
    """Return the words of a company's name without its legal form, unless that is all."""
    found = frozenset(words(name))
    return found - _COMPANY_FORMS or found


@lru_cache(maxsize=4_096)
def domain(text: str) -> str:
    """Return the host in *text*, folded and without ``www.``."""
    found = _HOST.match(text.strip())
    return found[1].casefold() if found else text.casefold()


def input_of(contact: Contact) -> Input:
    """Return a contact's fields, as they are sent."""
    return _as_sent({name: getattr(contact, name) for name in API_FIELDS})


def input_in(row: EnrichmentRow) -> Input:
    """Return the contact that a row says it was made for, or nothing."""
    return _as_sent(given) if (given := row.input) else ()


def _as_sent(fields: Mapping[str, JSON]) -> Input:
    texts = ((name, fields.get(name)) for name in API_FIELDS)
    return tuple((name, text) for name, value in texts if isinstance(value, str) and (text := value.strip()))


def folded(given: Input) -> Input:
    """Return the fields, the same however they are written."""
    return tuple((name, _folded_field(name, value)) for name, value in given)


def _folded_field(name: str, value: str) -> str:
    if len(value) > _LONGEST_TEXT:
        return value
    if name == "linkedin_url" and (slug := linkedin_slug(value)):
        return slug
    return domain(value) if name == "company_domain" else " ".join(value.split()).casefold()
