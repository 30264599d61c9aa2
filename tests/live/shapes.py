"""What an answer looks like, without anything that it says. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final, cast

from cleanlist_async.types import JSON

_NAME: Final = re.compile(r"[A-Za-z_$][A-Za-z_]*\d{0,2}[A-Za-z_]*")
_WORD: Final = re.compile(r"[a-z]+(?:_[a-z]+)*")
_HEADER: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_LONGEST_NAME: Final = 40
_DEEPEST: Final = 8
_FORMS: Final = (
    ("uuid", re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")),
    ("id with uuid", re.compile(r"[a-z_-]+[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")),
    ("time with zone", re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)")),
    ("time without zone", re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+")),
    ("url", re.compile(r"https?://\S+")),
    ("path", re.compile(r"/\S*")),
    ("number", re.compile(r"-?\d+(?:\.\d+)?")),
)


def shape(value: JSON, depth: int = 0) -> JSON:
    """Return names and types of *value*: texts, numbers and odd names themselves are left out."""
    if isinstance(value, dict):
        if depth >= _DEEPEST:
            return "object"
        return {name_of(name): shape(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return _shape_of_list(value, depth)
    if isinstance(value, str):
        return _form_of(value)
    if value is None:
        return "null"
    return {bool: "boolean", int: "integer", float: "number"}[type(value)]


def name_of(name: str) -> str:
    """Return the name of a field; ``*`` for one that could be data."""
    return name if len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) else "*"


def word(value: object) -> str:
    """Return a word of the API, such as a status or a code; ``(other)`` for anything else."""
    text = value if isinstance(value, str) else ""
    return text if len(text) <= _LONGEST_NAME and _WORD.fullmatch(text) else "(other)"


def header_names(names: Iterable[str]) -> list[str]:
    """Return the names of headers, in order of the alphabet."""
    return sorted({name if _HEADER.fullmatch(name) else "*" for name in names})


def parsed(body: bytes) -> JSON:
    """Return what a body holds; None where it is no JSON."""
    try:
        return cast("JSON", json.loads(body))
    except (ValueError, RecursionError):
        return None


def member(value: JSON, *names: str) -> JSON:
    """Return what is to be found under *names*, one within the other; None where there is none."""
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def texts(value: JSON) -> list[str]:
    """Return the texts of a list; none if it is no list."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _shape_of_list(items: list[JSON], depth: int) -> JSON:
    if depth >= _DEEPEST:
        return "list"
    shapes: list[JSON] = []
    for item in items:
        if (one := shape(item, depth + 1)) not in shapes:
            shapes.append(one)
    return {"list of": shapes, "count": len(items)}


def _form_of(text: str) -> str:
    form = next((form for form, pattern in _FORMS if pattern.fullmatch(text)), None)
    return f"text ({form})" if form else "text"
