"""The tokens of a pool: its buckets, and the leases of tokens that are out. Pure: no clock, no I/O."""

from __future__ import annotations

from cleanlist_async.ratelimit.bucket import Bucket
from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.shared.backend import HeldLeaseState, Report


class PoolTokens:
    """The buckets of one organization, and the leases that processes hold."""

    def __init__(self, limits: RateLimits) -> None:
        self.limits = limits
        self.now = 0.0
        self.organization = Bucket(limits.organization_window())
        self.keys: dict[str, Bucket] = {}
        self.held_leases: dict[str, HeldLeaseState] = {}

    def adopt(self, limits: RateLimits) -> None:
        """Keep to *limits* from now on; what was sent still counts."""
        self.limits = limits
        self.organization.window.adopt(limits.organization_window())
        for bucket in self.keys.values():
            bucket.window.adopt(limits.key_window())

    def key(self, name: str) -> Bucket:
        """Return the bucket of a key."""
        if (bucket := self.keys.get(name)) is None:
            bucket = self.keys[name] = Bucket(self.limits.key_window())
        return bucket

    def hold(self, holder: str, lease: str, key: str | None, *, is_bulk: bool = True) -> None:
        """Take a token of each bucket, even where none is left."""
        for bucket in self._buckets_of(key):
            bucket.take(self.now, is_bulk=is_bulk)
        self.held_leases[lease] = HeldLeaseState(visitor=holder, since=self.now, key=key)

    def leases_of(self, holder: str) -> list[str]:
        """Return the names of the leases that *holder* holds."""
        return [lease for lease, held in self.held_leases.items() if held["visitor"] == holder]

    def settle(self, report: Report) -> None:
        """Let the tokens of a lease return by its outcome; nothing happens when it is not held."""
        held = self.held_leases.pop(report.lease, None)
        if held is None:
            return  # it was reported before, or presumed lost
        at = self.now - report.age_s
        for bucket in self._buckets_of(held["key"]):
            bucket.settle(report.outcome, at, held["since"])
        for kind, pause_s in report.pauses.items():
            bucket = self.key(held["key"]) if kind == "key" and held["key"] else self.organization
            bucket.count_rejection(self.now)
            bucket.window.reject(at, pause_s, taken_at=held["since"], asked_s=report.asked_s)

    def _buckets_of(self, key: str | None) -> list[Bucket]:
        return [self.key(key), self.organization] if key else [self.organization]
