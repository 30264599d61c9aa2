"""Reading the list of invalid fields that comes with a validation error. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from cleanlist_async.errors import JSON, FieldError
from cleanlist_async.redact import one_line


def read_field_errors(content: JSON, said: Mapping[str, JSON]) -> tuple[FieldError, ...]:
    """Read FastAPI's list of invalid fields, or the same list where the ``error`` envelope carries it."""
    if not isinstance(content, dict):
        return ()
    details = said.get("details")
    candidates = [content.get("detail"), details, said.get("errors"), *_values(details)]
    for candidate in candidates:
        if isinstance(candidate, list):
            found = tuple(_field_error(item) for item in candidate if isinstance(item, dict))
            if found:
                return found
    return ()


def _values(details: JSON) -> list[JSON]:
    return list(details.values()) if isinstance(details, dict) else []


def _field_error(item: dict[str, JSON]) -> FieldError:
    raw_loc = item.get("loc")
    parts = raw_loc if isinstance(raw_loc, list) else []
    loc = tuple(part for part in parts if isinstance(part, str | int) and not isinstance(part, bool))
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
