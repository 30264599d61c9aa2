"""Every specified operation has a method here and a test that calls it, and the documentation says which."""

import ast
import inspect
from functools import cache

from cleanlist_async.api.operations import Operations
from tests.support.cases import each_case
from tests.surface import operations_table
from tests.surface.specification import OURS, SPECIFIED

PROVISIONAL = {"people", "companies"}


class Groups(Operations):
    def _session(self):
        return None


def method_of(name):
    group, method = operations_table.methods()[name].split(".")
    return getattr(type(getattr(Groups(), group)), method)


@cache
def tree_of(file):
    (path,) = (operations_table.ROOT / "tests").rglob(file)
    return ast.parse(path.read_text("utf-8"))


def test_there_are_24_operations_and_no_others_here():
    assert len(SPECIFIED) == 24
    assert set(OURS) == set(SPECIFIED) | PROVISIONAL


@each_case("name", SPECIFIED)
def test_each_is_where_it_is_specified(name):
    operation, specified = OURS[name], SPECIFIED[name]
    assert (operation.method, "/api/v2" + operation.path) == (specified["method"], specified["path"])
    assert operations_table.methods()[name] == f"{specified['group']}.{name}"
    assert inspect.getdoc(method_of(name))


@each_case("name", SPECIFIED)
def test_what_may_cost_is_never_taken_for_safe(name):
    costs = bool({"quote", "async"} & set(SPECIFIED[name].get("behaviour", ())))
    assert (OURS[name].retry == "conditional") == costs


@each_case("name", [*SPECIFIED, *sorted(PROVISIONAL)])
def test_each_has_a_test_that_calls_its_method(name):
    file, test = operations_table.tests()[name].split("::")
    (node,) = (statement for statement in tree_of(file).body if getattr(statement, "name", None) == test)
    called = {ast.unparse(n.func) for n in ast.walk(node) if isinstance(n, ast.Call)}
    assert any(call.endswith("." + operations_table.methods()[name]) for call in called)


def test_the_documentation_has_the_table_up_to_date():
    text = operations_table.PAGE.read_text("utf-8")
    assert operations_table.with_table(text) == text
    rows = operations_table.table().splitlines()
    assert len(rows) == 2 + 24 + 2
    assert max(map(len, rows)) < 140
