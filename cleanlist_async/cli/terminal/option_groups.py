"""Options that belong together: a command takes a dataclass, and has an option for each of its fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, get_origin, get_type_hints


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return *command* with the options of each dataclass among its parameters in place of that parameter.

    A field without an `Annotated` type is no option, and keeps its default.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    options: list[Parameter] = []
    for name, parameter in signature(command).parameters.items():
        own = [parameter.replace(annotation=hints[name])]
        options += _options_of(groups[name]) if name in groups else own

    @wraps(command)
    def run(**values: object) -> None:
        # First: what this leaves in *values* belongs to the command itself.
        built = {name: _taken(group, values) for name, group in groups.items()}
        command(**values, **built)

    # Typer reads both, and knows no groups itself.
    run.__signature__ = Signature(options)  # type: ignore[attr-defined]
    run.__annotations__ = {option.name: option.annotation for option in options}
    return run


def _options_of(group: Any) -> Iterator[Parameter]:
    defaults = signature(group).parameters
    for name, hint in get_type_hints(group, include_extras=True).items():
        if is_dataclass(hint):
            yield from _options_of(hint)
        elif get_origin(hint) is Annotated:
            yield Parameter(name, Parameter.KEYWORD_ONLY, default=defaults[name].default, annotation=hint)


def _taken(group: Any, values: dict[str, object]) -> object:
    """Move the values of a group's options out of *values* and into the group."""
    hints = get_type_hints(group, include_extras=True)
    inner = {name: _taken(hint, values) for name, hint in hints.items() if is_dataclass(hint)}
    own = {name: values.pop(name) for name, hint in hints.items() if get_origin(hint) is Annotated}
    return group(**inner, **own)
