"""How many submits of a client are in flight: as many as the rate needs, one at a time during an outage.

A submit whose outcome is unclear leaves its contacts unknown, as may each that is in flight with it. After
one, the next waits for a backoff, or for as long as the server asks, and then for a free call to succeed. It
goes alone, until one is accepted.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from cleanlist_async import facts
from cleanlist_async.errors import APIConnectionError, APIError, CleanlistError, RedirectedError
from cleanlist_async.http.options import backoff_s
from cleanlist_async.ratelimit import RateLimiter, Route

log: Final = logging.getLogger("cleanlist_async")

Check = Callable[[], Awaitable[object]]
"""A free call, which shows whether the server works. Raises CleanlistError."""

_BURST: Final = 1 / 20
"""The share of a window in which all of its tokens can be used, if all of them are free."""
_WEIGHT: Final = 1 / 4
"""Of the latest answer in the average time of answers."""


class SubmitGate:
    """Admits the submits of one client.

    So many are `waiting` here, each of which will need a token. `troubles` counts unclear outcomes; those of
    submits that were in flight together are one.
    """

    def __init__(self, limiter: RateLimiter, route: Callable[[], Route]) -> None:
        self.waiting = 0
        self._limiter = limiter
        self._route = route
        self._in_flight = 0
        self._answer_s = 0.0  # on average
        self.troubles = 0
        self._is_in_trouble = False
        self._failures = 0  # in a row: unclear outcomes, and checks that failed
        self._failed_at = -math.inf
        self._opens_at = -math.inf
        self._is_checked = False
        self._last_error: CleanlistError | None = None  # of a check
        self._checking = anyio.Lock()
        self._changed = anyio.Event()

    @property
    def bound(self) -> int:
        """How many submits may be in flight."""
        if self._failures:
            return 1
        limits = self._limiter.limits
        answers = self._answer_s / limits.window_s * limits.per_window(len(self._route().keys))
        # A burst is as many as a window allows: what it takes is how much later all results are.
        burst = min(facts.BURST_IN_FLIGHT, math.ceil(answers / _BURST))
        return min(facts.MAX_IN_FLIGHT, max(facts.LEAST_SUBMITS_IN_FLIGHT, math.ceil(answers), burst))

    async def ready(self, check: Check) -> None:
        """Wait until another submit may leave.

        Raises APIConnectionError if *check* fails after an unclear outcome: nothing was sent.
        """
        self.waiting += 1
        try:
            while not self._has_room:
                if self._failures and not self._in_flight:
                    await self._check(check)
                else:
                    await self._changed.wait()
        finally:
            self.waiting -= 1

    def enter(self) -> bool:
        """Count a submit as in flight; return whether there is room for it."""
        if not self._has_room:
            return False
        self._in_flight += 1
        self._is_checked = self._is_in_trouble = False  # the check was for one submit
        return True

    def leave(self) -> None:
        """Note that a submit is no longer in flight."""
        self._in_flight -= 1
        self._change()

    def accepted(self, sent_at: float, answered_at: float) -> None:
        """Note that a submit was accepted, by the limiter's clock."""
        took_s = answered_at - sent_at
        self._answer_s += (took_s - self._answer_s) * (_WEIGHT if self._answer_s else 1.0)
        # One that left before the trouble began says nothing of its end.
        if sent_at >= self._failed_at:
            self._failures = 0

    def unclear(self, asked_s: float | None) -> None:
        """Note that nobody can say what became of a submit. The server may have asked for a pause."""
        self.troubles += not self._is_in_trouble
        self._is_in_trouble = True
        self._fail(asked_s)
        log.warning(
            "a submit has an unclear outcome: the next goes alone, in %.3g s or later",
            self._opens_at - self._limiter.clock(),
        )

    @property
    def _has_room(self) -> bool:
        return self._in_flight < self.bound and (self._is_checked or not self._failures)

    async def _check(self, check: Check) -> None:
        """Make the free call that goes before the next submit. Those that wait for it share its outcome."""
        seen = self._last_error
        async with self._checking:
            if self._has_room or self._in_flight:
                return
            if self._last_error is seen:
                await anyio.sleep(max(0.0, self._opens_at - self._limiter.clock()))
                await self._make(check)
            if self._last_error is not seen and self._last_error is not None:
                raise APIConnectionError(
                    f"The server is in trouble, so nothing was sent: {self._last_error.problem}",
                    request_id=self._last_error.request_id,
                ) from self._last_error

    async def _make(self, check: Check) -> None:
        try:
            await check()
        except CleanlistError as error:
            # A refusal in the API's own words is an answer: the server works.
            if error.retryable or isinstance(error, RedirectedError) or not isinstance(error, APIError):
                self._last_error = error
                self._fail(error.retry_after_s)
                return
        self._is_checked = True
        self._change()

    def _fail(self, asked_s: float | None) -> None:
        now = self._limiter.clock()
        wait_s = max(asked_s or 0.0, backoff_s(self._failures, self._limiter.rng))
        self._failures += 1
        self._failed_at = now
        self._opens_at = max(self._opens_at, now + wait_s)
        self._is_checked = False
        self._change()

    def _change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
