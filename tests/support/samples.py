"""A value of any type that is made of dataclasses, pydantic models and plain types."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from datetime import UTC, date, datetime
from enum import Enum
from importlib import import_module
from pathlib import Path

from pydantic import BaseModel

from cleanlist_async import RateLimits
from cleanlist_async.errors import CleanlistError, InsufficientCreditsError
from cleanlist_async.types import EnrichmentRow, Lead, RawResponse
from tests.support.public_surface import STABLE

PLAIN = {
    str: "UTC",  # a time zone, too
    int: 1,
    float: 0.5,
    bool: True,
    bytes: b"x",
    object: "x",
    type(None): None,
    datetime: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    date: date(2026, 1, 2),
    Path: Path("x"),
    typing.Any: {"a": [1, None, "ł"]},
}


def value_classes() -> dict[str, type]:
    """The public dataclasses and models, by name."""
    modules = [import_module(name) for name in STABLE if "sandbox" not in name and "testing" not in name]
    found = {
        name: member
        for module in modules
        for name in getattr(module, "__all__", dir(module))
        if isinstance(member := getattr(module, name), type)
    }
    return {
        name: kind
        for name, kind in found.items()
        if (dataclasses.is_dataclass(kind) or issubclass(kind, BaseModel))
        and kind not in {BaseModel, RawResponse}  # whose headers are httpx's own
    }


def sample(kind: object) -> object:
    """Make a value of *kind*."""
    if kind in PLAIN:
        return PLAIN[kind]
    if supertype := getattr(kind, "__supertype__", None):
        return sample(supertype)
    return _generic(kind) if typing.get_origin(kind) else _instance(kind)


def _generic(kind: object) -> object:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return arguments[0]
    if origin in {typing.Union, types.UnionType, typing.Annotated, typing.Final}:
        return sample(arguments[0])
    if origin is tuple:
        return tuple(sample(argument) for argument in arguments if argument is not ...)
    if origin in {list, collections.abc.Sequence}:
        return [sample(arguments[0])]
    return {sample(arguments[0]): sample(arguments[1])}


def _instance(kind: type) -> object:
    if kind is RateLimits:
        return RateLimits(org=1, key=1, endpoints={"public.submit_bulk": 1})
    if kind in {EnrichmentRow, Lead}:
        return kind({"task_id": "x", "email": "a@b.example", "odd": [1]})
    if issubclass(kind, Enum):
        return next(iter(kind))
    if issubclass(kind, CleanlistError):
        return InsufficientCreditsError("Too few", request_id="r", status=402, code="insufficient_credits")
    hints = typing.get_type_hints(kind)
    if issubclass(kind, BaseModel):
        return kind(**{name: sample(field.annotation) for name, field in kind.model_fields.items()})
    return kind(**{field.name: sample(hints[field.name]) for field in dataclasses.fields(kind) if field.init})
