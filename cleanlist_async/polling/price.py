"""What a question has to be worth, by the tokens that there are and what else needs them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Collection
from typing import Final

from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.polling.agenda import Agenda
from cleanlist_async.polling.demand import Demands
from cleanlist_async.polling.worth import ALMOST_SURE, HORIZONS, SURE, least_chance, tokens_within
from cleanlist_async.ratelimit import RequestClass, Route

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
        openings = self._limiter.openings(route, now)
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
        kept = min(_KEPT, tokens[0] / 2) if is_shared else _KEPT_ALONE
        chance = least_chance(expected, [max(0.0, one - kept) for one in tokens])
        if chance > ALMOST_SURE:  # no token is kept from a question that is almost surely answered
            chance = max(ALMOST_SURE, least_chance(expected, [max(0.0, one) for one in tokens]))
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
        """Whether others use the same tokens: interactive calls, other clients, other processes."""
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
