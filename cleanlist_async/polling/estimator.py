"""Learns how long workflows take, and in which rhythm batches best follow each other. Pure.

They take a lognormal time whose median and spread are not known: each of a lattice of medians and spreads has
a weight, and each answer changes the weights by Bayes' rule, whether it says that a workflow of some age is
done or not. A few take any time at all. Times are ages in seconds: since the submit was answered.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

from cleanlist_async import facts
from cleanlist_async.facts import WEBHOOK_RETRIES_S, WINDOW_S

# The lattice: steps of the logarithm of an age, from a six-hundredth of a window on.
_STEP: Final = 1 / 8
_STEPS: Final = 112
_UNIT: Final = 1 / 600
_MEDIANS: Final = range(4, 96, 2)
_SPREADS: Final = (0.2, 0.5, 1.0)
_SPREAD_WEIGHTS: Final = (0.25, 0.5, 0.25)
# Before anything is seen, medians of 2 to 30 s (in windows of 60 s) are likely; each 1.6-fold beyond, half as
# likely.
_LIKELY: Final = range(24, 47)
_UNLIKELIER: Final = math.log(2) / 4
# Of the workflows, that take any time: no single odd one may count as proof.
_ODD: Final = 0.004
_ODD_SPREAD: Final = 2.0
# Of what is known, after each workflow: the last hundred count most.
_KEPT: Final = 0.99
_NEGLIGIBLE: Final = 1e-4
ALMOST_SURE: Final = 0.99
"""Share of the workflows that are done by `DurationEstimator.due_age_s`."""
# A question that is too early costs a token, one that is too late costs nothing where the webhook does come.
_SILENCE: Final = 2.0
_RETRIES: Final = WEBHOOK_RETRIES_S / WINDOW_S
_SILENT_STEP: Final = 1.3
_BLANK_STEP: Final = 3.0


def _share(steps: int, spread: float) -> float:
    """Return the share that is done so many steps after the median."""
    normal, odd = (0.5 * math.erfc(-steps * _STEP / s / math.sqrt(2)) for s in (spread, _ODD_SPREAD))
    return (1 - _ODD) * normal + _ODD * odd


_SHARES: Final = tuple(
    tuple(_share(steps, spread) for steps in range(-_STEPS, _STEPS + 1)) for spread in _SPREADS
)
"""By spread, then by steps from the median, of which there are `_STEPS` on each side."""


class DurationEstimator:
    """Says which share of the workflows is done at an age.

    `streak` counts questions in a row that were not too early: while there are few, few are asked at once.
    `version` changes with what is known.
    """

    __slots__ = ("_ages", "_done", "_finished", "_weights", "_window_s", "streak", "version")

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._ages = [_UNIT * window_s * math.exp(place * _STEP) for place in range(_STEPS + 1)]
        self._weights = list(_PRIOR)
        self._finished = 0
        self._done: list[float] = []
        self.streak = 0
        self.version = 0

    # -- what is known -------------------------------------------------------------------------

    @property
    def is_blank(self) -> bool:
        """Whether no workflow has been seen to finish."""
        return not self._finished

    @property
    def due_age_s(self) -> float | None:
        """The age by which almost every workflow is done; None until one has been seen to finish."""
        return None if self.is_blank else self.age_of(ALMOST_SURE)

    def share_done(self, age_s: float) -> float:
        """Return the share of the workflows that are done at an age."""
        table, place = self._table(), self._place(age_s)
        below = int(place)
        return table[below] + (place - below) * (table[below + 1] - table[below])

    def age_of(self, share: float) -> float:
        """Return the age at which so large a share is done."""
        table = self._table()
        above = min(max(bisect_left(table, share), 1), _STEPS)
        low, high = table[above - 1], table[above]
        place = above - 1 + min(1.0, max(0.0, (share - low) / (high - low))) if high > low else float(above)
        return _UNIT * self._window_s * math.exp(place * _STEP)

    def share_before(self, last_age_s: float) -> float:
        """Return the share that is done at the age of a last question, 0 for none: nothing is known then."""
        return self.share_done(last_age_s) if last_age_s else 0.0

    def age_of_chance(self, last_age_s: float, chance: float) -> float:
        """Return the age at which a workflow that was not done at *last_age_s* is, with so much *chance*."""
        known = self.share_before(last_age_s)
        return self.age_of(known + chance * (1 - known))

    def age_of_slow_growth(self, last_age_s: float) -> float:
        """Return the age from which on that chance grows by less than its own size in a window.

        A token that is used then comes back before it would have been much better used.
        """
        table, ages, start = self._table(), self._ages, self._place(last_age_s) if last_age_s else 0.0
        known = self.share_before(last_age_s)
        for place in range(int(start) + 1, _STEPS):
            growth = (table[place + 1] - table[place]) / (ages[place + 1] - ages[place]) * self._window_s
            if growth <= table[place] - known:
                return ages[place]
        return ages[-1]

    def silent_at(self, last_age_s: float) -> float:
        """Return the age at which to ask about a workflow whose webhook has not come.

        *last_age_s* is its age at the last question, 0 before the first. Not before the server's last retry.
        """
        if self.is_blank:
            return max(self._window_s, _BLANK_STEP * last_age_s)
        return max(_SILENCE * self.age_of(ALMOST_SURE), _SILENT_STEP * last_age_s) + _RETRIES * self._window_s

    # -- learning ------------------------------------------------------------------------------

    def was_signalled(self, last_age_s: float, age_s: float) -> None:
        """Learn that the webhook of a workflow, unfinished at *last_age_s*, came at *age_s*: at its end."""
        self._learn(last_age_s, max(last_age_s, age_s * math.exp(-_STEP)), age_s)
        self._forget()

    def was_finished(self, last_age_s: float, age_s: float) -> None:
        """Learn that a workflow finished between two ages."""
        self.streak += 1
        self._learn(last_age_s, last_age_s, age_s)
        self._forget()

    def was_unfinished(self, last_age_s: float, age_s: float) -> None:
        """Learn that a workflow was still at work at *age_s*, as at *last_age_s*."""
        self.streak = 0
        self._learn(last_age_s, age_s, math.inf)

    def _learn(self, known_s: float, after_s: float, until_s: float) -> None:
        """Learn that a workflow of which it was known that it takes longer than *known_s* took so long."""
        places = [self._place(age_s) for age_s in (known_s, after_s, until_s)]
        weights = iter(self._weights)
        self._set(
            [
                next(weights) * _likelihood(*(_share_at(shares, place - median) for place in places))
                for shares in _SHARES
                for median in _MEDIANS
            ]
        )

    def _forget(self) -> None:
        self._finished += 1
        self._set([w**_KEPT * p ** (1 - _KEPT) for w, p in zip(self._weights, _PRIOR, strict=True)])

    def _set(self, weights: list[float]) -> None:
        total = sum(weights)
        self._weights = [max(weight / total, 1e-12) for weight in weights]
        self._done = []
        self.version += 1

    # -- inside --------------------------------------------------------------------------------

    def _place(self, age_s: float) -> float:
        return min(_STEPS - 1.0, max(0.0, math.log(max(age_s / self._window_s, _UNIT) / _UNIT) / _STEP))

    def _table(self) -> list[float]:
        """Return the share that is done at each step, computed when it is needed."""
        if not self._done:
            self._done = self._shares_done()
        return self._done

    def _shares_done(self) -> list[float]:
        done = [0.0] * (_STEPS + 1)
        least = _NEGLIGIBLE * max(self._weights)
        for number, weight in enumerate(self._weights):
            if weight >= least:
                shares = _SHARES[number // len(_MEDIANS)]
                start = _STEPS - _MEDIANS[number % len(_MEDIANS)]
                done = [
                    sum_ + weight * share
                    for sum_, share in zip(done, shares[start : start + _STEPS + 1], strict=True)
                ]
        return [share / done[-1] for share in done]


def _share_at(shares: tuple[float, ...], steps: float) -> float:
    """Return the share that is done so many steps after the median: none at no age, all at infinity."""
    place = steps + _STEPS
    below = int(place)
    return shares[below] + (place - below) * (shares[below + 1] - shares[below])


def _likelihood(known: float, after: float, until: float) -> float:
    return max(until - after, 1e-9) / max(1 - known, 1e-9)


def _prior() -> tuple[float, ...]:
    def of_median(step: int) -> float:
        beyond = max(_LIKELY.start - step, step - _LIKELY[-1], 0)
        return math.exp(-_UNLIKELIER * beyond)

    weights = [weight * of_median(step) for weight in _SPREAD_WEIGHTS for step in _MEDIANS]
    return tuple(weight / sum(weights) for weight in weights)


_PRIOR: Final = _prior()


# -- batches, where callers never stop ---------------------------------------------------------------

_CHANCES: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97)
_HOLDS_BACK: Final = 0.3
_LATER: Final = 0.7
"""The most that a later question is held back for: only the few pay for it whose first one came too early."""
_MOST_QUESTIONS: Final = 24


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
