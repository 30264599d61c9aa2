"""The limits file of the command line: where it is, what is in it, and how to begin anew."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from cleanlist_async.cli.terminal.output import print_json, print_table
from cleanlist_async.cli.terminal.render import say
from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.shared.bucket import SharedBucket
from cleanlist_async.ratelimit.shared.pool import Pool
from cleanlist_async.ratelimit.shared.process import boot_clock, has_ended
from cleanlist_async.ratelimit.sqlite import LimitsFile, NamedPool
from cleanlist_async.ratelimit.wait_queues import RequestClass
from cleanlist_async.types import JSON


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


def show(console: Console, path: Path, *, as_json: bool) -> None:
    """Show the buckets, who holds their tokens, who waits, and when the next token returns."""
    now = boot_clock()
    found = LimitsFile(path, RateLimits()).pools() if path.exists() else []
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


def reset(console: Console, path: Path, *, as_json: bool) -> None:
    """Forget all that is out: every token is there at once."""
    if path.exists():
        LimitsFile(path, RateLimits()).reset()
    if as_json:
        print_json({"file": str(path), "reset": True})
    else:
        say(console, f"{path} knows of no request any more; within a minute the server may answer 429.")


def _buckets(named: NamedPool, pool: Pool) -> Iterable[Bucket]:
    yield _bucket(", ".join(named.organizations), pool.organization, pool.now)
    for name, bucket in pool.keys.items():
        yield _bucket(name, bucket, pool.now)


def _bucket(name: str, bucket: SharedBucket, now: float) -> Bucket:
    window = bucket.window
    free = max(0, window.available(now))
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
    for held in pool.held_leases.values():
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
                "for": _WORDS[ticket.kind],
                "since_s": round(pool.now - ticket.since, 3),
            }


_WORDS: Final = {
    RequestClass.INTERACTIVE: "an interactive call",
    RequestClass.SUBMIT: "a submit",
    RequestClass.STATUS: "a status request",
}


def _cells(row: dict[str, JSON], *names: str) -> tuple[str, ...]:
    return tuple("" if (value := row[name]) is None else str(value) for name in names)
