"""Texts of contacts: what is sent of a value, and the one form for all its spellings. Pure.

Frames, databases and files write a missing value as None, NaN, NA or NaT, and ids and codes as numbers.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from numbers import Integral, Real
from typing import Final, SupportsInt, cast
from urllib.parse import unquote
from uuid import UUID

_NA: Final = frozenset({"NAType", "NaTType"})
"""Missing values of pandas; one of them refuses to be compared with itself."""
_TIMES: Final = frozenset({"datetime64", "timedelta64"})
"""Types of numpy that have a missing value."""
_MOST_BITS: Final = 1_024
"""Of a number that can be an id. Python refuses to print much longer ones."""

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
_AROUND_ADDRESS: Final = "<>()\"',;. "
"""Signs that are left around an address by its text."""
_BEFORE_DOMAIN: Final = re.compile(r"^(?:[a-z][a-z0-9+.-]{0,20}:)?/{0,2}(?:www\.)?")
_HOST: Final = re.compile(r"(?:[a-z][a-z0-9+.-]{0,20}:)?/{0,9}([a-z0-9.-]+)", re.IGNORECASE)


def _listed(words: str) -> frozenset[str]:
    return frozenset(word.strip() for word in words.split(","))


_PLACEHOLDERS: Final = _listed(r"""
    n/a, n / a, n/ a, n /a, n.a, n.a., n. a., n\a, na, nan, nat, nil, none, null, \n, undefined, unknown,
    false, object object, loading...,
    not available, not provided, not applicable, not specified, not set, not found, not known, no data,
    no value, no entry, nothing, no company, no email, no e-mail, no linkedin, no website, no domain,
    0, 00, 0.0, 0.00,
    tbd, tba, tbc, to be determined,
    #n/a, #n/d, #nv, #nd, #n/disp, #н/д, #yok, #i/t, #n/b, #h/n, #hiányzik, #není_k_dispozici, #nedostupný,
    #getting_data, #ref, #value,
    k.a, k.a., k. a., keine angabe, keine angaben, nicht verfügbar, nicht bekannt, unbekannt, n/v, n.v, n.v.,
    non renseigné, non communiqué, non disponible, inconnu, n.c, n.c., n/c, n.d, n.d., n/d, s/d, s.d.,
    sin datos, no aplica,
    no disponible, desconocido, non disponibile, sconosciuto, não informado, não disponível, desconhecido,
    n.v.t, nvt, niet beschikbaar, onbekend, saknas, okänd, mangler, ukendt, brak danych, nie dotyczy,
    nieznany, neuvedeno, neznámé, н/д, нет данных, не указано, неизвестно, なし, 不明, 未設定, 該当なし,
    无, 無, 暂无, 未知, 不详, 未填写, 없음, 알 수 없음, غير متوفر, غير معروف, لا يوجد
""")
"""As they are compared: in lower case, without the punctuation around them."""
_IN_BRACKETS: Final = _listed("""
    blank, empty, leer, vide, vacío, vacías, vazio, vuoto, leeg, tom, puste, пусто, 空白
""")
"""Placeholders of pivot tables and pick lists, which without brackets are words."""
_LONGEST: Final = 2 + max(map(len, _PLACEHOLDERS))
_NAMES: Final = frozenset({"Na", "Nan", "Nat", "Nil", "Null", "Tba", "False"})
"""Placeholders that are names of people where they are written as such."""
_ERROR: Final = re.compile(r"#[^\s#]{1,24}[!?]|#n/a .*")
"""An error of a spreadsheet in any language: ``#REF!``, ``#¡VALOR!``."""
_AROUND: Final = " \t-\u2013\u2014_*.\u2026()[]{}<>\"'`|~:;,!?=+"
_OPENING: Final = frozenset("([{<-\u2013\u2014_*")
_LOST: Final = "\ufffd"
_NAME_FIELDS: Final = frozenset({"first_name", "last_name"})


def cleaned(text: str) -> str:
    """Return *text* as it is sent: composed, stripped, without invisible characters."""
    if text.isascii() and text.isprintable():  # nearly always: this runs for each cell of millions
        return text.strip()
    # Stripped last: an invisible character at the end would protect the space before it.
    return unicodedata.normalize("NFC", visible(text)).strip()


def is_placeholder(field: str, text: str) -> bool:
    """Whether the cleaned *text* of a field stands for no value, as ``N/A``, ``nan`` and ``#REF!`` do.

    So does a text with a lost letter: whoever is looked for by it is not found.
    """
    if len(text) > _LONGEST:
        return _LOST in text
    known = text.casefold()
    if known in _PLACEHOLDERS:
        return not (field in _NAME_FIELDS and text in _NAMES)
    is_word = text[:1].isalnum()
    if is_word and text.isascii():  # nearly always: this runs for each cell of millions
        return known.startswith("err:") and known[4:].isdigit()
    if not text or (is_word and unicodedata.is_normalized("NFKC", text)):  # wide letters are not
        return _LOST in text
    known = unicodedata.normalize("NFKC", known)
    if _LOST in text or _ERROR.fullmatch(known) is not None or all(map(_is_punctuation, text)):
        return True
    inner = known.strip(_AROUND)
    return inner in _PLACEHOLDERS or (known[:1] in _OPENING and inner in _IN_BRACKETS)


def has_lost_letter(text: str) -> bool:
    """Whether an earlier program wrote U+FFFD in place of a letter."""
    return _LOST in text


def _is_punctuation(sign: str) -> bool:
    category = unicodedata.category(sign)
    return category[0] in "PZ" or category in {"Sm", "Sc", "Sk"}  # an emoji may be a name


def is_absent(value: object) -> bool:
    """Whether a value stands for none: None, NaN, NA, NaT or blank text."""
    if value is None:
        return True
    if isinstance(value, str):
        return not value or value.isspace()
    if isinstance(value, Decimal):
        return value.is_nan()
    if type(value).__name__ in _NA:
        return True
    # Nothing else is compared, for an array would give an array.
    is_comparable = isinstance(value, Real) or type(value).__name__ in _TIMES
    return is_comparable and bool(value != value)  # noqa: PLR0124 - NaN is not itself


def as_text(value: object) -> str | None:
    """Return a text as it is, a whole number in digits, a UUID; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, Integral):
        whole = int(value)
        return str(whole) if whole.bit_length() <= _MOST_BITS else None
    if isinstance(value, UUID):
        return str(value)
    # 4711.0 is how a column of whole numbers with a gap is read.
    if isinstance(value, Decimal | Real) and (number := _whole(value)) is not None:
        return as_text(number)
    return None


def _whole(value: Decimal | Real) -> int | None:
    try:
        number = int(cast("SupportsInt", value))
    except (ValueError, OverflowError):  # NaN, infinity
        return None
    return number if value == cast("object", number) else None


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
    address = visible(url).strip(_AROUND_ADDRESS)
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
    address = url.strip(_AROUND_ADDRESS)
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
