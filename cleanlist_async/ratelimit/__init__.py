"""The rate limiter: two buckets, both tokens or none, and no 429 by construction."""

from cleanlist_async.ratelimit.buckets import BucketState, Route, StoreState
from cleanlist_async.ratelimit.limiter import Clock, Permit, RateLimiter
from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.wait_queues import Pace, RequestClass

__all__ = [
    "BucketState",
    "Clock",
    "Pace",
    "Permit",
    "RateLimiter",
    "RateLimits",
    "RequestClass",
    "Route",
    "StoreState",
]
