"""When is a question worth a token? By the tokens that there are, and by what else needs them.

Idle tokens are worth nothing, so all are spent: each question is asked at the same chance of being the last
that its workflow needs. That chance is the number of workflows that are expected to be done within a time,
divided by the tokens of that time; the tightest time decides. Each submit that is still to come goes before
any question.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.polling.estimator import DurationEstimator
from cleanlist_async.polling.open_workflow import Agenda, WebhookSignal, Workflow
from cleanlist_async.ratelimit import RequestClass, Route

HORIZONS: Final = (0.0, 1 / 60, 1 / 30, 1 / 15, 1 / 8, 1 / 4, 1 / 2, 0.98, 2.0, 4.0, 8.0, 16.0)
"""The times that are looked at, in windows."""
SURE: Final = 0.99
"""The chance at which a question is worth a token that others wait for."""
LEAST: Final = 0.001
"""The chance at which a question is worth a token that nothing else needs."""
_CAUTION: Final = 0.5
"""Standard deviations of the number of questions for which tokens are kept beyond its mean."""
ALMOST_SURE: Final = 0.95
"""The chance from which on a question is not speculative: no token is kept from it."""


def tokens_within(openings: Sequence[float], seconds: float, now: float, window_s: float) -> float:
    """Return how many tokens there are within so many seconds; each comes again after a window."""
    if seconds <= window_s:
        return float(bisect_right(openings, now + seconds))
    return len(openings) * seconds / window_s


def least_chance(expected: Sequence[float], tokens: Sequence[float], caution: float = _CAUTION) -> float:
    """Return the chance at which a question is worth a token, by what is done and the tokens of each time.

    Where more will be done within a time than it has tokens for, there is nothing to keep them for: questions
    take them as they come. Where that holds of all times, only one that is sure is worth a token. *caution*:
    the standard deviations for which tokens are kept.
    """
    if tokens[0] < 1:
        return SURE
    chances = [
        _chance(done, left, caution)
        for done, left in zip(expected, tokens, strict=True)
        if done < left * SURE
    ]
    return min(SURE, max(LEAST, *chances)) if chances else SURE


def _chance(done: float, tokens: float, caution: float) -> float:
    """Return the chance at which *tokens* suffice for all questions about so many workflows that are done.

    At a chance c, these take done / c questions on average, with a deviation of sqrt(done (1 - c)) / c.
    Whoever needs one more than there are tokens waits for the next window.
    """
    deviation = math.sqrt(done * (1 - done / tokens))
    return (done + caution * min(done, deviation)) / tokens


class Demand:
    """The submits that one source of contacts will still make.

    *left* returns how many, and None where the source may go on for ever. *is_streamed*: somebody reads its
    first results while others are still to come.
    """

    __slots__ = ("_is_paused", "_submitted_at", "is_streamed", "left")

    def __init__(self, left: Callable[[], int | None], *, is_streamed: bool = False) -> None:
        self.left = left
        self.is_streamed = is_streamed
        self._is_paused = False
        self._submitted_at: deque[float] = deque()

    @contextmanager
    def paused(self) -> Generator[None]:
        """Count nothing within the block: no submit can be made, however many tokens there are."""
        before, self._is_paused = self._is_paused, True
        try:
            yield
        finally:
            self._is_paused = before

    def note_submit(self, now: float) -> None:
        """Note that a submit of this source leaves."""
        self._submitted_at.append(now)

    def at_once(self, *, is_waiting: bool) -> float:
        """Return how many submits would take tokens at once; *is_waiting*: a submit waits for its own."""
        if self._is_paused:
            return 0.0
        if (left := self.left()) is None:
            return math.inf if is_waiting else 0.0
        return left

    def within(self, seconds: float, now: float, window_s: float) -> float:
        """Return how many submits of a source of unknown length are to be expected: as many as came last."""
        while self._submitted_at and self._submitted_at[0] < now - window_s:
            self._submitted_at.popleft()
        return len(self._submitted_at) * seconds / window_s if self.left() is None else 0.0


class Demands:
    """All sources of one client."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._sources: set[Demand] = set()
        self._ended_at: deque[float] = deque()

    def add(self, source: Demand) -> None:
        """Count the submits of a source."""
        self._sources.add(source)

    def discard(self, source: Demand, now: float) -> None:
        """Count them no longer."""
        self._sources.discard(source)
        self._ended_at.append(now)

    def new_sources(self, seconds: float, now: float) -> float:
        """Return how many sources are to be expected in so many seconds: as many as ended last."""
        while self._ended_at and self._ended_at[0] < now - self._window_s:
            self._ended_at.popleft()
        return len(self._ended_at) * seconds / self._window_s

    @property
    def left(self) -> float:
        """Submits that are left of all sources; infinity where one may go on for ever."""
        known = [one.left() for one in self._sources]
        return sum(math.inf if left is None else left for left in known)

    @property
    def is_streamed(self) -> bool:
        """Whether somebody reads the first results of a source while others are still to come."""
        return any(one.is_streamed for one in self._sources)

    def at_once(self, *, is_waiting: bool) -> float:
        """Return how many submits would take tokens at once; *is_waiting*: a submit waits for its own."""
        return sum(one.at_once(is_waiting=is_waiting) for one in self._sources)

    def within(self, seconds: float, now: float) -> float:
        """Return how many submits of sources of unknown length are to be expected in so many seconds."""
        return sum(one.within(seconds, now, self._window_s) for one in self._sources)


