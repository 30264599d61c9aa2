"""What a value says in a field, and what is sent of it: text without invisible characters, or nothing. Pure.

Frames, databases and files write a missing value as None, NaN, NA or NaT, and ids and codes as numbers.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from numbers import Integral, Real
from typing import Final, SupportsInt, cast
from uuid import UUID

from cleanlist_async.contacts.canonical import visible

_NA: Final = frozenset({"NAType", "NaTType"})
"""Missing values of pandas; one of them refuses to be compared with itself."""
_TIMES: Final = frozenset({"datetime64", "timedelta64"})
"""Types of numpy that have a missing value."""
_MOST_BITS: Final = 1_024
"""Of a number that can be an id. Python refuses to print much longer ones."""


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
    text = visible(text)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.strip()  # last: an invisible character at the end would protect the space before it


def is_placeholder(field: str, text: str) -> bool:
    """Whether the cleaned *text* of a field stands for no value, as ``N/A``, ``nan`` and ``#REF!`` do.

    So does a text with a lost letter: whoever is looked for by it is not found.
    """
    if _LOST in text:
        return True
    if not text or len(text) > _LONGEST:
        return False
    known = text.casefold()
    if known in _PLACEHOLDERS:
        return not (field in _NAME_FIELDS and text in _NAMES)
    # Nearly always: this runs for each cell of millions. Wide letters are other ones in NFKC.
    if text[0].isalnum() and (text.isascii() or unicodedata.is_normalized("NFKC", text)):
        return known.startswith("err:") and known[4:].isdigit()
    known = unicodedata.normalize("NFKC", known)
    if _ERROR.fullmatch(known) is not None or all(map(_is_punctuation, text)):
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
