"""The checks of what processes share: the rate limits, and the store of what was bought."""

from __future__ import annotations

from typing import Final

import anyio

from cleanlist_async.cli.doctor.finding import Finding
from cleanlist_async.cli.limits import limits_in_use
from cleanlist_async.cli.store.location import StoreLocation
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import CommandError
from cleanlist_async.cli.terminal.shared_limits import VARIABLE, are_on_a_server, each_machine_has_its_own
from cleanlist_async.errors import CleanlistError
from cleanlist_async.facts import STORE_VARIABLE

_LIMITS: Final = "shared limits"


def limits(connection: Connection) -> Finding:
    """Return what the limits are shared through, and whether that answers."""
    try:
        if connection.limiter() is None or (shared := limits_in_use()) is None:
            return Finding(_LIMITS, "ok", "none: each process counts for itself.")
        shared.pools()
    except (CommandError, CleanlistError) as error:
        fix = f"Requests wait for it: start it, or correct {VARIABLE} (none: each process counts for itself)."
        return _problem(_LIMITS, error, fix)
    return Finding(_LIMITS, "ok", f"{shared.name} answers." if are_on_a_server() else f"{shared.name}.")


def store() -> Finding:
    """Return where the store is, whether it can be used, and whether who shares it shares the limits."""
    location = StoreLocation()

    async def look() -> tuple[str, int, bool]:
        async with location.open() as opened:
            results = (await opened.counts()).results
            return location.shown(opened), results, opened.is_on_server

    try:
        if not location.exists:  # opening it would make an empty one
            return Finding("store", "ok", f"none yet; the first purchase makes {location.address}.")
        name, results, is_on_server = anyio.run(look)
        if is_on_server and not are_on_a_server():
            return Finding("store", "unknown", *each_machine_has_its_own())
    except (CommandError, CleanlistError) as error:
        return _problem("store", error, f"Set or correct {STORE_VARIABLE}.")
    return Finding("store", "ok", f"{name}, with {results:,} results.")


def _problem(name: str, error: CommandError | CleanlistError, fix: str) -> Finding:
    if isinstance(error, CommandError):
        return Finding(name, "problem", str(error), fix)
    return Finding(name, "problem", error.problem, error.fix or fix)
