"""The tokens of a pool: its buckets, and the leases of tokens that are out. Pure: no clock, no I/O."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.shared.backend import HeldLeaseState, Report
from cleanlist_async.ratelimit.shared.bucket import SharedBucket

SHORTEST_POLL: Final = 1e-3
"""The first poll for the answer to a probe, as a fraction of a window; the intervals double from there."""


class PoolTokens:
    """The buckets of one organization, and the leases that processes hold."""

    def __init__(self, limits: RateLimits) -> None:
        self.limits = limits
        self.now = 0.0
        self.organization = SharedBucket(limits.organization_window())
        self.keys: dict[str, SharedBucket] = {}
        self.held_leases: dict[str, HeldLeaseState] = {}

    def key(self, name: str) -> SharedBucket:
        """Return the bucket of a key."""
        if (bucket := self.keys.get(name)) is None:
            bucket = self.keys[name] = SharedBucket(self.limits.key_window())
        return bucket

    def hold(self, holder: str, lease: str, key: str | None) -> list[bool]:
        """Take a token of each bucket, even where none is left; return which of them are probes."""
        probes = [bucket.window.take(self.now) for bucket in self._buckets_of(key)]
        self.held_leases[lease] = HeldLeaseState(visitor=holder, since=self.now, key=key, probes=probes)
        return probes

    def leases_of(self, holder: str) -> list[str]:
        """Return the names of the leases that *holder* holds."""
        return [lease for lease, held in self.held_leases.items() if held["visitor"] == holder]

    def settle(self, report: Report) -> None:
        """Let the tokens of a lease return by its outcome; nothing happens when it is not held."""
        held = self.held_leases.pop(report.lease, None)
        if held is None:
            return  # it was reported before, or presumed lost
        at = self.now - report.age_s
        for bucket, probe in self._tokens(held):
            bucket.settle(report.outcome, at, probe=probe)
        for kind, pause_s in report.pauses.items():
            bucket = self.key(held["key"]) if kind == "key" and held["key"] else self.organization
            bucket.count_rejection(self.now)
            bucket.window.pause(at + pause_s)

    def opens_at(self, bucket: SharedBucket, ahead: int, keep: int = 0) -> float:
        """Return when more than *keep* tokens are free, after *ahead* others have taken one each.

        Where only the answer to a probe can bring that, return when to look for it.
        """
        opens = bucket.window.opens_at(self.now, keep, ahead)
        if opens < math.inf:
            return opens
        probed = [
            held["since"]
            for held in self.held_leases.values()
            for touched, probe in self._tokens(held)
            if probe and touched is bucket
        ]
        if not probed:
            return math.inf
        # As long again as the probe has been out: few polls for a slow answer, little delay for a fast one.
        return self.now + max(self.now - max(probed), self.limits.window_s * SHORTEST_POLL)

    def _tokens(self, held: HeldLeaseState) -> Iterable[tuple[SharedBucket, bool]]:
        return zip(self._buckets_of(held["key"]), held["probes"], strict=True)

    def _buckets_of(self, key: str | None) -> list[SharedBucket]:
        return [self.key(key), self.organization] if key else [self.organization]
