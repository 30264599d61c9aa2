"""Runs the command line: no error leaves it as a traceback."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from cleanlist_async.cli.app import app
from cleanlist_async.cli.terminal.exits import DEBUG_FLAG, ExitCode, report


def run_guarded(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code. Tracebacks are for --debug only."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        _print_any_character(stream)
    try:
        # Not standalone: Typer would print errors in its own form, and exit before we could.
        return int(app(list(arguments), prog_name="cleanlist-async", standalone_mode=False) or 0)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered has nowhere to go
        return ExitCode.DONE
    except (Exception, KeyboardInterrupt) as error:  # whatever it is, the user sees one line
        if DEBUG_FLAG in arguments:
            raise
        return report(error, as_json="--json" in arguments)


def _open_closed_streams() -> None:
    """Lead streams that the caller closed to nowhere; no file that is opened later may get their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123  # for as long as the process lives


def _print_any_character(stream: object) -> None:
    """Escape what the encoding of a stream lacks: what was paid for must not be lost to a code page."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
