"""Statistics of a client."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from cleanlist_async import facts
from cleanlist_async.errors import AuthenticationError, CleanlistError, InsufficientCreditsError
from cleanlist_async.ratelimit import BucketState, RateLimiter, Route
from cleanlist_async.results import EnrichmentResult


@dataclass(slots=True)
class Counters:
    """Counters of a client."""

    requests: int = 0
    answered: int = 0
    rejected_429: int = 0
    retries: int = 0
    status_requests: int = 0
    waited_s: float = 0.0
    waiting: int = 0
    credits_charged: float = 0.0
    credits_estimated: float = 0.0
    account_refusals: int = 0
    # Bounded: a server whose callers are often cancelled may never look at it.
    detached_workflows: deque[str] = field(
        default_factory=lambda: deque[str](maxlen=facts.MAX_DETACHED_WORKFLOWS)
    )

    def count_refusal(self, error: CleanlistError) -> None:
        """Count an error that says something about the key or the credits."""
        self.account_refusals += isinstance(error, AuthenticationError | InsufficientCreditsError)

    def count_credits(self, charged: float | None, estimated: float) -> None:
        """Add the cost of one contact: as charged where the server says so, else by the price list."""
        if charged is None:
            self.credits_estimated += estimated
        else:
            self.credits_charged += charged


@dataclass(frozen=True, slots=True)
class BatchStatistics:
    """Statistics of `enrich_one`.

    Attributes
    ----------
    callers
        Calls with a contact that could be sent.
    waiting
        Contacts that are queued now.
    contacts, batches, largest_batch
        Contacts that were accepted, in how many requests, and in the largest of them.
    shared
        Calls that shared the purchase of another, for free.
    overloaded
        Calls that were refused because too many contacts were queued.
    queued_p50_s, queued_p99_s
        Seconds until the contact's request was accepted, of the last 2,000 callers.
    answered_p50_s, answered_p99_s
        Seconds until the caller had its answer, of the last 2,000.
    untaken
        Results that no store has, and whose callers left before they were there: the latest 10,000 of a day.
        The next call for the same contact takes its result and buys nothing.
    is_draining
        Whether `drain` was called, so that no further calls are accepted.

    """

    callers: int = 0
    waiting: int = 0
    contacts: int = 0
    batches: int = 0
    largest_batch: int = 0
    shared: int = 0
    overloaded: int = 0
    queued_p50_s: float = 0.0
    queued_p99_s: float = 0.0
    answered_p50_s: float = 0.0
    answered_p99_s: float = 0.0
    untaken: tuple[EnrichmentResult, ...] = field(default=(), repr=False)  # contact data
    is_draining: bool = False

    @property
    def mean_batch(self) -> float:
        """Contacts in a request, on average."""
        return self.contacts / self.batches if self.batches else 0.0


@dataclass(frozen=True, slots=True)
class Statistics:
    """Statistics of a client since it was made, and the state of its buckets.

    Attributes
    ----------
    retries
        Repeated attempts.
    waited_s
        The sum of the seconds that requests waited for the rate limit.
    waiting, eta_s
        Requests that wait for it now, and in about how many seconds the last of them will be sent.
    available
        Requests that could be sent at once.
    buckets
        Those of the client's keys, and its organization's.
    paused_for_s
        Seconds for which the server asked to send none.
    detached_workflows
        Workflows that were accepted after their caller was cancelled: the latest 1,000.
    credits_charged, credits_estimated
        Credits of the contacts that runs, jobs and `enrich_one` have settled: as reported by the server, and,
        where it reports none, by the price list. Their sum is what was spent.
    account_refusals
        Answers that refused the key, or named a lack of credits.
    limits_away
        Whether the store of shared limits cannot be reached.

    """

    requests: int
    """Requests that were sent."""
    answered: int
    """Requests that were answered, with any status."""
    rejected_429: int
    """Requests that were answered 429."""
    retries: int
    waited_s: float
    waiting: int
    status_requests: int
    """Requests that asked for the state of workflows."""
    detached_workflows: tuple[str, ...]
    buckets: tuple[BucketState, ...]
    available: int
    paused_for_s: float
    enrich_one: BatchStatistics
    """What `enrich_one` has done."""
    credits_charged: float = 0.0
    credits_estimated: float = 0.0
    eta_s: float = 0.0
    account_refusals: int = 0
    limits_away: bool = False


def statistics_of(
    counters: Counters, limiter: RateLimiter, route: Route, enrich_one: BatchStatistics
) -> Statistics:
    """Return the statistics of a client that sends on *route*."""
    buckets = limiter.states(route)
    return Statistics(
        requests=counters.requests,
        answered=counters.answered,
        rejected_429=counters.rejected_429,
        retries=counters.retries,
        waited_s=counters.waited_s,
        waiting=counters.waiting,
        status_requests=counters.status_requests,
        detached_workflows=tuple(counters.detached_workflows),
        buckets=buckets,
        available=limiter.available(route),
        paused_for_s=limiter.store.paused_for_s(route, limiter.clock()),
        enrich_one=enrich_one,
        credits_charged=counters.credits_charged,
        credits_estimated=counters.credits_estimated,
        eta_s=_eta_s(counters.waiting, buckets, limiter, route),
        account_refusals=counters.account_refusals,
        limits_away=limiter.is_store_away,
    )


def _eta_s(waiting: int, buckets: tuple[BucketState, ...], limiter: RateLimiter, route: Route) -> float:
    """Return the seconds until *waiting* requests are sent: each token returns once in a window."""
    if not waiting:
        return 0.0
    limits = limiter.limits
    # The route lists the keys' buckets first, and the organization's last; a request needs both.
    *keys, organization = (
        limits.window_s if bucket.opens_in_s is None else bucket.opens_in_s for bucket in buckets
    )
    # Any key will do, but the organization's bucket has to open as well.
    opens_in_s = max(min(keys, default=0.0), organization)
    return opens_in_s + (waiting - 1) // limits.per_window(len(route.keys)) * limits.window_s
