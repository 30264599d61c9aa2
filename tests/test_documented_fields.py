"""Every field of every public class says what it holds, where the reference and an editor show it."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from enum import Enum
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TypedDict

from pydantic import BaseModel, Field

from cleanlist_async import AsyncCleanlist
from cleanlist_async.types import ClientOptions
from tests.support.public_surface import PACKAGE, importable

LIKE_THE_CLIENT = {"ClientOptions"}
"""Classes whose fields are documented where they are used: as the parameters of `AsyncCleanlist`."""


def public_classes() -> set[type]:
    """Return the classes that the stable modules offer, with those of this package they are made of."""
    named = {value for values in importable().values() for value in values if inspect.isclass(value)}
    bases = {base for kind in named for base in kind.__mro__}
    return {kind for kind in named | bases if kind.__module__.startswith(PACKAGE)}


def fields_of(kind: type) -> set[str]:
    """Return the public fields that a class itself declares."""
    if issubclass(kind, Enum):
        return set()
    own = {name for name in inspect.get_annotations(kind) if not name.startswith("_")}
    if dataclasses.is_dataclass(kind):
        return own & {field.name for field in dataclasses.fields(kind)}
    if issubclass(kind, BaseModel):
        return own & kind.model_fields.keys()
    return own


def is_documented(kind: type, name: str) -> bool:
    # The description of a pydantic field is not enough: neither the reference nor an editor shows it.
    docstring = kind.__doc__ or ""
    said = re.search(rf"`{name}`|\*{name}\*|^\s*(?:\w+, )*{name}(?:, \w+)*$", docstring, re.MULTILINE)
    return said is not None or name in described_below(kind)


@cache
def described_below(kind: type) -> set[str]:
    """Return the fields of a class that a docstring follows."""
    tree = ast.parse(Path(inspect.getfile(kind)).read_text("utf-8"))
    classes = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    body = next((node.body for node in classes if node.name == kind.__name__), [])
    pairs = pairwise(body)
    return {
        field.target.id
        for field, text in pairs
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }


def undocumented(kinds: set[type]) -> set[str]:
    return {
        f"{kind.__name__}.{name}"
        for kind in kinds
        if kind.__name__ not in LIKE_THE_CLIENT
        for name in fields_of(kind)
        if not is_documented(kind, name)
    }


def test_every_field_is_documented():
    assert sorted(undocumented(public_classes())) == []


def test_every_option_of_a_client_is_documented_with_its_class():
    documented = inspect.getdoc(AsyncCleanlist.__init__) or ""
    described = re.findall(r"^\w+(?:, \w+)*$", documented, re.MULTILINE)
    names = {name for line in described for name in line.split(", ")}
    assert ClientOptions.__annotations__.keys() - names == set()


@dataclasses.dataclass
class Sample:
    """A class with a `first` field.

    Attributes
    ----------
    second, third
        Two more.

    """

    first: int
    second: int
    third: int
    fourth: int
    """Described below."""
    fifth: int


class SampleModel(BaseModel):
    """A model."""

    sixth: int = Field(description="It is in no reference.")
    seventh: int
    """Described below."""


class SampleDict(TypedDict):
    """A dictionary."""

    eighth: int


def test_a_field_that_nothing_describes_is_found():
    assert undocumented({Sample, SampleModel, SampleDict}) == {
        *("Sample.fifth", "SampleModel.sixth", "SampleDict.eighth")
    }
