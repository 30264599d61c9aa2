"""Runs the command line: no error leaves it as a traceback."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Sequence

from cleanlist_async.cli.app import app
from cleanlist_async.cli.terminal.exits import DEBUG_FLAG, ExitCode, report
from cleanlist_async.cli.terminal.typed import typed


def run_guarded(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code. Tracebacks are for --debug only."""
    _open_closed_streams()
    # A command prints what its user has to know, in its own words; Python would print each warning again.
    logging.getLogger("cleanlist_async").addHandler(logging.NullHandler())
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
        return _reported(error, as_json="--json" in arguments)
    finally:
        # The next command of this process, of which tests run many, must not repeat these options.
        typed.begin(None)


def _reported(error: BaseException, *, as_json: bool) -> int:
    try:
        return report(error, as_json=as_json)
    except OSError:  # standard output is full or gone: there is no place for the object
        return report(error)
    except KeyboardInterrupt:  # a second Ctrl-C needs no words
        return ExitCode.INTERRUPTED


def _open_closed_streams() -> None:
    """Lead streams that the caller closed to nowhere; no file that is opened later may get their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123  # for as long as the process lives


def _print_any_character(stream: object) -> None:
    """Escape what the encoding of a stream lacks: what was paid for must not be lost to a code page."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