NEVER: Final = 2.0
"""More than any chance."""
CERTAIN: Final = 1.0
"""The chance of a question where others need all tokens more: nothing is asked to learn from it."""
# Idle tokens that are left to others: where nobody else uses them, and at most where somebody does.
_KEPT_ALONE: Final = 1
_KEPT: Final = 8
_SHARED_FOR: Final = 10
"""Windows for which others are expected to come again."""
_OWN_SLACK: Final = 2
"""Tokens that may be out without a request of ours in the last window: it may just have ended."""


class TokenPrice:
    """Says at which chance of being the last that its workflow needs a question is worth a token."""

    def __init__(self, pipeline: Pipeline, demands: Demands) -> None:
        self._pipeline = pipeline
        self._limiter = pipeline.limiter
        self._window_s = pipeline.limiter.limits.window_s
        self._demands = demands
        self._horizons = [horizon * self._window_s for horizon in HORIZONS]
        self._shared_at = -math.inf
        self._own_requests: deque[tuple[float, int]] = deque()

    def least_chance(self, agendas: Collection[Agenda], key: str | None, now: float, started: int) -> float:
        """Return the least chance of a question with *key* that is worth a token; `NEVER` for none at all.

        *agendas* are those of this key, *started* the questions that have not asked for their tokens yet.
        """
        route = self._pipeline.route.only(key) if key else self._pipeline.route
        waiting = self._limiter.waiting(RequestClass.SUBMIT)
        submits = waiting + self._pipeline.submits_in_line
        left = max(submits, self._demands.at_once(is_waiting=submits > 0))
        # They take the next tokens, and so do the other requests that wait.
        ahead = self._limiter.waiting() - waiting + started + left
        openings = self._limiter.store.openings(route, now)
        is_shared = self._is_shared(openings, route, now)
        openings = openings[int(min(ahead, len(openings))) :]
        if left and not (openings and openings[0] <= now):  # each question would delay a submit
            # Where a stream waits for its next window of submits, one of them gives way to the first result.
            is_first = self._demands.is_streamed and any(
                agenda.estimator.is_blank and now - agenda.oldest_at > self._window_s / 2
                for agenda in agendas
            )
            return NEVER if self.submits_go_first(agendas) and not is_first else SURE
        # Each new source takes a submit, and a question.
        new = [self._demands.new_sources(horizon, now) for horizon in self._horizons]
        tokens = [
            tokens_within(openings, horizon, now, self._window_s) - self._demands.within(horizon, now) - more
            for horizon, more in zip(self._horizons, new, strict=True)
        ]
        if self._all_are_last_looks(agendas, openings, now):
            return CERTAIN
        expected = [sum(pair) for pair in zip(self._expected(agendas, left, now), new, strict=True)]
        # Where some have to wait for the next window anyway, one more of them loses nothing.
        to_ask = left + sum(len(agenda) + len(agenda.asking) for agenda in agendas)
        caution = _CAUTION if to_ask < tokens[0] else 0.0
        kept = min(_KEPT, tokens[0] / 2) if is_shared else _KEPT_ALONE
        chance = least_chance(expected, [max(0.0, one - kept) for one in tokens], caution)
        if chance > ALMOST_SURE:  # no token is kept from a question that is almost surely answered
            chance = max(ALMOST_SURE, least_chance(expected, [max(0.0, one) for one in tokens], caution))
        return chance

    def _all_are_last_looks(self, agendas: Collection[Agenda], openings: list[float], now: float) -> bool:
        """Whether callers who are about to give up need all tokens that there are until then."""
        looks = sorted(at for agenda in agendas for at in agenda.last_looks() if at < now + self._window_s)
        return any(count >= bisect_right(openings, at) for count, at in enumerate(looks, 1))

    def submits_go_first(self, agendas: Collection[Agenda]) -> bool:
        """Whether all questions that are still to come fit into the time that the last workflow takes."""
        limits = self._limiter.limits
        rate = limits.per_window(max(1, len(self._pipeline.route.keys)))
        longest_s = max((agenda.estimator.age_of(SURE) for agenda in agendas), default=0.0)
        to_ask = self._demands.left + sum(len(agenda) for agenda in agendas)
        return to_ask <= rate * (1 + longest_s / self._window_s)

    def _expected(self, agendas: Collection[Agenda], left: float, now: float) -> list[float]:
        """Return how many workflows are done within each horizon, also of the submits that are *left*."""
        expected = [0.0] * len(self._horizons)
        for agenda in agendas:
            for place, done in enumerate(agenda.expected(now, self._horizons)):
                expected[place] += done
        # All of one operation, as far as can be seen: submits of several are rare.
        estimator = next((agenda.estimator for agenda in agendas), None)
        if left and estimator is not None:
            for place, horizon in enumerate(self._horizons):
                expected[place] += left * estimator.share_done(horizon)
        return expected

    def _is_shared(self, openings: list[float], route: Route, now: float) -> bool:
        # Tokens that are out beside those of our own requests of the last window are theirs.
        own = self._own_requests
        own.append((now, self._pipeline.counters.requests))
        while len(own) > 1 and own[1][0] <= now - self._window_s:
            own.popleft()
        out = sum(opening > now for opening in openings)
        ours = own[-1][1] - own[0][1] if own[0][0] <= now - self._window_s else own[-1][1]
        if out > ours + _OWN_SLACK or self._limiter.store.has_interactive(route, now):
            self._shared_at = now
        return now - self._shared_at < _SHARED_FOR * self._window_s


