"""What the limiter asks of the store behind it, whoever shares that."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from cleanlist_async.ratelimit.buckets import BucketState, Lease, Route
from cleanlist_async.ratelimit.limits import RateLimits

if TYPE_CHECKING:
    from cleanlist_async.ratelimit.dispatcher import Dispatcher


Reach: TypeAlias = Literal["lost", "found"]


class Store(Protocol):
    """Tokens, and what is known of their buckets. Nothing here waits; any thread may call.

    How tokens are taken is between a store and its dispatchers: at once out of this process's memory, or
    by asking a place that others share.
    """

    limits: RateLimits

    def dispatcher(self, clock: Callable[[], float], wake_all: Callable[[str], None]) -> Dispatcher:
        """Open the waiting lines of the running event loop."""
        ...

    def answered(self, lease: Lease, now: float, *, accepted: bool) -> None:
        """Start the window of a request answered at *now*; *accepted* unless the answer was a 429."""
        ...

    def lost(self, lease: Lease, now: float) -> None:
        """Keep the tokens of a request that was given up at *now* without an answer."""
        ...

    def unsent(self, lease: Lease) -> None:
        """Give back the tokens of a request of which not a byte left."""
        ...

    def reject(self, lease: Lease, now: float, asked_s: float | None, named: str | None, rng: Random) -> None:
        """Pause the buckets of a request answered 429 (only the one it names), and keep to less of them."""
        ...

    def available(self, route: Route, now: float) -> int:
        """Return how many tokens could be taken now, from all keys and from the organization."""
        ...

    def paused_for_s(self, route: Route, now: float) -> float:
        """Return for how many seconds nothing may be sent on this route; 0 when something may."""
        ...

    def is_disturbed(self, now: float) -> bool:
        """Whether a 429 of the last minutes is still felt anywhere."""
        ...

    def is_stale(self, lease: Lease, now: float) -> bool:
        """Whether nothing may be sent with this lease any more, though its tokens were taken."""
        ...

    def must_be_smooth(self, route: Route, now: float) -> bool:
        """Whether a recent 429 asks for even pacing on this route."""
        ...

    def note_interactive(self, route: Route, now: float) -> None:
        """Remember that an interactive call uses this organization's bucket."""
        ...

    def has_interactive(self, route: Route, now: float) -> bool:
        """Whether an interactive call used this organization's bucket within the last two windows."""
        ...

    def join(self, organization: str, other: str) -> None:
        """Make two names one organization: what was sent under either counts for both."""
        ...

    def names_of(self, organization: str) -> tuple[str, ...]:
        """Return all names that were found to be one organization with this one, that of its bucket first."""
        ...

    def attach(self, route: Route) -> None:
        """Learn which organization the keys of *route* belong to, joining what they tell is one."""
        ...

    def is_touched(self, route: Route, now: float) -> bool:
        """Whether any key of *route* has tokens out, which another store would know nothing of."""
        ...

    def states(self, now: float, route: Route | None = None) -> tuple[BucketState, ...]:
        """Return the state of each bucket at *now*, or of those of *route*: its keys, its organization."""
        ...


class Watcher(Protocol):
    """Who is told whether the place that shares the limits can be reached."""

    def limits_were(self, reach: Reach, /) -> None:
        """Note that it was lost, or found again. Called in any thread; must not wait."""
        ...
