"""Asks for the encoding of a file that is not UTF-8, and shows what names become in each that it can have."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import typer

from cleanlist_async.cli.enrich.inputs import TableOptions
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.render import say
from cleanlist_async.tables import ContactTable, EncodingUnknownError, TableError

if TYPE_CHECKING:
    from rich.console import Console

_CANDIDATES: Final = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257"),
    *("shift_jis", "gb18030", "big5", "euc_kr", "mac_roman"),
)
_ROWS: Final = 3


def opened(
    console: Console, options: TableOptions, path: str, *, snapshot: bool = False
) -> tuple[TableOptions, ContactTable]:
    """Open a table; return it, and the options with the encoding that was asked for, if that was needed.

    Raises TableError, also where nobody can be asked; CommandError if no encoding was chosen.
    """
    try:
        return options, options.open(path, snapshot=snapshot)
    except EncodingUnknownError as unknown:
        if not sys.stdin.isatty():
            raise
        options = replace(options, encoding=_ask(console, options, path, unknown))
        return options, options.open(path, snapshot=snapshot)


def _ask(console: Console, options: TableOptions, path: str, unknown: EncodingUnknownError) -> str:
    say(console, f"{unknown.path} {unknown.problem}. In these it would read:")
    for name in _CANDIDATES:
        if sample := "; ".join(_names_in(options, path, name)):
            say(console, f"  {name:<10} {sample}")
    chosen: str = typer.prompt(
        "Which one is right? (none of them: press Enter)", default="", show_default=False, err=True
    )
    if not chosen:
        raise CommandError("not started; nothing was sent. Save the file as UTF-8.", ExitCode.REFUSED)
    return chosen


def _names_in(options: TableOptions, path: str, encoding: str) -> Iterator[str]:
    """Yield the first contacts that have more than ASCII; nothing if the file is not in this encoding."""
    try:
        rows = replace(options, encoding=encoding).open(path).rows()
    except TableError:
        return
    found = 0
    for row in rows:
        contact = row.contact
        text = " ".join(filter(None, (contact.first_name, contact.last_name, contact.company_name)))
        if not text.isascii():
            yield text
            if (found := found + 1) == _ROWS:
                return
