"""Servers that are stricter than published, and limits that others use too: 429s, and the share that is used.

One key, 30 requests a minute published, half an hour of saturated demand in virtual time, one-way latency 20 to
400 ms. A cell is `429s in the first volley / 429s after it / share`: the volley are requests that left before
the answer of the first 429 came; the share is of what the server allows, or of what tokens that return one
window after the answer allow where that is less, without the two minutes after a limit fell and the five after
it rose. An exclamation mark: more than 1 % of 429s after the volley and more than one in five minutes, or a
share below 0.90.

A leak without burst cannot be used in full: two requests arrive up to 0.38 s closer than they were sent, and the
second is refused if that is too early. The best client knows how long each answer took, adds 0.27 s to the
interval on average, and has 1 % of its requests refused: 26.4 of 30 a minute, 14.0 of 15. The share is of that
(`most_of_a_leak` in `tests.support.stricter_servers`).

A server is full or not; nothing else is to be seen of it. So one 429 in five minutes is the price of noticing
that its limit has risen, and half an hour has room for one more.

Requests tried one at a time after each burst, which is given up, drew 3 to 6 429s in 800 on the weighted counter
(26.4 a minute, ten runs); without it they are 4 to 16 (28.6 a minute), and one request without an answer stops
the others no longer, for 60 s before.

    python -m benchmarks.servers [--servers NAME ...] [--limiters NAME ...]
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
from collections.abc import Callable, Sequence
from functools import partial

from benchmarks import limiters, report
from benchmarks.limiters import DOORS
from benchmarks.measuring import side_by_side
from cleanlist_async.ratelimit import RequestClass
from tests.support.stricter_servers import SERVERS, WORLDS, Door, Leave, Run, Server, ours

TEXT = (__doc__ or "").partition("\n\n")[2].partition("\n\n    ")[0]


def rival(name: str, server: Server) -> Door:
    """Another limiter, one for each key in turn: a worker that is refused sleeps as asked, or two seconds."""
    doors = [DOORS[name]() for _ in range(2 if server.healthy_key else 1)]
    turns = itertools.count()

    async def enter() -> tuple[int, Leave]:
        key = next(turns) % len(doors)
        slept = await doors[key](RequestClass.SUBMIT)

        async def leave(asked_s: float | None) -> None:
            await slept(2.0 if asked_s == math.inf else asked_s or 0.0)

        return key, leave

    return enter


LIMITERS: dict[str, Callable[[Server], Door]] = {
    **{f'ours, "{pace}"': partial(ours, pace) for pace in ("auto", "burst", "smooth")},
    **{name: partial(rival, name) for name in DOORS if not name.startswith(("ours", "throttled"))},
}


def cell(limiter: str, server: str, answer_s: float, lost: float) -> str:
    """Run one limiter against one server for half an hour."""

    async def main() -> str:
        kind = SERVERS[server]
        result = await Run(kind, answer_s, lost, random.Random(1)).live(LIMITERS[limiter](kind))
        return f"{result.volley} / {result.later} / {result.share:.2f}{'' if result.is_met else ' !'}"

    return limiters.run(main())


def measure(
    worlds: Sequence[tuple[float, float]] = WORLDS,
    servers: Sequence[str] = tuple(SERVERS),
    names: Sequence[str] = tuple(LIMITERS),
) -> report.Section:
    our_names = [name for name in names if name.startswith("ours")]
    # Rivals do not look at answers: one table of theirs is enough.
    columns = {world: names if world == worlds[0] else our_names for world in worlds}
    asked = [(name, server, *world) for world in worlds for server in servers for name in columns[world]]
    found = dict(zip(asked, side_by_side(cell, asked), strict=True))
    tables = [
        report.Table(
            ("server", *columns[world]),
            [(server, *(found[name, server, *world] for name in columns[world])) for server in servers],
            f"Answers after {world[0]:g} s" + (f", {world[1]:.0%} of them lost" if world[1] else ""),
        )
        for world in worlds
    ]
    ours_found = [text for (name, *_), text in found.items() if name in our_names]
    missed = sum(text.endswith("!") for text in ours_found)
    target = report.Target(
        "half an hour at servers of all kinds: few 429s, a share of 0.90",
        f"{len(ours_found)} of {len(ours_found)}",
        f"{len(ours_found) - missed}",
        met=not missed,
    )
    return report.Section("Servers that are stricter than published", TEXT, tables, [target])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--servers", nargs="*", default=list(SERVERS))
    parser.add_argument("--limiters", nargs="*", default=list(LIMITERS))
    options = parser.parse_args()
    report.show(lambda: measure(servers=options.servers, names=options.limiters))


if __name__ == "__main__":
    main()
