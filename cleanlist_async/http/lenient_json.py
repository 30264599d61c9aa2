"""Reads what is not quite JSON: an odd value loses itself, a torn row itself, never its neighbours. Pure.

Half a surrogate pair, a bare NaN, a number of 5,000 digits, a raw control character, a byte of Latin-1,
endless nesting, what a gateway adds below the answer: none may keep the results of 249 other rows.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final, cast

from cleanlist_async.types import JSON

_LONGEST_NUMBER: Final = 100
_DEEPEST: Final = 100
_MOST_ENDS: Final = 10
"""Places at which the last row of a list may end that are tried."""
_LOST: Final = "\ufffd"
_SPACE: Final = re.compile(r"[\s\0\x1a\ufeff]*")
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_WORD: Final = re.compile(r'[^\s,:\[\]{}"]+')
_BRACKETS: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[{]+|[\]}]+', re.DOTALL)
_ESCAPE: Final = re.compile(r'\\(u[0-9A-Fa-f]{4}|["\\/bfnrt]|)')
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ESCAPED_BYTE: Final = re.compile("[\udc80-\udcff]")
_FIRST_KEY: Final = re.compile(r'\{\s*("(?:[^"\\]|\\.){0,200}+")\s*:', re.DOTALL)
_COMMENT: Final = re.compile(r"<!--|<script\b", re.IGNORECASE)
"""What gateways add below an answer that they take for a page."""
_START: Final = re.compile(r"(?:\A|[^\s:,\[])\s*+(\{)")
"""Of an object that is no part of another value."""
_MOST_STARTS: Final = 20
_END_OF_LIST: Final = re.compile(r"\}\s*(?=\])")


@dataclass(frozen=True, slots=True)
class LenientJSON:
    """What could be read, and how many rows of a list could not."""

    value: JSON
    lost_rows: int


def read_leniently(body: bytes, *, by_rows: bool = True) -> LenientJSON:
    """Read *body*. Raises ValueError if it is no JSON object or list, or does not end as one.

    *by_rows*: also what only a reader of rows can make sense of, which may take a second.
    """
    text = _text(body)
    start = _skip_space(text, 0)
    if text[start : start + 1] not in {"{", "["}:
        raise ValueError("not a JSON object or list")
    try:
        return LenientJSON(_cleaned(_decoded(text, start)), 0)
    except (ValueError, RecursionError) as problem:
        if not by_rows:
            raise ValueError("not JSON") from problem
        return _read_by_rows(text, start)


def whole_objects(body: bytes) -> Iterator[JSON]:
    """Yield the JSON objects that stand whole in a text, one after the other or with words around them.

    None that is part of another value: of a torn answer a row may look like one.
    """
    text, end = _text(body), 0
    for found in islice(_START.finditer(text), _MOST_STARTS):
        if found.start(1) < end:
            continue
        with suppress(ValueError, RecursionError):
            value, end = _DECODER.raw_decode(text, found.start(1))
            yield _cleaned(value)


def _text(body: bytes) -> str:
    """Decode *body*; a byte that is not UTF-8 is taken for one of Windows-1252."""
    encoding = json.detect_encoding(body)
    if not encoding.startswith("utf-8"):
        return body.decode(encoding, "replace")
    text = body.decode("utf-8-sig", "surrogateescape")
    return _ESCAPED_BYTE.sub(lambda one: bytes([ord(one[0]) - 0xDC00]).decode("cp1252", "replace"), text)


def _decoded(text: str, start: int) -> JSON:
    value, end = _DECODER.raw_decode(text, start)
    end = _skip_space(text, end)
    if end < len(text) and not _COMMENT.match(text, end):
        raise ValueError("more than one value")
    return cast("JSON", value)


def _read_by_rows(text: str, start: int) -> LenientJSON:
    reader = _Reader(text)
    try:
        return reader.read(start)
    except _LastRowError as broken:
        # Nothing shows where the last row of a list ends: the rest must make sense without it.
        before = text[: broken.start].rstrip().removesuffix(",")
        ends = [found.end() for found in _END_OF_LIST.finditer(text, broken.start)]
        for end in ends[:_MOST_ENDS]:
            try:
                rest = _Reader(before + text[end:]).read(start)
            except ValueError:
                continue
            return LenientJSON(rest.value, rest.lost_rows + 1)
        raise


class _LastRowError(ValueError):
    def __init__(self, start: int) -> None:
        super().__init__("a row that cannot be read")
        self.start = start


class _Reader:
    """Reads objects and lists by hand, the rows of a list one by one."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lost_rows = 0

    def read(self, start: int) -> LenientJSON:
        self._at = start
        value = self._value(0)
        if _skip_space(self._text, self._at) < len(self._text):
            raise ValueError("more than one value")
        return LenientJSON(_cleaned(value), self._lost_rows)

    def _peek(self) -> str:
        self._at = _skip_space(self._text, self._at)
        return self._text[self._at : self._at + 1]

    def _take(self, sign: str) -> bool:
        if self._peek() != sign:
            return False
        self._at += 1
        return True

    def _taken(self, found: re.Match[str] | None) -> str:
        if found is None:
            raise ValueError("not JSON")
        self._at = found.end()
        return found[0]

    def _value(self, depth: int) -> JSON:
        match self._peek():
            case '"':
                return self._string()
            case "{" | "[" if depth >= _DEEPEST:
                self._skip()
                return None
            case "{":
                return self._object(depth)
            case "[":
                return self._list(depth)
            case _:
                return _literal(self._taken(_WORD.match(self._text, self._at)))

    def _string(self) -> str:
        quoted = self._taken(_STRING.match(self._text, self._at))
        # A backslash before anything else than an escape stands for itself.
        return cast("str", _DECODER.decode(_ESCAPE.sub(lambda one: one[0] if one[1] else r"\\", quoted)))

    def _object(self, depth: int) -> JSON:
        found: dict[str, JSON] = {}
        self._take("{")
        while not self._take("}"):
            self._peek()
            name = self._string()
            if not self._take(":"):
                raise ValueError("a name without a value")
            found[name] = self._value(depth + 1)
            if not self._take(",") and self._peek() != "}":
                raise ValueError("no comma")
        return found

    def _list(self, depth: int) -> JSON:
        items: list[JSON] = []
        self._take("[")
        while not self._take("]"):
            if self._peek() == "{":
                items += self._row(depth + 1)
            else:
                items.append(self._value(depth + 1))
            if not self._take(",") and self._peek() != "]":
                raise ValueError("no comma")
        return items

    def _row(self, depth: int) -> list[JSON]:
        """Return the object that begins here, or nothing; then go to its end."""
        start = self._at
        try:
            # By the decoder in C, which is many times faster; by hand only what it refuses.
            value, self._at = _DECODER.raw_decode(self._text, start)
        except (ValueError, RecursionError):
            pass
        else:
            return [value]
        try:
            return [self._value(depth)]
        except _LastRowError:
            raise
        except ValueError:
            self._go_to_next_row(start)
            return []

    def _go_to_next_row(self, start: int) -> None:
        # Rows of one list come from one program, and so begin with the same field.
        first = _FIRST_KEY.match(self._text, start)
        if first is None:
            raise _LastRowError(start)
        following = re.compile(r"\}\s*(?=,\s*\{\s*" + re.escape(first[1]) + r"\s*:)")
        found = following.search(self._text, start)
        if found is None:
            raise _LastRowError(start)
        self._at = found.end()
        self._lost_rows += 1

    def _skip(self) -> None:
        depth = 0
        for found in _BRACKETS.finditer(self._text, self._at):
            if (sign := found[0][0]) != '"':
                depth += len(found[0]) if sign in "[{" else -len(found[0])
                if depth <= 0:
                    self._at = found.end() + depth  # a run may close what is around it, too
                    return
        raise ValueError("it is not closed")


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _literal(word: str) -> JSON:
    try:
        return cast("JSON", _DECODER.decode(word))
    except ValueError:
        return None


def _whole(digits: str) -> int | None:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else None


def _fraction(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


_DECODER: Final = json.JSONDecoder(
    strict=False, parse_int=_whole, parse_float=_fraction, parse_constant=lambda _word: None
)


def _cleaned(value: JSON, depth: int = 0) -> JSON:
    """Return *value* without halves of surrogate pairs, and without what is nested too deep."""
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub(_LOST, value)
    if not isinstance(value, dict | list):
        return value
    if depth >= _DEEPEST:
        return None
    if isinstance(value, list):
        return [_cleaned(item, depth + 1) for item in value]
    return {cast("str", _cleaned(name)): _cleaned(item, depth + 1) for name, item in value.items()}
