"""The help of a command: what it does, how it is typed, then its commands, arguments and options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, TypeAlias

import typer
from typer.core import TyperCommand, TyperGroup

from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.options import with_groups

_HELP_NAMES: Final = {"help_option_names": ["-h", "--help"]}
Rows: TypeAlias = Sequence[tuple[str, str]]

# Any, because Typer takes contexts and formatters from click or has its own, depending on its version.


class Command(TyperCommand):
    """A command."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        _write_help(self, ctx, formatter, {})


class Group(TyperGroup):
    """A group of commands; without one of them it prints its help."""

    more: ClassVar[Mapping[str, Rows]] = {}
    """Sections below the options, by their title."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the arguments; none are a call for help."""
        return super().parse_args(ctx, args or ["--help"])

    def invoke(self, ctx: Any) -> Any:
        """Run the command; Ctrl-C that it does not handle ends it with a word, which Typer does not."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise CommandError("stopped; nothing was sent.", ExitCode.INTERRUPTED) from None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, with the commands panel by panel."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            if not command.hidden:
                panels.setdefault(command.rich_help_panel or "Commands", []).append((name, _summary(command)))
        width = max((len(name) for rows in panels.values() for name, _ in rows), default=0)
        # Padded, so that the panels have their help in one column.
        padded = {panel: [(name.ljust(width), text) for name, text in rows] for panel, rows in panels.items()}
        _write_help(self, ctx, formatter, padded, self.more)
        formatter.write_paragraph()
        formatter.write_text(f'Use "{ctx.command_path} COMMAND --help" for more about a command.')


class CommandGroup(typer.Typer):
    """A group of commands whose help looks as that of all others."""

    def __init__(self, help: str, *, cls: type[Group] = Group) -> None:  # noqa: A002 - the word of Typer
        super().__init__(
            cls=cls,
            help=help,
            add_completion=False,  # installing it edits the files of the user's shell
            pretty_exceptions_enable=False,  # they show the values of variables: contacts, keys
            rich_markup_mode=None,  # rich takes longer to import than all the rest of --help
            context_settings=_HELP_NAMES,
        )

    def command(self, name: str | None = None, **options: Any) -> Callable[..., Any]:
        """Add a command, which may take groups of options: see `with_groups`."""
        add: Callable[..., Any] = super().command(name, cls=Command, **options)

        def decorate(command: Callable[..., None]) -> Any:
            return add(with_groups(command))

        return decorate


def _write_help(
    command: Any,
    ctx: Any,
    formatter: Any,
    panels: Mapping[str, Rows],
    more: Mapping[str, Rows] | None = None,
) -> None:
    formatter.write_text(inspect.cleandoc(command.help or ""))
    formatter.write_paragraph()
    shown = [parameter for parameter in command.get_params(ctx) if not getattr(parameter, "hidden", False)]
    arguments = [parameter for parameter in shown if parameter.param_type_name == "argument"]
    options = [parameter for parameter in shown if parameter.param_type_name == "option"]
    pieces = [*(["COMMAND"] if panels else []), *map(_metavar, arguments)]
    pieces += [_names(option, short=True) for option in options if option.required]
    formatter.write_usage(ctx.command_path, " ".join([*pieces, "[OPTIONS]"]), "Usage: ")
    sections = {
        **panels,
        "Arguments": [(_metavar(argument), _text(argument)) for argument in arguments],
        "Options": [(_names(option), _text(option)) for option in options],
        **(more or {}),
    }
    for title, rows in sections.items():
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)


def _summary(command: Any) -> str:
    """Return the first sentence of a command's help, whole."""
    paragraph = " ".join(inspect.cleandoc(command.help or "").split("\n\n")[0].split())
    return paragraph.partition(". ")[0].removesuffix(".")


def _names(option: Any, *, short: bool = False) -> str:
    # Short first, in whatever order a command declares them.
    names = sorted(option.opts, key=len)
    # Long names are indented as if there were a short one, as usual.
    indent = "" if short or len(names[0]) == len("-h") else " " * len("-h, ")
    text = indent + (names[0] if short else ", ".join(names))
    return text if option.is_flag else f"{text} {_metavar(option)}"


def _metavar(parameter: Any) -> str:
    """Return the word for a value: as declared, else the last word of its name."""
    return str(parameter.metavar or parameter.name.rstrip("_").rpartition("_")[2].upper())


def _text(parameter: Any) -> str:
    notes: list[str] = []
    default, variables = parameter.default, getattr(parameter, "envvar", None) or ()
    if isinstance(default, str | int | float) and not isinstance(default, bool) and default != "":
        notes.append(f"default: {f'{default:g}' if isinstance(default, float) else default}")
    if variables:
        names = [variables] if isinstance(variables, str) else variables
        notes.append(f"env: {' or '.join(names)}")
    remarks = f" [{', '.join(notes)}]" if notes else ""
    return f"{parameter.help or ''}{remarks}"
