"""The limits that a limiter keeps to."""

from __future__ import annotations

from dataclasses import dataclass

from cleanlist_async import facts
from cleanlist_async.checks import check_number, check_whole
from cleanlist_async.ratelimit.window import Window


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Requests per window for an organization and for one key.

    The published limits are 60 and 30 a minute (docs.cleanlist.ai/mcp-api/errors, "Rate limits").
    ``margin_s`` is added to each window, ``grace_s`` to that of a request which got no answer; both
    scale down with a window shorter than a minute, such as that of a sandbox. All times are in seconds.
    """

    org: int = facts.ORGANIZATION_LIMIT
    key: int = facts.KEY_LIMIT
    window_s: float = facts.WINDOW_S
    margin_s: float = facts.MARGIN_S
    grace_s: float = facts.GRACE_S

    def __post_init__(self) -> None:
        check_whole("org", self.org, "a number of requests", at_least=1)
        check_whole("key", self.key, "a number of requests", at_least=1)
        check_number("window_s", self.window_s, "a number of seconds", above=0)
        check_number("margin_s", self.margin_s, "a number of seconds", at_least=0)
        check_number("grace_s", self.grace_s, "a number of seconds", at_least=0)

    def per_window(self, keys: int) -> int:
        """Return the requests that a client with *keys* keys (0 for a JWT) may send in a window."""
        return min(self.org, self.key * keys) if keys else self.org

    def organization_window(self) -> Window:
        """Make the bucket of one organization."""
        return self._window(self.org)

    def key_window(self) -> Window:
        """Make the bucket of one key."""
        return self._window(self.key)

    def _window(self, limit: int) -> Window:
        scale = min(1.0, self.window_s / facts.WINDOW_S)
        return Window(limit, self.window_s, self.margin_s * scale, self.grace_s * scale)
