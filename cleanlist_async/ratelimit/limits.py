"""The limits that a limiter keeps to, and how long a 429 pauses a bucket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from cleanlist_async import facts
from cleanlist_async.checks import check_choice, check_instance, check_number, check_whole, wrong
from cleanlist_async.errors import RateLimitError
from cleanlist_async.ratelimit.window import Window


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Requests per window for an organization and for one key.

    The published limits are 60 and 30 a minute (docs.cleanlist.ai/mcp-api/errors, "Rate limits"). ``leave``
    is the share of each, from 0 to below 1, that is left to programs which do not share the limiter.
    ``margin_s`` is added to each window, ``grace_s`` to that of a request without an answer; both scale down
    with a window shorter than a minute, such as that of a sandbox. All times are in seconds.

    ``endpoints`` has what single endpoints allow in a window, by the name of the operation on the client:
    ``{"search.people": 10}``.
    """

    org: int = facts.ORGANIZATION_LIMIT
    """Requests in a window, for all keys of the organization together."""
    key: int = facts.KEY_LIMIT
    """Requests in a window, for each key."""
    window_s: float = facts.WINDOW_S
    """The length of the window."""
    margin_s: float = facts.MARGIN_S
    grace_s: float = facts.GRACE_S
    leave: float = 0.0
    endpoints: Mapping[str, int] = field(default_factory=dict[str, int], hash=False)  # a dict has no hash

    def __post_init__(self) -> None:
        check_whole("org", self.org, "a number of requests", at_least=1)
        check_whole("key", self.key, "a number of requests", at_least=1)
        check_number("window_s", self.window_s, "a number of seconds", above=0)
        check_number("margin_s", self.margin_s, "a number of seconds", at_least=0)
        check_number("grace_s", self.grace_s, "a number of seconds", at_least=0)
        check_number("leave", self.leave, "a share", at_least=0)
        if self.leave >= 1:
            raise wrong("leave", "a share below 1", self.leave)
        check_instance("endpoints", self.endpoints, Mapping)
        for name, limit in self.endpoints.items():
            check_choice("endpoints", name, facts.ENDPOINTS)
            check_whole(f"endpoints[{name!r}]", limit, "a number of requests", at_least=1)

    @property
    def ours(self) -> tuple[int, int]:
        """The requests of an organization and of one key in a window, without what is left to others."""
        return max(1, int(self.org * (1 - self.leave))), max(1, int(self.key * (1 - self.leave)))

    def per_window(self, keys: int) -> int:
        """Return the requests that a client with *keys* keys (0 for a JWT) may send in a window."""
        org, key = self.ours
        return min(org, key * keys) if keys else org

    def strictest(self, other: RateLimits) -> RateLimits:
        """Return limits that keep to these and to *other*."""
        (org, key), (other_org, other_key) = self.ours, other.ours
        return RateLimits(
            min(org, other_org),
            min(key, other_key),
            max(self.window_s, other.window_s),
            max(self.margin_s, other.margin_s),
            max(self.grace_s, other.grace_s),
        )

    def organization_window(self) -> Window:
        """Make the bucket of one organization."""
        return self._window(self.ours[0])

    def key_window(self) -> Window:
        """Make the bucket of one key."""
        return self._window(self.ours[1])

    def of_endpoints(self) -> dict[str, RateLimits]:
        """Return the limits of each endpoint that has some of its own, by the name of its operation."""
        return {
            name.rpartition(".")[2]: replace(self, org=limit, key=limit, leave=0.0, endpoints={})
            for name, limit in self.endpoints.items()
        }

    def _window(self, limit: int) -> Window:
        scale = min(1.0, self.window_s / facts.WINDOW_S)
        return Window(limit, self.window_s, self.margin_s * scale, self.grace_s * scale)


_TOO_SHORT: Final = 2
"""429s in a row."""


def pause_s(rejections: int, rng: Random, asked_s: float | None) -> float:
    """Return for how many seconds a 429 pauses a bucket; *rejections* counts those in a row, from 1.

    Without a time from the server (the ``detail`` form of the 429): 2^n seconds
    (docs.cleanlist.ai/api-reference/errors, "Recommended retry strategy").
    """
    # The exponent is bounded for large counts; the longest step is reached at 6.
    step = min(facts.LONGEST_429_BACKOFF_S, facts.LEGACY_429_BACKOFF_S ** min(max(rejections, 1), 8))
    if asked_s is None:
        return step + rng.uniform(0.0, 0.5)
    if rejections > _TOO_SHORT:  # what the server asked for was not enough, so often that it is no chance
        asked_s = max(asked_s, step)
    return asked_s + facts.MARGIN_S + rng.uniform(0.0, 0.25)  # added: coming early would draw the next 429


def paused_error(seconds: float) -> RateLimitError:
    """Return the error for a request that does not wait for such a pause."""
    return RateLimitError(
        f"The server asked for a pause of {seconds:.0f} s.",
        code="rate_limited",
        retry_after_s=seconds,
        fix=f"Call again in {seconds:.0f} s.",
    )
