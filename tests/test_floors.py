"""Imports run down the floors only, and in no circle within one."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

from tests.support.cases import each_case

PACKAGE = Path(__file__).parents[1] / "cleanlist_async"

FLOORS = (
    {"errors", "ids", "models", "contacts", "facts", "redact"},
    {
        "checks",
        "retry",
        "window",
        "decode",
        "field_errors",
        "chunking",
        "identity",
        "budget",
        "credentials",
        "patience",
        "requests",
        "headers",
        "csv_parts",
        "permissions",
        "shared_file",
        "shared_redis",
    },
    {"ratelimit", "transport", "root_task", "events", "mailbox"},
    {
        "calls",
        "verdict",
        "call_events",
        "statistics",
        "pipeline",
        "resources",
        "polling",
        "push",
        "pagination",
        "quotes",
    },
    {"bulk", "batcher", "job", "webhooks"},
    {"client"},
    {"__init__", "__main__", "cli", "sandbox", "testing", "integrations"},
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def room_of(module: str) -> str:
    return module.split(".")[0]


def imports_of(path: Path, known: set[str]) -> set[str]:
    """Modules of ours that a file imports, at any depth, except for type checking only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "cleanlist_async":
            base = (node.module or "").removeprefix("cleanlist_async").removeprefix(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".removeprefix(".")
                found.add(inner if inner in known else base or "__init__")
        elif isinstance(node, ast.Import):
            found |= {
                alias.name.removeprefix("cleanlist_async.")
                for alias in node.names
                if alias.name.startswith("cleanlist_async.")
            }
    return found


ALL = modules()


@cache
def imports() -> dict[str, set[str]]:
    return {module: imports_of(path, set(ALL)) for module, path in ALL.items()}


def test_every_room_has_a_floor() -> None:
    assert {room_of(module) for module in ALL} - set(FLOOR_OF) == set()


@each_case("module", sorted(ALL))
def test_imports_run_down_only(module: str) -> None:
    own = FLOOR_OF[room_of(module)]
    upwards = {other for other in imports()[module] if FLOOR_OF[room_of(other)] > own}
    assert upwards == set()


def test_imports_have_no_circle() -> None:
    TopologicalSorter({module: found - {module} for module, found in imports().items()}).prepare()


def test_only_the_transport_imports_httpx() -> None:
    users = {
        room_of(module)
        for module, path in ALL.items()
        if FLOOR_OF[room_of(module)] < FLOOR_OF["__init__"]
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith(("import httpx", "from httpx"))
    }
    assert users == {"transport"}


def test_the_sandbox_shares_no_code_with_what_it_judges() -> None:
    own = {"checks", "contacts", "errors", "facts", "sandbox"}  # checks of arguments judge no client
    foreign = {
        (module, other)
        for module in ALL
        if room_of(module) == "sandbox"
        for other in imports()[module]
        if room_of(other) not in own
    }
    assert foreign == set()
