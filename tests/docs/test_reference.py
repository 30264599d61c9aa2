"""Every public name is on a page of the reference, so that what a page mentions can be looked up."""

from __future__ import annotations

import ast
import inspect
import re
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path

from tests.support.public_surface import PACKAGE, STABLE, importable, public_names
from tests.support.source_tree import modules
from tests.test_documented_fields import fields_of

PAGES = Path(__file__).parents[2] / "docs" / "reference"
TEXT = "\n".join(page.read_text("utf-8") for page in PAGES.glob("*.md"))
SHOWN = Counter(re.findall(r"^::: (\S+)$", TEXT, re.MULTILINE))
WITH_INHERITED = set(
    re.findall(r"^::: (\S+)\n    options:\n      inherited_members: true$", TEXT, re.MULTILINE)
)


def test_every_public_name_is_on_a_page() -> None:
    by_itself = {name.rpartition(".")[2] for name in SHOWN}
    modules = [import_module(name) for name in STABLE]
    # What stands on the page of its own module needs no place of its own where it is exported once more.
    in_module = {name for module in modules if module.__name__ in SHOWN for name in public_names(module)}
    names = {name for module in modules for name in public_names(module)}
    missing = names - by_itself - in_module
    assert not missing, "add a line ::: cleanlist_async.NAME to a page in docs/reference"


def test_no_name_is_on_two_pages() -> None:
    assert [name for name, times in SHOWN.items() if times > 1] == []


def public_classes() -> set[type]:
    found = {value for values in importable().values() for value in values if inspect.isclass(value)}
    return {kind for kind in found if kind.__module__.startswith(PACKAGE)}


def test_every_field_of_a_public_class_is_on_a_page() -> None:
    """Also those of a base that is not public itself. What they mean: tests/test_documented_fields.py."""
    whole = {name.rpartition(".")[2] for name in WITH_INHERITED}
    shown = public_classes() | {
        getattr(import_module(module), name)
        for module, _, name in (path.rpartition(".") for path in SHOWN if path.startswith(f"{PACKAGE}."))
    }
    missing = {
        f"{kind.__name__}.{name}"
        for kind in public_classes()
        if kind.__name__ not in whole
        for base in kind.__mro__
        if base.__module__.startswith(PACKAGE) and base not in shown
        for name in fields_of(base)
    }
    assert sorted(missing) == []


def described() -> Iterator[str]:
    """Yield the module-level names of the package that a docstring follows."""
    for module in modules().values():
        for assigned, text in pairwise(ast.parse(module.text).body):
            is_text = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
            if is_text and isinstance(assigned, ast.AnnAssign) and isinstance(assigned.target, ast.Name):
                yield assigned.target.id


def test_every_alias_of_a_module_that_is_shown_whole_has_a_docstring() -> None:
    """Without one, the page of the module leaves it out."""
    names = {
        name
        for module in map(import_module, STABLE)
        if module.__name__ in SHOWN and hasattr(module, "__all__")
        for name in public_names(module)
        if not inspect.isclass(getattr(module, name)) and not inspect.isfunction(getattr(module, name))
    }
    assert sorted(names - set(described())) == []
