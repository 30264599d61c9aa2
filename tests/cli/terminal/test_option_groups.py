"""A command that takes a dataclass has an option for each of its fields."""

from dataclasses import dataclass, field
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from cleanlist_async.cli.terminal.options import with_groups

Colour = Annotated[str, typer.Option(help="A colour.")]
Width = Annotated[int, typer.Option("--wide", help="A width.")]


@dataclass(frozen=True)
class Inner:
    colour: Colour = "red"
    hidden: int = 7


@dataclass(frozen=True, kw_only=True)
class Outer:
    width: Width = 1
    inner: Inner = field(default_factory=Inner)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["x"], ("x", Outer(), False)),
        (["x", "--wide", "3", "--last"], ("x", Outer(width=3), True)),
        (["--colour", "blue", "x"], ("x", Outer(inner=Inner("blue")), False)),
    ],
)
def test_what_is_typed_reaches_the_groups(typed, expected):
    received = []

    @with_groups
    def command(name: str, *, group: Outer, last: Annotated[bool, typer.Option("--last")] = False) -> None:
        received.append((name, group, last))

    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, typed)

    assert result.exit_code == 0, result.output
    assert received == [expected]


def test_the_options_stand_where_the_group_stands_and_a_plain_field_is_none():
    def command(*, first: Colour = "", group: Outer, last: Width = 0) -> None: ...

    assert list(with_groups(command).__annotations__) == ["first", "width", "colour", "last"]
