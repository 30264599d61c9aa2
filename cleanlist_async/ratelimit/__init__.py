"""The rate limiter: two buckets, both tokens or none, and no 429 by construction."""

from cleanlist_async.ratelimit.buckets import BucketState as BucketState
from cleanlist_async.ratelimit.buckets import Route as Route
from cleanlist_async.ratelimit.buckets import StoreState as StoreState
from cleanlist_async.ratelimit.limiter import Clock as Clock
from cleanlist_async.ratelimit.limiter import Permit as Permit
from cleanlist_async.ratelimit.limiter import RateLimiter as RateLimiter
from cleanlist_async.ratelimit.limits import RateLimits as RateLimits
from cleanlist_async.ratelimit.wait_queues import Pace as Pace
from cleanlist_async.ratelimit.wait_queues import RequestClass as RequestClass
