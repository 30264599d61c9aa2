"""What the pages say that is made of the code: error codes, the error tree, the help of each command.

python -m docs.generated --write    # brings docs/errors/index.md up to date
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner
from typer.main import get_command

from cleanlist_async import errors
from cleanlist_async.cli.app import app
from cleanlist_async.http.error_codes import BY_CODE as CODES
from cleanlist_async.http.error_codes import BY_STATUS, FIXES, WARNINGS

ERRORS_PAGE = Path(__file__).parent / "errors" / "index.md"

# -- errors -----------------------------------------------------------------------------------------


def slug(code: str) -> str:
    """Return the name of a code's page."""
    return code.replace("_", "-")


def error_page(code: str) -> str:
    """Return the page of one code: what it means, its class, and what to do."""
    cls = CODES[code]
    statuses = sorted(status for status, (_, derived) in BY_STATUS.items() if derived == code)
    rows = {
        "class": f"[`{cls.__name__}`](../reference/errors.md#cleanlist_async.errors.{cls.__name__})",
        "status": ", ".join(map(str, statuses)) or "as the server says; the code decides",
        "repeat it": _when_to_repeat(cls),
    }
    lines = [f"# {code}", "", meaning(cls), "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in rows.items()]
    lines += [
        "",
        "## What to do",
        "",
        WARNINGS.get(code) or FIXES.get(code, "Read `error.fix` and `error.problem`."),
    ]
    lines += [
        "",
        "The exception has `error.fix` and, for support, `error.request_id`. [All errors](index.md).",
        "",
    ]
    return "\n".join(lines)


def _when_to_repeat(cls: type[errors.CleanlistError]) -> str:
    if cls.retryable:
        return "after a while"
    is_servers = issubclass(cls, errors.InternalServerError)
    return "no: it ends the same way" if is_servers else "after the cause is fixed"


def meaning(cls: type) -> str:
    """Return the first sentences of a class's docstring, as Markdown."""
    first = (inspect.getdoc(cls) or "").split("\n\n")[0]
    return re.sub(r"``([^`]+)``", r"`\1`", " ".join(first.split()))


def error_codes() -> str:
    """Return a table of all codes."""
    rows = [
        f"| `{code}` | `{cls.__name__}` | {meaning(cls)} {WARNINGS.get(code) or FIXES.get(code, '')} |"
        for code, cls in CODES.items()
    ]
    return "\n".join(["| code | class | meaning, and what to do |", "|---|---|---|", *rows])


def error_tree() -> str:
    """Return the tree that `cleanlist_async.errors` begins with."""
    tree = (errors.__doc__ or "").split("::\n\n")[1].split("\n\nEvery")[0]
    return f"```text\n{inspect.cleandoc(tree)}\n```"


# -- commands ---------------------------------------------------------------------------------------


def commands() -> str:
    """Return the help of the program, with the options of all commands, and of every command."""
    parts: list[str] = []
    for path in command_paths(get_command(app)):
        result = CliRunner().invoke(
            get_command(app), [*path, "--help"], prog_name="cleanlist-async", env={"COLUMNS": "96"}
        )
        title = " ".join(path) or "All commands"
        parts += [f"### {title}", "", "```text", result.output.strip(), "```", ""]
    return "\n".join(parts)


def command_paths(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of each command, below those of *path*; none are the program itself."""
    yield path
    for name, sub in sorted(getattr(command, "commands", {}).items()):
        if not sub.hidden:
            yield from command_paths(sub, (*path, name))


def with_tables(page: str) -> str:
    """Return the page of errors with its tables in their places."""
    for name, made in {"error codes": error_codes(), "error tree": error_tree()}.items():
        before, rest = page.split(f"<!-- {name} -->")
        page = f"{before}<!-- {name} -->\n{made}\n<!-- /{name} -->{rest.split(f'<!-- /{name} -->')[1]}"
    return page


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    ERRORS_PAGE.write_text(with_tables(ERRORS_PAGE.read_text("utf-8")), "utf-8")
