"""Options that cannot work are refused when they are given: by the types of their fields."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError

from cleanlist_async.checks import check_function, shown
from cleanlist_async.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# A deque, which holds the arrivals of a limit, cannot be longer.
_MOST = 2**63 - 1

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Length: TypeAlias = Annotated[float, Field(ge=0)]
"""A length of time in seconds, which may be infinite."""
Count: TypeAlias = Annotated[int, Field(ge=0, le=_MOST)]
Positive: TypeAlias = Annotated[int, Field(ge=1, le=_MOST)]
Text: TypeAlias = Annotated[str, Field(min_length=1)]


def check_fields(options: DataclassInstance) -> None:
    """Raise ConfigurationError for the first field that is not of its type."""
    for name, adapter in _adapters(type(options)).items():
        value = getattr(options, name)
        try:
            # Strict, because pydantic would otherwise take "1" for 1, and True for a number.
            read = adapter.validate_python(value, strict=True)
        except ValidationError as problem:
            reason = problem.errors(include_url=False, include_input=False)[0]["msg"]
        else:
            if callable(value):
                check_function(name, value)
            if not isinstance(read, float) or isinstance(value, int | float):
                continue
            reason = "Input should be an int or a float"  # not just something that can be made one
        raise ConfigurationError(f"{name} is {shown(value)}: {reason}.")


# Building an adapter takes much longer than using it, and a test may make many faults.
@cache
def _adapters(kind: type[DataclassInstance]) -> dict[str, TypeAdapter[Any]]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: TypeAdapter(hints[field.name]) for field in fields(kind)}
