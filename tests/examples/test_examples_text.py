"""The examples as texts: shorter than the official client's, complete, and all in the README."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from tests.support.cases import each_case

pytestmark = pytest.mark.smoke

EXAMPLES = Path(__file__).parents[2] / "examples"
PAID = re.compile(r"client\.(enrichment\.enrich_|smart_agents\.run_|enrich\(|stream\()")
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py"))

THEIRS = {
    "01_quickstart": 17,
    "02_enrich_person": 27,
    "03_bulk_enrich_with_quote": 34,
    "04_lead_lists_crud": 28,
    "05_smart_agent": 43,
    "06_export": 23,
    "07_async_quickstart": 16,
    "08_error_handling": 24,
}
"""Lines of code of each example of cleanlist-python-client 2.0.0, without blank lines, comments and
docstrings, and without the 12 lines of ``_common.py`` that each of them needs as well."""


def lines_of_code(text: str) -> int:
    tree = ast.parse(text)
    documented = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    scopes = (node for node in ast.walk(tree) if isinstance(node, documented))
    docs = [scope.body[0] for scope in scopes if ast.get_docstring(scope) is not None]
    in_docs = {number for doc in docs for number in range(doc.lineno, (doc.end_lineno or 0) + 1)}
    return sum(
        number not in in_docs and bool(line.strip()) and not line.lstrip().startswith("#")
        for number, line in enumerate(text.splitlines(), start=1)
    )


def test_there_are_the_ten_tasks():
    assert [Path(name).stem for name in SCRIPTS] == [*THEIRS, "09_search_and_enrich", "10_bulk_csv"]


@each_case("name", THEIRS)
def test_an_example_is_shorter_than_the_official_client_s(name):
    assert lines_of_code((EXAMPLES / f"{name}.py").read_text()) < THEIRS[name]


@each_case("name", SCRIPTS)
def test_an_example_says_how_it_is_run_and_what_it_spends(name):
    text = (EXAMPLES / name).read_text()
    title, _, usage, *_ = (ast.get_docstring(ast.parse(text)) or "").split("\n")
    assert usage.startswith(f"Usage: python examples/{name}")
    assert PAID.search(text) if "Spends" in title else title.endswith("Free.") and not PAID.search(text)
    assert ("MAX_CREDITS" in title) == ("MAX_CREDITS" in usage) == ("max_credits=max_credits" in text)


@each_case("name", SCRIPTS)
def test_an_example_needs_nothing_but_the_package(name):
    imported = re.findall(r"^(?:from|import) (\w+)", (EXAMPLES / name).read_text(), re.MULTILINE)
    assert set(imported) <= sys.stdlib_module_names | {"cleanlist_async"}


def test_the_readme_lists_every_example():
    readme = (EXAMPLES / "README.md").read_text()
    assert re.findall(r"^\| \[`(\d\d_\w+\.py)`\]\(\1\) \|", readme, re.MULTILINE) == SCRIPTS
