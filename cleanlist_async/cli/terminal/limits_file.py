"""The file through which all runs of the command line share the rate limits."""

from __future__ import annotations

import logging
import os
import sys
from functools import cache
from pathlib import Path
from typing import Final

from cleanlist_async.errors import ConfigurationError
from cleanlist_async.ratelimit import RateLimiter, RateLimits
from cleanlist_async.redact import one_line

VARIABLE: Final = "CLEANLIST_LIMITS_FILE"
_NONE: Final = "none"

log: Final = logging.getLogger("cleanlist_async")


def limits_file() -> Path | None:
    """Return the file that was asked for, else the one under the user's cache directory; None for none."""
    asked = os.environ.get(VARIABLE)
    if asked == _NONE:
        return None
    return Path(asked) if asked else _default_file()


def limiter_of(limits: RateLimits, *, on_loopback: bool) -> RateLimiter | None:
    """Return the limiter on that file; None where this run is to have its own.

    Unless a file was asked for, none is used for a server on this machine, which is a sandbox, or for limits
    other than the published ones, and one that cannot be used only causes a warning.
    Raises ConfigurationError when the file that was asked for cannot be used.
    """
    path = limits_file()
    asked = bool(os.environ.get(VARIABLE))
    # A sandbox has limits of its own: sharing those of the real API would slow both down.
    if path is None or not (asked or (limits == RateLimits() and not on_loopback)):
        return None
    try:
        if not asked:
            # The file shows which keys this user has, if only by their hashes.
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _opened(path, limits)
    except (ConfigurationError, OSError) as error:
        if asked:
            raise
        log.warning("this run does not share its rate limits with others: %s", one_line(str(error), 200))
        return None


# A command may open several clients, which then share one connection to the file.
@cache
def _opened(path: Path, limits: RateLimits) -> RateLimiter:
    return RateLimiter.sqlite(path, limits)


def _default_file() -> Path:
    if sys.platform == "darwin":
        caches = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        caches = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "cleanlist-async" / "limits.db"
