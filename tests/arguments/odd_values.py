"""Values that somebody passes by mistake."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path

from cleanlist_async import Contact, RateLimits


class OwnError(Exception):
    """What an iterable of the caller's raises, and what the caller is to see."""


class Colour(enum.Enum):
    RED = "partial"


class Word(enum.StrEnum):
    FULL = "no such word"


class Index:
    """A whole number of another library's, as numpy has them."""

    def __index__(self) -> int:
        return 7


class Frame:
    """A DataFrame: iterating over it gives the names of its columns."""

    columns = ("first_name", "last_name")

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return 2

    def iterrows(self) -> Iterator[tuple[int, dict[str, str]]]:
        return iter([(0, dict.fromkeys(self.columns, "x"))])

    def to_dict(self, _orient: str) -> list[dict[str, str]]:
        return [dict.fromkeys(self.columns, "x")]

    def __eq__(self, other: object) -> bool:  # as pandas has it, cell by cell
        raise ValueError("the truth value of a frame is ambiguous")

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise ValueError("the truth value of a frame is ambiguous")


class RecordTable(list[dict[str, str]]):
    """A table without the methods of a DataFrame, which iterates over its rows, some of them."""

    columns = ("first_name", "last_name")

    def to_dict(self) -> dict[str, list[str]]:
        return {name: [] for name in self.columns}


class ArrowTable(list[dict[str, str]]):
    """A table that shows itself as an Arrow stream alone."""

    def __arrow_c_stream__(self, _requested_schema: object = None) -> object:
        raise NotImplementedError


class Series:
    """One column of a DataFrame."""

    def __iter__(self) -> Iterator[object]:
        return iter(["Ada", math.nan])

    def __len__(self) -> int:
        return 2

    def to_list(self) -> list[object]:
        return list(self)


class Silent:
    """An object that cannot even be shown."""

    def __repr__(self) -> str:
        raise OwnError

    __str__ = __repr__


class Done:
    """Something to await, which does not complain when nobody does."""

    def __await__(self) -> Iterator[None]:
        return iter(())


class Awaits:
    """An object that is called like a function, and must be awaited."""

    async def __call__(self, _value: object) -> None:
        return None


async def async_function(_value: object = None) -> None:
    return None


async def async_generator(_value: object = None):
    yield {}


def generator(_value: object = None) -> Iterator[object]:
    yield {}


def failing() -> Iterator[object]:
    yield {"first_name": "A", "last_name": "B", "company_domain": "c.example"}
    raise OwnError


ODD: dict[str, Callable[[], object]] = {
    "None": lambda: None,
    "True": lambda: True,
    "False": lambda: False,
    "0": lambda: 0,
    "-1": lambda: -1,
    "7": lambda: 7,
    "10**400": lambda: 10**400,
    "-10**5000": lambda: -(10**5000),
    "-0.5": lambda: -0.5,
    "2.5": lambda: 2.5,
    "nan": lambda: math.nan,
    "inf": lambda: math.inf,
    "-inf": lambda: -math.inf,
    "1e300": lambda: 1e300,
    "Decimal": lambda: Decimal(5),
    "Decimal nan": lambda: Decimal("nan"),
    "Fraction": lambda: Fraction(1, 2),
    "complex": lambda: 1j,
    "index": Index,
    "empty text": lambda: "",
    "blanks": lambda: " \t\n",
    "NUL": lambda: "a\0b",
    "lone surrogate": lambda: "a\ud800",
    "address with a lone surrogate": lambda: "https://\ud800.example/",
    "long text": lambda: "x" * 100_000,
    "text": lambda: "false",
    "number as text": lambda: "7",
    "path": lambda: "../..",
    "query": lambda: "a?b=c&d#e",
    "bytes": lambda: b"abc",
    "bytearray": lambda: bytearray(b"abc"),
    "memoryview": lambda: memoryview(b"abc"),
    "bytes that are no text": lambda: b"\xff\xfe",
    "list": list,
    "list of None": lambda: [None],
    "list of lists": lambda: [["a"]],
    "list of lone surrogates": lambda: ["\ud800"],
    "list of numbers": lambda: [1, math.nan],
    "tuple": lambda: ("a", "b"),
    "set": lambda: {"a", "b"},
    "set of contacts": lambda: {Contact(linkedin_url="in/a")},
    "dict": dict,
    "dict of text": lambda: {"a": "b"},
    "dict with odd keys": lambda: {1: 2, None: 3, ("a",): 4},
    "dict with lone surrogates": lambda: {"\ud800": "\ud800"},
    "dict of dicts": lambda: {"a": {"first_name": "Ada"}},
    "range": lambda: range(2),
    "iterator": lambda: iter(["a"]),
    "iterator that fails": failing,
    "generator": generator,
    "async generator": async_generator,
    "coroutine": async_function,
    "async function": lambda: async_function,
    "async function, partly applied": lambda: partial(async_function, 1),
    "async object": Awaits,
    "generator function": lambda: generator,
    "function": lambda: lambda *_: 1.0,
    "class": lambda: Contact,
    "class of a number": lambda: int,
    "class of an option": lambda: RateLimits,
    "object": object,
    "object that cannot be shown": Silent,
    "Enum": lambda: Colour.RED,
    "StrEnum": lambda: Word.FULL,
    "exception": lambda: ValueError("x"),
    "module": lambda: math,
    "not implemented": lambda: NotImplemented,
    "frame": Frame,
    "series": Series,
    "Contact": lambda: Contact(first_name="Ada", last_name="Lovelace", company_domain="a.example"),
    "invalid Contact": lambda: Contact(first_name=5, email=b"x"),  # type: ignore[arg-type]
    "pathlib": lambda: Path("/no such folder/file"),
    "folder": lambda: Path("/"),
}
"""By name, what makes one: an iterator can be read once only."""
