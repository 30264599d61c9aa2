"""The commands on shared limits: limits show, limits reset."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.help import CommandGroup
from cleanlist_async.cli.terminal.options import AsJSON
from cleanlist_async.cli.terminal.output import print_json, print_table
from cleanlist_async.cli.terminal.render import open_console, say
from cleanlist_async.types import JSON

if TYPE_CHECKING:
    from cleanlist_async.ratelimit.shared.pool import NamedPool, Pool
    from cleanlist_async.ratelimit.shared.remote import RemoteLimits
    from cleanlist_async.ratelimit.sqlite import LimitsFile
    from cleanlist_async.ratelimit.window import Window

T = TypeVar("T")

app = CommandGroup("Show or reset the rate limits that processes share.")


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket as it is shown. `opens_in_s` is None while only an answer can free a token."""

    name: str
    limit: int
    free: int
    in_flight: int
    returning: int
    opens_in_s: float | None
    paused_for_s: float

    def as_json(self) -> dict[str, JSON]:
        """Return it for ``--json``."""
        return {
            "name": self.name,
            "limit": self.limit,
            "free": self.free,
            "in_flight": self.in_flight,
            "returning": self.returning,
            "next_return_in_s": self.opens_in_s,
            "paused_for_s": self.paused_for_s,
        }


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
        shown: list[JSON] = [bucket.as_json() for bucket in buckets]
        print_json({**shared.as_json(), "buckets": shown, "holders": [*holders], "waiting": [*waiting]})
        return
    say(console, f"limits: {shared.name}")
    if not buckets:
        say(console, "nothing was sent through it yet.")
        return
    print_table(
        ("bucket", "limit", "free", "in flight", "returning", "next in s"),
        [
            (
                bucket.name,
                str(bucket.limit),
                str(bucket.free),
                str(bucket.in_flight),
                str(bucket.returning),
                "after an answer" if bucket.opens_in_s is None else f"{bucket.opens_in_s:.1f}",
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

    def __init__(self, open_backend: Callable[[], RemoteLimits]) -> None:
        self._open = open_backend
        self.name = open_backend().name

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
            backend = self._open()
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
    from cleanlist_async.cli.terminal.shared_limits import is_redis, shared_limits

    place = shared_limits()
    if place is None:
        return None
    if isinstance(place, Path):
        return SharedFileLimits(place)
    return SharedServerLimits(partial(_open_redis if is_redis(place) else _open_postgres, place))


def _open_redis(url: str) -> RemoteLimits:
    from cleanlist_async.ratelimit.limits import RateLimits
    from cleanlist_async.ratelimit.redis import RedisLimits
    from cleanlist_async.ratelimit.shared.backend import boot_clock

    return RedisLimits(url, RateLimits(), boot_clock)


def _open_postgres(url: str) -> RemoteLimits:
    from cleanlist_async.ratelimit.limits import RateLimits
    from cleanlist_async.ratelimit.postgres import PostgresLimits
    from cleanlist_async.ratelimit.shared.backend import boot_clock

    return PostgresLimits(url, RateLimits(), boot_clock)


def _buckets(named: NamedPool, pool: Pool) -> Iterable[Bucket]:
    yield _bucket(", ".join(named.organizations), pool.organization.window, pool.now)
    for name, bucket in pool.keys.items():
        yield _bucket(name, bucket.window, pool.now)


def _bucket(name: str, window: Window, now: float) -> Bucket:
    free = window.available(now)
    # The token after those that are free now.
    opens_in_s = window.opens_at(now, ahead=free) - now
    return Bucket(
        name,
        window.limit,
        free,
        window.in_flight,
        len(window.state()["returning"]),
        round(opens_in_s, 3) if opens_in_s < float("inf") else None,
        round(max(0.0, window.paused_until - now), 3),
    )


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


def _cells(row: dict[str, JSON], *names: str) -> tuple[str, ...]:
    return tuple("" if (value := row[name]) is None else str(value) for name in names)
