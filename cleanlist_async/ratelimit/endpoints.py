"""The pauses of single endpoints, beside those of the key and the organization.

The Public API's limits are per endpoint, and not published. So a 429 that names no limit pauses its endpoint
first: if the caller gave that a limit of its own (`RateLimiter` has those), or if the server accepted another
endpoint's request that was sent later.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

import anyio

from cleanlist_async import facts
from cleanlist_async.ratelimit.buckets import BucketState, Rejection, Route
from cleanlist_async.ratelimit.limits import pause_s, paused_error
from cleanlist_async.ratelimit.wait_queues import RequestClass
from cleanlist_async.ratelimit.window import Outcome


@dataclass(eq=False, slots=True)
class Endpoint:
    """One endpoint of an organization, and its pause after a 429.

    `accepted_at` is when the latest request that the server accepted had got its token.
    """

    name: str
    paused_until: float = -math.inf
    rejections: int = 0
    rejected_at: float = -math.inf
    accepted_at: float = -math.inf

    def settle(self, outcome: Outcome, taken_at: float) -> None:
        """Note the outcome of a request whose token was taken at *taken_at*."""
        if outcome == "answered":
            self.rejections = 0
            self.accepted_at = max(self.accepted_at, taken_at)

    def reject(self, at: float, rejection: Rejection) -> None:
        """Pause after a 429."""
        self.rejections += at >= self.paused_until  # the 429s of one volley count as one
        pause = pause_s(self.rejections, rejection.rng, rejection.asked_s)
        self.paused_until, self.rejected_at = max(self.paused_until, at + pause), at

    def state(self, now: float) -> BucketState:
        """Return its state at *now*."""
        pause = max(0.0, self.paused_until - now)
        return BucketState(
            name=self.name,
            limit=0,
            capacity=0,
            available=0,
            in_flight=0,
            opens_in_s=pause,
            paused_for_s=pause,
        )


class Endpoints:
    """The endpoints that requests were sent to, by organization. Methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Endpoint]] = {}

    def of(self, route: Route, name: str) -> Endpoint:
        """Return an endpoint."""
        with self._lock:
            ours = self._known.setdefault(route.organization, {})
            if (found := ours.get(name)) is None:
                found = ours[name] = Endpoint(name)
            return found

    def paused(self, route: Route, now: float) -> tuple[BucketState, ...]:
        """Return the state of those that are paused."""
        ours = tuple(self._known.get(route.organization, {}).values())
        return tuple(one.state(now) for one in ours if one.paused_until > now)

    def is_another_accepted(self, route: Route, endpoint: Endpoint, taken_at: float) -> bool:
        """Whether another endpoint's request was accepted that got its token after *taken_at*."""
        others = tuple(self._known.get(route.organization, {}).values())
        return any(other is not endpoint and other.accepted_at > taken_at for other in others)


async def wait_for(endpoint: Endpoint, kind: RequestClass, clock: Callable[[], float]) -> None:
    """Wait for the end of the pause of *endpoint*.

    Raises RateLimitError where it is longer than requests of class *kind* wait.
    """
    longest_s = facts.LONGEST_PAUSE_S if kind.is_bulk else facts.LONGEST_INTERACTIVE_PAUSE_S
    while (left_s := endpoint.paused_until - clock()) > 0:
        if left_s > longest_s:
            raise paused_error(left_s)
        await anyio.sleep(left_s)
