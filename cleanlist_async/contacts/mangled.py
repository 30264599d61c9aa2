"""Text that an earlier program mangled: UTF-8 read in another encoding, as ``JosÃ©``, or ``Nguy?n``. Pure.

It is told, never corrected: only the owner of a list knows what a name should be.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_MISREAD_AS: Final = ("cp1252", "mac_roman", "cp850", "cp437", "cp1250", "cp1251")
_SEQUENCE: Final = re.compile("[^\x00-\x7f]{2}")
_LATIN: Final = re.compile(
    "[\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u017f\u0218-\u021b\u1e80-\u1ef9"
    "\xa0\xa1\xa9-\xab\xae\xb0\xb7\xba\xbb\xbf\u2010-\u2026\u2122]+"  # the signs of names too
)
_SCRIPTS: Final = tuple(
    re.compile(f"[{letters}]{{2,}}")
    for letters in (
        "\u0386-\u03ce",  # Greek
        "\u0401-\u045f\u0490\u0491",  # Cyrillic
        "\u05d0-\u05ea",  # Hebrew
        "\u0621-\u064a\u067e\u0686\u06a9\u06af\u06cc",  # Arabic
        "\u0531-\u0587",  # Armenian
        "\u0900-\u0dff",  # of India and Sri Lanka
        "\u0e01-\u0e4e",  # Thai
        "\u10d0-\u10ff",  # Georgian
        "\u3041-\u30fe\u4e00-\u9fff",  # Japanese, Chinese
        "\uac00-\ud7a3",  # Korean
    )
)
_ADDRESS: Final = re.compile(r"[/=@]|www\.", re.IGNORECASE)
# Before a capital letter it may be meant, as in "?What If!".
_LOST_WITHIN_WORD: Final = re.compile(r"[^\W\d_]\?+[^\W\d_]|(?:^|[\s-])\?+(?=[^\W\d_A-Z])[^\W\d_]")
_LOST_OF_PERSON: Final = re.compile(r"[^\W\d_]\?|\?[^\W\d_]")
_SIGNS: Final = frozenset(
    "\u2018\u2019\u201c\u201d\u2039\u203a\u2013\u2014\u2026\u2122\xab\xbb\xa9\xae\xaa\xba\xa0"
)
"""What may stand behind a capital letter in a text as it should be, as in ``CAFÉ™``."""


def unmangled(text: str) -> str | None:
    """Return what a text was before an earlier program misread it, or None."""
    if text.isascii() or _SEQUENCE.search(text) is None:  # nearly always: this runs for millions of cells
        return None
    for encoding in _MISREAD_AS:
        if (before := _before(text, encoding)) is not None:
            found = unmangled(before)  # it may have been mangled more than once
            if found is None and _is_plausible(before):
                found = before
            if found is not None:
                return found
    return None


def has_question_mark(text: str, *, is_person: bool) -> bool:
    """Whether a name has ``?`` in place of a letter that an encoding lacks.

    A company may be called with a question, so there only one within a word counts.
    """
    if "?" not in text or _ADDRESS.search(text) is not None:  # nearly always the first
        return False
    return (_LOST_OF_PERSON if is_person else _LOST_WITHIN_WORD).search(text) is not None


def _before(text: str, encoding: str) -> str | None:
    """Return the text whose UTF-8 reads as *text* in an encoding, if that is likely."""
    try:
        # Where Windows has no letter, a program keeps the byte.
        read = (letter.encode("latin-1" if "\x80" <= letter <= "\x9f" else encoding) for letter in text)
        before = b"".join(read).decode()
    except UnicodeError:
        return None
    return before if before != text and _has_evidence(text, before) else None


def _has_evidence(text: str, before: str) -> bool:
    """Whether a sequence of *text* is one that nobody writes."""
    at = 0
    for letter in before:
        end = at + len(letter.encode())
        if end - at > 2:
            return True
        if end - at == 2 and (text[at + 1] not in _SIGNS or _is_within_word(text, at)):
            return True
        at = end
    return False


def _is_within_word(text: str, at: int) -> bool:
    """Whether a capital with a sign behind it stands where none can, as in ``JosÃ©``."""
    ahead, rest = text[at - 1 : at] if at else "", text[at + 2 :]
    if ahead.islower() or (rest[:1].islower() and not re.match(r"s\b", rest)):
        return True
    return text[at] == "Ã" and not ahead.isalpha() and rest[:1].isalpha()  # no word is this letter alone


def _is_plausible(text: str) -> bool:
    """Whether each letter beyond ASCII is one of names; those of other scripts make words of their own."""
    foreign = "".join(letter for letter in text if not letter.isascii())
    composed = unicodedata.normalize("NFC", foreign)
    if _LATIN.fullmatch(composed):
        return True
    has_latin = any(letter.isascii() and letter.isalpha() for letter in text)
    return not has_latin and any(pattern.fullmatch(composed) for pattern in _SCRIPTS)
