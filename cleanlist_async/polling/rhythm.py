"""How batches of interactive calls and the questions about them share the tokens."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from cleanlist_async import facts
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.polling.estimator import DurationEstimator

_CHANCES: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97)
_HOLDS_BACK: Final = 0.3
_LATER: Final = 0.7
"""The most that a later question is held back for: only the few pay for it whose first one came too early."""
_MOST_QUESTIONS: Final = 24
# Callers are expected to come for so many times as long as they have.
_AHEAD: Final = 2.0
_SHARES: Final = (1 / 4, 1 / 2, 1)
"""Of the time ahead: the parts whose tokens are counted, since they may come back all at once."""
_SAME: Final = 1.02
"""Times and rates that differ by less are taken for the same."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How batches follow each other where callers never stop: every token is used.

    Batches come at least `gap_s` seconds apart: there are tokens for one and for its questions. The first
    question is asked at a `chance` of being the last that its workflow needs, others at `later`. A caller
    then waits `wait_s` seconds on average, beside the time on the wire.
    """

    gap_s: float
    chance: float
    later: float
    wait_s: float


def best_rhythm(estimator: DurationEstimator, token_s: float, contacts_per_s: float) -> Rhythm:
    """Return the rhythm in which callers wait least, with a token every *token_s* seconds.

    Questions that come earlier take more tokens, and batches follow more slowly. No rhythm is so slow that a
    batch overflows, nor holds batches back for questions that are hardly ever the last.
    """
    rhythms = [_rhythm(estimator, token_s, contacts_per_s, chance) for chance in _CHANCES]
    fitting = [
        one
        for one in rhythms
        if one.gap_s * contacts_per_s <= facts.MAX_CONTACTS_PER_REQUEST
        and (one.chance >= _HOLDS_BACK or not one.gap_s)
    ]
    return min(fitting, key=lambda one: one.wait_s) if fitting else rhythms[-1]


def _rhythm(estimator: DurationEstimator, token_s: float, contacts_per_s: float, chance: float) -> Rhythm:
    later = min(chance, _LATER)
    cycle_s = (2 + (1 - chance) / later) * token_s
    gap_s = _gap_s(cycle_s, contacts_per_s)
    age_s = estimator.age_of(chance)
    left, found_s = 1 - chance, chance * age_s
    for _ in range(_MOST_QUESTIONS):
        age_s = estimator.age_of_chance(age_s, later)
        found_s += left * later * age_s
        left *= 1 - later
    gathers_s = gap_s**2 / (2 * cycle_s) if cycle_s else 0.0
    return Rhythm(gap_s, chance, later, gathers_s + found_s + left * age_s)


def _gap_s(cycle_s: float, contacts_per_s: float) -> float:
    """Return the gap after which batches follow every *cycle_s* seconds: each waits for its first contact."""
    if cycle_s * contacts_per_s <= 1:
        return 0.0
    gap_s = cycle_s
    for _ in range(4):
        gap_s = cycle_s - math.exp(-contacts_per_s * gap_s) / contacts_per_s
    return max(0.0, gap_s)


class Arrivals:
    """How many contacts come in a second, of late."""

    def __init__(self, window_s: float) -> None:
        self._over_s = window_s / 2
        self._least_s = window_s / 60
        self._weight = 0.0
        self._at = self._since = -math.inf

    def note(self, now: float, count: int = 1) -> None:
        """Note that so many have come."""
        if now - self._at > 2 * self._over_s:  # what was before says nothing of what begins now
            self._weight, self._since = 0.0, now
        self._weight = self._weight * math.exp((self._at - now) / self._over_s) + count
        self._at = now

    def lasted_s(self, now: float) -> float:
        """Return for how long they have come."""
        return max(0.0, now - self._since) if self._weight else 0.0

    def per_s(self, now: float) -> float:
        """Return how many come in a second."""
        if not self._weight:
            return 0.0
        seen_s = max(now - self._since, self._least_s)
        weight = self._weight * math.exp((self._at - now) / self._over_s)
        return weight / (self._over_s * -math.expm1(-seen_s / self._over_s))


class Rhythms:
    """The best rhythm of one client for what is known at the time."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._window_s = pipeline.limiter.limits.window_s
        self._arrivals = Arrivals(self._window_s)
        self._departures = Arrivals(self._window_s)  # of a crowd that came at once, and is still being sent
        self._known: dict[DurationEstimator, tuple[tuple[int, float, float], Rhythm]] = {}

    def note_contact(self) -> None:
        """Note that a contact of an interactive call has come."""
        self._arrivals.note(self._pipeline.limiter.clock())

    def note_batch(self, contacts: int) -> None:
        """Note that a batch leaves with so many contacts."""
        self._departures.note(self._pipeline.limiter.clock(), contacts)

    def of(self, estimator: DurationEstimator) -> Rhythm:
        """Return the best rhythm where workflows take as long as *estimator* says."""
        now = self._pipeline.limiter.clock()
        contacts_per_s = _rounded(max(self._arrivals.per_s(now), self._departures.per_s(now)))
        token_s = _rounded(self._token_s(contacts_per_s, now))
        state = estimator.version, contacts_per_s, token_s
        before = self._known.get(estimator)
        if before is not None and before[0] == state:
            return before[1]
        rhythm = best_rhythm(estimator, token_s, contacts_per_s)
        self._known[estimator] = state, rhythm
        return rhythm

    def _token_s(self, contacts_per_s: float, now: float) -> float:
        """Return the seconds between two tokens where those that there are have to last.

        They have to last for longer than callers have come, and for a window where callers need all that
        batches can carry.
        """
        limiter, route = self._pipeline.limiter, self._pipeline.route
        carried = limiter.limits.per_window(max(1, len(route.keys))) / 2 * facts.MAX_CONTACTS_PER_REQUEST
        need = contacts_per_s * self._window_s / max(1, carried)
        ahead_s = min(self._window_s, max(_AHEAD * self._arrivals.lasted_s(now), need * self._window_s))
        openings, waiting = limiter.store.openings(route, now), limiter.waiting()
        spans = [share * ahead_s for share in _SHARES]
        return max(span / max(1, bisect_right(openings, now + span) - waiting) for span in spans)


def _rounded(value: float) -> float:
    return _SAME ** round(math.log(value, _SAME)) if value > 0 else 0.0
