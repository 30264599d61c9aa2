"""Makes the documentation's table of operations from the specification: method, and test that calls it.

``python -m tests.surface.operations_table --write`` brings the page up to date.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.surface.groups import OPERATIONS
from tests.surface.specification import SPECIFIED

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guides" / "lists.md"
BEGIN, END = "<!-- operations -->", "<!-- /operations -->"
PREFIX = "/api/v2"


def methods() -> dict[str, str]:
    """The method of each of our operations, as one writes it after ``client.``."""
    return {
        operation.name: f"{group}.{operation.name}"
        for group, operations in OPERATIONS.items()
        for operation in operations
    }


@cache
def tests() -> dict[str, str]:
    """The first test of each operation: one marked ``@pytest.mark.operation("name")``."""
    found: dict[str, str] = {}
    for path in sorted(Path(__file__).parents[1].rglob("test_*.py")):
        text = path.read_text("utf-8")
        if "mark.operation(" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for name in _marked(node):
                    found.setdefault(name, f"{path.name}::{node.name}")
    return found


def _marked(test: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in test.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.operation":
            yield from (ast.literal_eval(name) for name in decorator.args)


def table() -> str:
    """The table. Raises KeyError for an operation without a method or a test."""
    ours, tested = methods(), tests()
    rows = [
        f"| `{operation['method']} {operation['path'].removeprefix(PREFIX)}` "
        f"| `{ours[name]}` | `{tested[name]}` |"
        for name, operation in SPECIFIED.items()
    ]
    rows.append(f"| `POST /search/people` | `search.people` | `{tested['people']}` |")
    rows.append(f"| `POST /search/companies` | `search.companies` | `{tested['companies']}` |")
    return "\n".join(["| operation | `client.` | test |", "|---|---|---|", *rows])


def with_table(text: str) -> str:
    """Return the PAGE's text with the table in its place."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
    else:
        sys.stdout.write(table() + "\n")
