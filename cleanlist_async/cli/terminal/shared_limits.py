"""What all runs of the command line share the rate limits through: a file, a Redis or a PostgreSQL."""

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

VARIABLE: Final = "CLEANLIST_LIMITS"
OLD_VARIABLE: Final = "CLEANLIST_LIMITS_FILE"
REDIS: Final = ("redis", "rediss", "unix")
POSTGRES: Final = ("postgresql", "postgres")
_NONE: Final = "none"

log: Final = logging.getLogger("cleanlist_async")


def shared_limits() -> str | Path | None:
    """Return the address or file that was asked for, else a file in the user's cache; None for none.

    Raises ConfigurationError for an address of something else.
    """
    asked = _asked()
    if asked == _NONE:
        return None
    if asked is None:
        return _default_file()
    scheme, separator, _ = asked.partition("://")
    if not separator:
        return Path(asked)
    if scheme not in REDIS + POSTGRES:
        raise ConfigurationError(
            "--limits must be a path, none, or an address that begins with redis:// or postgresql://."
        )
    return asked


def limiter_of(limits: RateLimits, *, on_loopback: bool) -> RateLimiter | None:
    """Return the limiter that runs share; None where this run is to have its own.

    Unless something was asked for, none is used for a server on this machine, which is a sandbox, or for
    limits other than the published ones, and a file that cannot be used only causes a warning.
    Raises ConfigurationError when what was asked for cannot be used.
    """
    asked = _asked() is not None
    # A sandbox has limits of its own: sharing those of the real API would slow both down.
    if not (asked or (limits == RateLimits() and not on_loopback)):
        return None
    try:
        if (place := shared_limits()) is None:
            return None
        if isinstance(place, Path) and not asked:
            # The file shows which keys this user has, if only by their hashes.
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _opened(place, limits)
    except (ConfigurationError, OSError) as error:
        if asked:
            raise
        log.warning("this run does not share its rate limits with others: %s", one_line(str(error), 200))
        return None


def why_none(limits: RateLimits, *, on_loopback: bool) -> str | None:
    """Return why `limiter_of` returns none without a warning; None where it gives one."""
    asked = _asked()
    if asked is not None:
        return "as was asked for" if asked == _NONE else None
    if on_loopback:
        return "for a server on this machine, such as a sandbox"
    return None if limits == RateLimits() else "for limits that are not those of the API"


def are_on_a_server() -> bool:
    """Whether other machines share the limits too."""
    return isinstance(shared_limits(), str)


def each_machine_has_its_own() -> tuple[str, str]:
    """Return what is wrong with a store that machines share without the limits, and how to fix it."""
    return (
        "machines share the store, and not the rate limits: each of them would use the whole rate.",
        f"Set {VARIABLE} to the address of the store.",
    )


@cache
def warn_of_own_limits() -> None:
    """Log, once, that machines share the store without the limits."""
    log.warning("%s %s", *each_machine_has_its_own())


def is_redis(address: str) -> bool:
    """Whether the address is that of a Redis, and not of a PostgreSQL."""
    return address.partition("://")[0] in REDIS


# A command may open several clients, which then share one connection.
@cache
def _opened(place: str | Path, limits: RateLimits) -> RateLimiter:
    if isinstance(place, Path):
        return RateLimiter.sqlite(place, limits)
    return RateLimiter.redis(place, limits) if is_redis(place) else RateLimiter.postgres(place, limits)


def _asked() -> str | None:
    return os.environ.get(VARIABLE) or os.environ.get(OLD_VARIABLE) or None


def _default_file() -> Path:
    try:
        if sys.platform == "darwin":
            caches = Path.home() / "Library" / "Caches"
        elif sys.platform == "win32":
            caches = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        else:
            caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        raise ConfigurationError(
            "There is no home folder for the limits file.", fix=f"Set {VARIABLE} to a path, or to {_NONE}."
        ) from None
    return caches / "cleanlist-async" / "limits.db"
