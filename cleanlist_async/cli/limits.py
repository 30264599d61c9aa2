"""The commands on the limits file: limits show, limits reset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.help import CommandGroup
from cleanlist_async.cli.terminal.options import AsJSON
from cleanlist_async.cli.terminal.output import print_json, print_table
from cleanlist_async.cli.terminal.render import open_console, say
from cleanlist_async.types import JSON

if TYPE_CHECKING:
    from cleanlist_async.ratelimit.shared.bucket import SharedBucket
    from cleanlist_async.ratelimit.shared.pool import Pool
    from cleanlist_async.ratelimit.sqlite import LimitsFile, NamedPool

app = CommandGroup("Show or reset the rate limits that processes here share.")


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
    from cleanlist_async.ratelimit.shared.process import boot_clock

    console, path, now = open_console(), _path(), boot_clock()
    # Opening a file that does not exist would create it.
    found = _limits_file(path).pools() if path.exists() else []
    pools = [(named, named.pool(now)) for named in found]
    buckets = [bucket for named, pool in pools for bucket in _buckets(named, pool)]
    holders = [holder for _, pool in pools for holder in _holders(pool)]
    waiting = [line for _, pool in pools for line in _waiting(pool)]
    if as_json:
        shown: list[JSON] = [bucket.as_json() for bucket in buckets]
        print_json({"file": str(path), "buckets": shown, "holders": [*holders], "waiting": [*waiting]})
        return
    say(console, f"limits file: {path}")
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
    path = _path()
    if path.exists():
        _limits_file(path).reset()
    if as_json:
        print_json({"file": str(path), "reset": True})
    else:
        say(open_console(), f"{path} was reset; the server may answer 429 for up to a minute.")


def _path() -> Path:
    from cleanlist_async.cli.terminal.limits_file import limits_file

    if (path := limits_file()) is None:
        raise CommandError("there is no limits file: --limits-file is none.", ExitCode.USAGE)
    return path


def _limits_file(path: Path) -> LimitsFile:
    from cleanlist_async.ratelimit.limits import RateLimits
    from cleanlist_async.ratelimit.sqlite import LimitsFile

    return LimitsFile(path, RateLimits())


def _buckets(named: NamedPool, pool: Pool) -> Iterable[Bucket]:
    yield _bucket(", ".join(named.organizations), pool.organization, pool.now)
    for name, bucket in pool.keys.items():
        yield _bucket(name, bucket, pool.now)


def _bucket(name: str, bucket: SharedBucket, now: float) -> Bucket:
    window = bucket.window
    free = max(0, window.available(now))
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
    from cleanlist_async.ratelimit.shared.process import has_ended

    for held in pool.held_leases.values():
        # A killed process still holds its tokens, since its requests may have arrived.
        record = pool.records.get(held["visitor"])
        yield {
            "pid": record.process.pid if record else None,
            "key": held["key"],
            "since_s": round(pool.now - held["since"], 3),
            "state": "ended" if record is None or has_ended(record.process) else "alive",
        }


def _waiting(pool: Pool) -> Iterable[dict[str, JSON]]:
    for record in pool.records.values():
        for ticket in record.tickets:
            yield {
                "pid": record.process.pid,
                "for": _WORDS[ticket.kind.name],
                "since_s": round(pool.now - ticket.since, 3),
            }


_WORDS: Final = {
    "INTERACTIVE": "an interactive call",
    "SUBMIT": "a submit",
    "STATUS": "a status request",
}


def _cells(row: dict[str, JSON], *names: str) -> tuple[str, ...]:
    return tuple("" if (value := row[name]) is None else str(value) for name in names)
