"""The command line: ``cleanlist-async``, or ``python -m cleanlist_async``."""

from __future__ import annotations

import signal
import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command line and exit with its code."""
    # While modules load, and at the end, Ctrl-C ends the process without a traceback: nothing is on its way.
    handled = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if handled:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if find_spec("typer") is None or find_spec("rich") is None:
        from cleanlist_async.checks import with_extras  # noqa: PLC0415 - not for those who have them

        sys.exit(f"error: the command line needs two more packages: {with_extras('cli', 'sandbox')}.")
    from cleanlist_async.cli.app import run_guarded  # noqa: PLC0415 - they need the packages

    if handled:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    code = run_guarded(sys.argv[1:])
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(code)


if __name__ == "__main__":
    main()