# In windows: between two questions about one workflow, and from the last to when its caller gives up.
_SHORTEST_GAP: Final = 1 / 60
_LAST_LOOK: Final = 1 / 20
# The share of workflows that are done when one whose webhook stays away is asked about with an idle token:
# where it is known how long they take, and where it is not.
_SILENT: Final = 0.97
_BLANK_SILENT: Final = 0.64
# After this many workflows in a row without their webhook, the next are asked about as if they expected none.
_SILENT_SIGNALS: Final = 3


class DueAges:
    """Says at which age to ask, by what a question is worth and by what webhooks say.

    `silent_signals` counts workflows in a row whose webhook has not come.
    """

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self.silent_signals = _SILENT_SIGNALS - 1  # until one has come, a single missing one is enough

    def relies_on(self, signal: WebhookSignal[Any] | None) -> bool:
        """Whether to wait for a signal, as long as it may still come."""
        return signal is not None and signal.is_expected and self.silent_signals < _SILENT_SIGNALS

    def was_missed(self, signal: WebhookSignal[Any] | None) -> bool:
        """Note that a workflow ended without its signal; return whether signals are no longer relied on."""
        if not self.relies_on(signal):
            return False
        self.silent_signals += 1
        return not self.relies_on(signal)

    def of(self, workflow: Workflow, chance: float) -> float:
        """Return the age at which to ask about *workflow*, where a question is worth a token at *chance*."""
        last_s = workflow.last_age_s
        if workflow.signal is not None and workflow.signal.is_hint:
            return 0.0
        if not workflow.is_new:
            # The age of a workflow submitted elsewhere is unknown: ask at once, then more and more rarely.
            age_s = workflow.asked and 1.0 + 1.5 * last_s
        elif self.relies_on(workflow.signal):
            estimator = workflow.estimator
            if chance <= ALMOST_SURE and not workflow.asked:  # the token is idle
                age_s = estimator.age_of(_BLANK_SILENT if estimator.is_blank else _SILENT)
            else:
                age_s = estimator.silent_at(last_s)
        else:
            age_s = self._plain_age(workflow.estimator, last_s, chance)
        if (until := workflow.until()) is not None:
            gives_up_s = until - workflow.submitted_at
            look_s = _LAST_LOOK * self._window_s
            last_look_s = gives_up_s - min(look_s, gives_up_s / 10)
            # Where tokens come one by one, a question shortly before the last look would take its token.
            if last_s < last_look_s and age_s > last_look_s - min(look_s, gives_up_s / 3):
                age_s = last_look_s
        return age_s

    def _plain_age(self, estimator: DurationEstimator, last_s: float, chance: float) -> float:
        if chance > 1:
            return math.inf
        age_s = estimator.age_of_chance(last_s, chance)
        if chance < SURE:  # the token would be back before much more were likely
            age_s = min(age_s, estimator.age_of_slow_growth(last_s))
        return max(age_s, last_s and last_s + _SHORTEST_GAP * self._window_s)
