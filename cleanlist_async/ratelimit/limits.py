"""The limits a limiter keeps to."""

from __future__ import annotations

from dataclasses import dataclass

from cleanlist_async import facts
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.window import Window


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Requests per window for an organization and for one key.

    The published limits are 60 and 30 a minute (docs.cleanlist.ai/mcp-api/errors, "Rate limits").
    ``margin_s`` is added to each window, ``grace_s`` to that of a request which got no answer; both
    scale down with a window shorter than a minute, as a sandbox has it. All times are in seconds.
    """

    org: int = facts.ORGANIZATION_LIMIT
    key: int = facts.KEY_LIMIT
    window_s: float = facts.WINDOW_S
    margin_s: float = facts.MARGIN_S
    grace_s: float = facts.GRACE_S

    def __post_init__(self) -> None:
        if self.org < 1 or self.key < 1 or not 0 < self.window_s < float("inf"):
            raise ConfigurationError("Rate limits must be at least one request in a window longer than 0 s.")
        if not (0 <= self.margin_s < float("inf") and 0 <= self.grace_s < float("inf")):
            raise ConfigurationError("margin_s and grace_s must be seconds, and not negative.")

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
