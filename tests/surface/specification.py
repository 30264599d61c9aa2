"""The published specification of the modern operations, and samples of the answers that it describes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.surface.groups import OPERATIONS

SPECIFICATION: dict[str, Any] = json.loads(Path(__file__).with_name("surface-v2.json").read_text("utf-8"))
MODELS: dict[str, Any] = SPECIFICATION["models"]
SPECIFIED: dict[str, Any] = {operation["name"]: operation for operation in SPECIFICATION["operations"]}
OURS = {operation.name: operation for group in OPERATIONS.values() for operation in group}

TIMES = {
    "created_at": "2026-05-12 09:31:44",
    "last_used_at": "2026-05-12 09:31:44",
    "EstimateCostResponse.expires_at": 1751405100,
    "ExportCsvResponse.expires_at": "2026-05-13T09:31:44Z",
}
"""Fields that hold times, in the three formats of the API."""


class Field(NamedTuple):
    """One field of an answer: where it is, and what is specified."""

    path: tuple[str | int, ...]
    rule: dict[str, Any]

    @property
    def name(self) -> str:
        return ".".join(str(part) for part in self.path)

    @property
    def words(self) -> bool:
        """Whether the specification names the words it may hold."""
        return any(name in self.rule for name in ("enum", "values", "const"))


def sample(model: str) -> dict[str, Any]:
    """An answer with every field that is specified."""
    return {
        name: TIMES.get(name) or TIMES.get(f"{model}.{name}") or _value(rule["type"], name)
        for name, rule in MODELS[model]["fields"].items()
    }


def _value(kind: Any, name: str) -> Any:
    if isinstance(kind, str):
        plain = {"string": f"some {name}", "integer": 7, "number": 7, "boolean": True, "any": [{"x": None}]}
        return plain.get(kind, {"free": {"form": 1}})
    if "ref" in kind:
        return sample(kind["ref"])
    if "array_of" in kind:
        return [_value(kind["array_of"], name)]
    return {"some key": _value(kind["map_of"], name)}


def fields(model: str, at: tuple[str | int, ...] = ()) -> Iterator[Field]:
    """Every field of an answer, nested ones too."""
    for name, rule in MODELS[model]["fields"].items():
        yield Field((*at, name), rule)
        kind, path = rule["type"], (*at, name)
        if isinstance(kind, dict) and isinstance(item := kind.get("array_of"), dict):
            kind, path = item, (*path, 0)
        if isinstance(kind, dict) and "ref" in kind:
            yield from fields(kind["ref"], path)


def objects(model: str) -> list[tuple[str | int, ...]]:
    """The paths of an answer and of every object of a specified form in it."""
    return list(dict.fromkeys(field.path[:-1] for field in fields(model)))


def look(answer: Any, path: tuple[str | int, ...]) -> Any:
    """Follow a path through models, mappings and lists."""
    for part in path:
        answer = answer[part] if isinstance(part, int) or isinstance(answer, dict) else getattr(answer, part)
    return answer
