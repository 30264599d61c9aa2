"""The package as text: its modules, what they import, its classes and comments."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "cleanlist_async"
_PARTS = {"property", "cached_property", "overload"}


@dataclass(frozen=True)
class ClassSize:
    """How large a class is. `methods` leaves out dunders, overloads and properties."""

    name: str
    methods: int
    lines: int


class Module:
    """One file of the package, named as it is imported, less the package's own name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        self.name = ".".join(parts).removesuffix(".__init__")
        self.text = path.read_text(encoding="utf-8")

    @property
    def top(self) -> str:
        """The folder or flat module of the package that it belongs to."""
        return self.name.split(".")[0]

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def imports(self, known: set[str], *, for_types: bool = False) -> set[str]:
        """Return our modules that it imports at any depth; *for_types*: also for type checking only."""
        found: set[str] = set()
        for node in _statements(self.tree, for_types=for_types):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE.name:
                base = (node.module or "").removeprefix(PACKAGE.name).removeprefix(".")
                for alias in node.names:
                    inner = f"{base}.{alias.name}".removeprefix(".")
                    found.add(inner if inner in known else base or "__init__")
            elif isinstance(node, ast.Import):
                ours = (a.name for a in node.names if a.name.startswith(f"{PACKAGE.name}."))
                found |= {name.removeprefix(f"{PACKAGE.name}.") for name in ours}
        return found

    def classes(self) -> Iterator[ClassSize]:
        for node in _statements(self.tree, for_types=True):
            if isinstance(node, ast.ClassDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                yield ClassSize(f"{self.name}.{node.name}", sum(map(_is_method, node.body)), lines)

    def comments(self) -> Iterator[str]:
        """Yield the comments that say something to a reader, not to a tool."""
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT and not token.string.startswith(("# noqa", "# type:", "#!")):
                yield token.string


def modules() -> dict[str, Module]:
    """Return every module of the package by name."""
    found = (Module(path) for path in sorted(PACKAGE.rglob("*.py")))
    return {module.name: module for module in found}


FACADES = {"__init__", "events", "types", "testing"}
"""Modules that hand out names of others, loaded when they are asked for: they close no circle."""


def circles(tree: dict[str, Module]) -> list[list[str]]:
    """Return circles of files that import each other, also for type checking only, until none is left."""
    graph = {
        name: set() if name in FACADES else module.imports(set(tree), for_types=True) - {name}
        for name, module in tree.items()
    }
    found: list[list[str]] = []
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            found.append(error.args[1])
            later, earlier = error.args[1][:2]
            graph[earlier].discard(later)
        else:
            return found


def _statements(tree: ast.AST, *, for_types: bool) -> Iterator[ast.AST]:
    left = [tree]
    while left:
        node = left.pop()
        yield node
        if not for_types and isinstance(node, ast.If) and _is_for_types(node.test):
            continue
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            left += getattr(node, block, ())


def _is_for_types(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def _is_method(node: ast.stmt) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    decorators = {ast.unparse(one).split(".")[-1] for one in node.decorator_list}
    return not node.name.startswith("__") and not decorators & _PARTS and "setter" not in decorators
