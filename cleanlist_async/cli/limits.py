"""The commands on shared limits: limits show, limits reset."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.help import CommandGroup
from cleanlist_async.cli.terminal.options import AsJSON
from cleanlist_async.cli.terminal.render import open_console, print_json, print_table, say
from cleanlist_async.types import JSON

if TYPE_CHECKING:
    from cleanlist_async.ratelimit.shared.pool import NamedPool, Pool
    from cleanlist_async.ratelimit.shared.remote import RemoteLimits
    from cleanlist_async.ratelimit.sqlite import LimitsFile
    from cleanlist_async.ratelimit.window import Window

T = TypeVar("T")

app = CommandGroup("Show or reset the rate limits that processes share.")


@app.command("show")
def show(*, as_json: AsJSON = False) -> None:
    """Show the buckets, who holds tokens or waits for one, and when."""
    console, shared = open_console(), _shared()
    found, now = shared.pools()
    pools = [(named, named.pool(now)) for named in found]
    buckets = [bucket for named, pool in pools for bucket in _buckets(named, pool)]
    holders = [holder for _, pool in pools for holder in _holders(pool)]
    waiting = [line for _, pool in pools for line in _waiting(pool)]
    if as_json:
        print_json({**shared.as_json(), "buckets": [*buckets], "holders": [*holders], "waiting": [*waiting]})
        return
    say(console, f"limits: {shared.name}")
    if not buckets:
        say(console, "nothing was sent through it yet.")
        return
    print_table(
        ("bucket", "limit", "free", "in flight", "returning", "next in s"),
        [
            (
                *_cells(bucket, "name", "limit", "free", "in_flight", "returning"),
                "after an answer" if (next_s := bucket["next_return_in_s"]) is None else f"{next_s:.1f}",
            )
            for bucket in buckets
        ],
        numbers=("limit", "free", "in flight", "returning", "next in s"),
    )
    if holders:
        print_table(
            ("holder (pid)", "key", "since, s", "state"),
            [_cells(holder, "pid", "key", "since_s", "state") for holder in holders],
            numbers=("since, s",),
        )
    if waiting:
        print_table(
            ("waits (pid)", "for", "since, s"),
            [_cells(line, "pid", "for", "since_s") for line in waiting],
            numbers=("since, s",),
        )


@app.command("reset")
def reset(*, as_json: AsJSON = False) -> None:
    """Forget what was sent. The server does not forget, and may answer 429 for a minute."""
    shared = _shared()
    shared.reset()
    if as_json:
        print_json({**shared.as_json(), "reset": True})
    else:
        say(open_console(), f"{shared.name} was reset; the server may answer 429 for up to a minute.")


class SharedFileLimits:
    """The limits in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = str(path)

    def as_json(self) -> dict[str, JSON]:
        """Return what it is for ``--json``."""
        return {"file": self.name, "store": "sqlite"}

    def pools(self) -> tuple[list[NamedPool], float]:
        """Return all pools, and the time of their clock."""
        from cleanlist_async.ratelimit.shared.backend import boot_clock

        # Opening a file that does not exist would create it.
        return (self._file().pools() if self._path.exists() else []), boot_clock()

    def reset(self) -> None:
        """Forget all pools."""
        if self._path.exists():
            self._file().reset()

    def _file(self) -> LimitsFile:
        from cleanlist_async.ratelimit.limits import RateLimits
        from cleanlist_async.ratelimit.sqlite import LimitsFile

        return LimitsFile(self._path, RateLimits())


class SharedServerLimits:
    """The limits on a server."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.name = _backend(address).name

    def as_json(self) -> dict[str, JSON]:
        """Return what it is for ``--json``."""
        return {"file": None, "store": self.name.lower()}

    def pools(self) -> tuple[list[NamedPool], float]:
        """Return all pools, and the time of their clock."""
        return self._run(lambda backend: backend.pools())

    def reset(self) -> None:
        """Forget what was sent."""
        self._run(lambda backend: backend.reset())

    def _run(self, ask: Callable[[RemoteLimits], Awaitable[T]]) -> T:
        from cleanlist_async.ratelimit.shared.backend import BackendUnavailableError

        async def run() -> T:
            backend = _backend(self._address)
            try:
                return await ask(backend)
            finally:
                await backend.aclose()

        try:
            return asyncio.run(run())
        except BackendUnavailableError as error:
            raise CommandError(error.problem, ExitCode.CONNECTION) from None


def _shared() -> SharedFileLimits | SharedServerLimits:
    if (shared := limits_in_use()) is None:
        raise CommandError("no limits are shared: --limits is none.", ExitCode.USAGE)
    return shared


def limits_in_use() -> SharedFileLimits | SharedServerLimits | None:
    """Return the limits that processes share; None for none. Raises ConfigurationError."""
    from cleanlist_async.cli.terminal.shared_limits import shared_limits

    place = shared_limits()
    if place is None:
        return None
    return SharedFileLimits(place) if isinstance(place, Path) else SharedServerLimits(place)


def _backend(address: str) -> RemoteLimits:
    from cleanlist_async.cli.terminal.shared_limits import is_redis
    from cleanlist_async.ratelimit.limits import RateLimits
    from cleanlist_async.ratelimit.shared.backend import boot_clock

    if is_redis(address):
        from cleanlist_async.ratelimit.redis import RedisLimits

        return RedisLimits(address, RateLimits(), boot_clock)
    from cleanlist_async.ratelimit.postgres import PostgresLimits

    return PostgresLimits(address, RateLimits(), boot_clock)


def _buckets(named: NamedPool, pool: Pool) -> Iterable[dict[str, Any]]:
    yield _bucket(", ".join(named.organizations), pool.organization.window, pool.now)
    for name, bucket in pool.keys.items():
        yield _bucket(name, bucket.window, pool.now)


def _bucket(name: str, window: Window, now: float) -> dict[str, Any]:
    free = window.available(now)
    # The token after those that are free now; infinity while only an answer can free one.
    next_s = window.opens_at(now, ahead=free) - now
    return {
        "name": name,
        "limit": window.limit,
        "free": free,
        "in_flight": window.in_flight,
        "returning": len(window.state()["returning"]),
        "next_return_in_s": round(next_s, 3) if next_s < math.inf else None,
        "paused_for_s": round(max(0.0, window.paused_until - now), 3),
    }


def _holders(pool: Pool) -> Iterable[dict[str, JSON]]:
    from cleanlist_async.ratelimit.shared.backend import has_ended, process_of

    for held in pool.held_leases.values():
        # A killed process still holds its tokens, since its requests may have arrived.
        record = pool.records.get(held["visitor"])
        yield {
            "pid": record["pid"] if record else None,
            "key": held["key"],
            "since_s": round(pool.now - held["since"], 3),
            "state": "ended" if record is None or has_ended(process_of(record)) else "alive",
        }


def _waiting(pool: Pool) -> Iterable[dict[str, JSON]]:
    for record in pool.records.values():
        for ticket in record["tickets"]:
            yield {
                "pid": record["pid"],
                "for": _WORDS[ticket["kind"]],
                "since_s": round(pool.now - ticket["since"], 3),
            }


# By the value of their `RequestClass`.
_WORDS: Final = ("an interactive call", "a submit", "a status request")


def _cells(row: Mapping[str, object], *names: str) -> tuple[str, ...]:
    return tuple("" if (value := row[name]) is None else str(value) for name in names)
