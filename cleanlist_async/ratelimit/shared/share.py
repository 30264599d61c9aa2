"""What each process may send while the shared store is away: shares that never exceed the limits together.

The store writes down the share of each process, and gives no more than the others leave. A process learns of
a smaller share from the answer to a sync, which may be lost: so the larger one stands until its next sync,
which shows that it knows. A process that has not synced for `SHARE_KEPT_S` has no share any more, by its own
clock, before the store gives it to others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from cleanlist_async.ratelimit.limits import RateLimits

SHARE_KEPT_S: Final = 600.0
CLOCKS_DIFFER: Final = 1.1
"""By how much longer the store keeps a share: for clocks that run differently."""


class Share(NamedTuple):
    """Requests per window: of all keys together, and of one key."""

    org: int
    key: int


NO_SHARE: Final = Share(0, 0)


def next_share(limits: RateLimits, processes: int, of_others: Iterable[Share]) -> Share:
    """Return an equal share of the limits, at least one request, as far as the others leave it."""
    taken = [Share(*share) for share in of_others]
    org, key = limits.ours
    return Share(
        max(0, min(max(1, org // processes), org - sum(share.org for share in taken))),
        max(0, min(max(1, key // processes), key - sum(share.key for share in taken))),
    )


def larger(one: Share, other: Share) -> Share:
    """Return the larger of two shares, of each kind."""
    return Share(max(one.org, other.org), max(one.key, other.key))
