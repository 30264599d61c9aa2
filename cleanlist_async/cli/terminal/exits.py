"""How a command ends: its exit code, and one line on standard error when something is wrong."""

from __future__ import annotations

import os
import sys
from enum import IntEnum
from typing import Final, NoReturn, cast

import typer

from cleanlist_async.cli.terminal.render import clean, print_json
from cleanlist_async.cli.terminal.wording import at_the_command_line, typed
from cleanlist_async.errors import (
    APIConnectionError,
    APIError,
    BudgetExceededError,
    CleanlistError,
    ConfigurationError,
    DeadlineExceededError,
    JobLockedError,
    JobNotFoundError,
    JournalError,
    StoreError,
    StoreUnavailableError,
    UnknownOutcomeError,
    WaitTimeoutError,
    WorkflowFailedError,
)
from cleanlist_async.redact import scrub
from cleanlist_async.types import JSON

DEBUG_FLAG: Final = "--debug"


class ExitCode(IntEnum):
    """What a command's exit code means."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    INCOMPLETE = 3
    API = 4
    CONNECTION = 5
    LOCKED = 6
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


MEANINGS: Final = {
    ExitCode.DONE: "all done",
    ExitCode.REFUSED: "no such job, a problem of the input, a failed check, or no way to write the output",
    ExitCode.USAGE: "wrong usage or configuration, such as no key, or no terminal to confirm at",
    ExitCode.INCOMPLETE: "finished, but some contacts are pending, unknown or were not sent",
    ExitCode.API: "the API refused: bad key, no credits, or not in the plan",
    ExitCode.CONNECTION: "no connection, or no answer in time",
    ExitCode.LOCKED: "another process runs the job; nothing was sent",
    ExitCode.INTERRUPTED: "stopped by Ctrl-C (143: by SIGTERM, 129: by a closed terminal)",
}

# The first that fits counts, so a class stands before its parents.
_CODES: Final[dict[type[CleanlistError], ExitCode]] = {
    JobNotFoundError: ExitCode.REFUSED,
    ConfigurationError: ExitCode.USAGE,
    JobLockedError: ExitCode.LOCKED,
    JournalError: ExitCode.REFUSED,
    StoreUnavailableError: ExitCode.CONNECTION,
    StoreError: ExitCode.REFUSED,
    APIConnectionError: ExitCode.CONNECTION,
    BudgetExceededError: ExitCode.INCOMPLETE,
    DeadlineExceededError: ExitCode.INCOMPLETE,
    UnknownOutcomeError: ExitCode.INCOMPLETE,
    WaitTimeoutError: ExitCode.INCOMPLETE,
    WorkflowFailedError: ExitCode.INCOMPLETE,
    CleanlistError: ExitCode.API,
}


class CommandError(Exception):
    """A command cannot continue; `code` is its exit code."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


def code_for(error: BaseException) -> ExitCode:
    """Return the exit code of an error that ended a command."""
    if isinstance(error, CommandError):
        return error.code
    from cleanlist_async.tables.errors import TableError

    if isinstance(error, TableError):  # a CleanlistError too, which would be taken for one of the API
        return ExitCode.REFUSED
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), ExitCode.REFUSED)


def code_of_end(
    stop: ExitCode, stopped_by: BaseException | None, file_error: BaseException | None, *, is_complete: bool
) -> ExitCode:
    """Return the exit code of a run: what stopped it counts before what is missing."""
    # A stop also leaves contacts unfinished, but the reason is what a script needs to know.
    if stop:
        return stop
    if (error := stopped_by or file_error) is not None:
        return code_for(error)
    return ExitCode.DONE if is_complete else ExitCode.INCOMPLETE


def end(code: ExitCode) -> None:
    """End the command with *code*."""
    if code:
        raise typer.Exit(int(code))


def complain(message: object) -> None:
    """Print the one line that says what is wrong."""
    sys.stderr.write(_complaint(message))
    sys.stderr.flush()


def complain_and_exit(message: object, code: ExitCode) -> NoReturn:
    """End the process at once with one line, also from a signal handler."""
    try:
        # Past the buffer of sys.stderr: it refuses a handler that came while it was being written.
        os.write(sys.stderr.fileno(), _complaint(message).encode())
    finally:  # nobody may be there to read it
        os._exit(code)


def report(error: BaseException, *, as_json: bool = False) -> int:
    """Report in one line what ended the command, also *as_json*, and return its exit code."""
    code, message = _explained(error)
    complain(message)
    if as_json:
        found = cast("dict[str, JSON]", error_as_json(error))
        print_json({"error": {**found, "message": _shown(message), "exit_code": code}})
    return code


def error_as_json(error: BaseException | None) -> JSON:
    """Return an error for ``--json``."""
    if error is None:
        return None
    request_id = error.request_id if isinstance(error, CleanlistError) else None
    code = error.code if isinstance(error, APIError) else None
    found: dict[str, JSON] = {
        "type": type(error).__name__,
        "message": _shown(error),
        "code": code,
        "request_id": request_id,
    }
    if isinstance(error, BudgetExceededError):  # of a limit of the run itself, both are null
        ends_at = error.period_ends_at
        found |= {"period": error.period, "period_ends_at": ends_at.isoformat() if ends_at else None}
    return found


def signal_as_json(stop: ExitCode) -> JSON:
    """Return the signal that stopped a command for ``--json``; null if none did."""
    return {"type": stop.name, "message": "stopped by a signal", "request_id": None} if stop else None


def _explained(error: BaseException) -> tuple[int, object]:
    """Return the exit code of an error, and what to say of it."""
    # A usage error of Click is known by its attributes: where its class is differs between versions of Typer.
    usage_code, words = getattr(error, "exit_code", None), getattr(error, "format_message", None)
    if isinstance(usage_code, int) and callable(words):
        command = getattr(getattr(error, "ctx", None), "command_path", "cleanlist-async")
        message = str(words())
        return usage_code, f"{message}{'' if message.endswith(('.', '?')) else '.'} See {command} --help."
    # Click's own error at Ctrl-C, known by its name for the same reason.
    if type(error).__name__ == "Abort" or isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED, "stopped; nothing was sent."
    if isinstance(error, CommandError | CleanlistError):
        return code_for(error), error
    if isinstance(error, OSError) and error.strerror:
        plain = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        plain = f"this is a fault of the program ({error!r})"
    return code_for(error), f"{plain}; put {DEBUG_FLAG} before the command to see where."


def _complaint(message: object) -> str:
    return f"error: {clean(_shown(message), None)}\n"


def _shown(message: object) -> str:
    # Scrubbed, since an error may quote an address or a header with a secret in it.
    return typed.pasted(at_the_command_line(scrub(str(message))))
