"""The command line: ``cleanlist-async``, or ``python -m cleanlist_async``."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command line and exit with its code."""
    if find_spec("typer") is None or find_spec("rich") is None:
        sys.exit(
            "error: the command line needs two more packages: pip install 'cleanlist-async[cli,sandbox]'"
        )
    from cleanlist_async.cli.main import run_guarded  # noqa: PLC0415 - they need the packages

    sys.exit(run_guarded(sys.argv[1:]))


if __name__ == "__main__":
    main()
