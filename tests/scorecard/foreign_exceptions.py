"""Mistakes of callers and of the server, against the promise that every error is one of the package's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from tests.arguments.feeding import feed
from tests.arguments.spoiling import foreign_exceptions_of_spoiled_answers
from tests.scorecard.figure import Figure

_FIGURES = {
    "foreign": "foreign exceptions of odd arguments",
    "unnamed": "refusals that do not name the argument",
    "accepted": "odd arguments accepted in silence",
    "sent": "requests sent before an argument was refused",
    "hangs": "odd arguments that make a call hang",
}


def figures(*, long: bool) -> Iterator[Figure]:
    """Feed odd values to every public parameter, and spoiled answers to every operation."""
    fed = asyncio.run(feed(every=1 if long else 17))
    for kind, what in _FIGURES.items():
        yield Figure(what, fed.count(kind), 0, of=fed.tries)
    calls, foreign = asyncio.run(foreign_exceptions_of_spoiled_answers(rounds=200 if long else 12))
    yield Figure("foreign exceptions of spoiled answers", len(foreign), 0, of=calls)
