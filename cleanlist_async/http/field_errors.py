"""Reading the list of invalid fields that comes with a validation error. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice, pairwise
from typing import Final, NamedTuple

from cleanlist_async import facts
from cleanlist_async.errors import FieldError
from cleanlist_async.redact import one_line
from cleanlist_async.types import JSON

_DEEPEST: Final = 20
"""Steps of a path that are read."""


class FieldErrors(NamedTuple):
    """The first 1,000 errors of a list, and how many more it had."""

    errors: tuple[FieldError, ...] = ()
    more: int = 0


def read_field_errors(content: JSON, said: Mapping[str, JSON]) -> FieldErrors:
    """Read FastAPI's list of invalid fields, or the same list where the ``error`` envelope carries it."""
    if not isinstance(content, dict):
        return FieldErrors()
    details = said.get("details")
    candidates = [content.get("detail"), details, said.get("errors"), *_values(details)]
    for candidate in candidates:
        if isinstance(candidate, list):
            items = [item for item in candidate if isinstance(item, dict)]
            if items:
                read = tuple(_field_error(item) for item in islice(items, facts.MAX_FIELD_ERRORS))
                return FieldErrors(read, len(items) - len(read))
    return FieldErrors()


def _values(details: JSON) -> list[JSON]:
    return list(details.values()) if isinstance(details, dict) else []


def _field_error(item: dict[str, JSON]) -> FieldError:
    raw_loc = item.get("loc")
    parts = raw_loc if isinstance(raw_loc, list) else []
    steps = (part for part in parts if isinstance(part, str | int) and not isinstance(part, bool))
    loc = tuple(islice(steps, _DEEPEST))
    return FieldError(
        loc, _text(item.get("msg")) or "invalid", _text(item.get("type")) or "value_error", _contact(loc)
    )


def _contact(loc: tuple[str | int, ...]) -> int | None:
    for name, index in pairwise(loc):
        if name == "contacts" and isinstance(index, int) and index >= 0:
            return index
    return None


def _text(value: JSON) -> str | None:
    return one_line(value) or None if isinstance(value, str) else None
