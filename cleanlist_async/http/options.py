"""How a call is made: its deadline, timeout, retries and pace; and how its latest attempt failed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from random import Random
from typing import Final

from cleanlist_async import facts
from cleanlist_async.checks import check_choice, check_seconds, check_whole, optional
from cleanlist_async.errors import APIError, CleanlistError, NotFoundError, RateLimitError
from cleanlist_async.ratelimit import Pace
from cleanlist_async.redact import one_line

_LONGEST_PROBLEM: Final = 110

log: Final = logging.getLogger("cleanlist_async")


class LatestFailure:
    """Follows the attempts of all calls that one wait makes.

    Attributes
    ----------
    error
        That of the latest attempt; None if that succeeded, or there was none.

    """

    __slots__ = ("_is_logged", "error")

    def __init__(self) -> None:
        self.error: CleanlistError | None = None
        self._is_logged = False

    def note(self, operation: str, error: CleanlistError | None) -> None:
        """Take in how an attempt of an operation ended; the first that failed is logged."""
        self.error = error
        # A 429 and an unknown outcome have warnings of their own, and a 404 means that a replica lags.
        if error is None or not error.retryable or isinstance(error, RateLimitError | NotFoundError):
            return
        if not self._is_logged:
            self._is_logged = True
            problem = one_line(error.problem, _LONGEST_PROBLEM)
            if isinstance(error, APIError):  # the server's own words may quote contacts
                from cleanlist_async.events import identifier

                problem = f"{error.status} {identifier(error.code)}"
            log.warning("an attempt of %s failed: %s", operation, problem)

    def words(self) -> str:
        """Return the sentence to append to what a wait that is over says; empty if no attempt has failed."""
        if (error := self.error) is None:
            return ""
        code = f" ({error.status} {error.code})" if isinstance(error, APIError) and error.status else ""
        return f" The last attempt failed: {error.problem.rstrip('.')}{code}."


@dataclass(frozen=True, slots=True)
class CallOptions:
    """How a call is made: what `with_options` can change and `AsyncCleanlist` documents, and two more.

    Attributes
    ----------
    outlasts_outages
        Whether what is safe to repeat is tried for `give_up_after_s`, however many attempts that takes.
    watch
        Takes in how each attempt ended, for a wait that makes several calls.

    """

    deadline_s: float | None = None
    request_timeout_s: float = facts.REQUEST_TIMEOUT_S
    max_retries: int = facts.MAX_RETRIES
    pace: Pace = "auto"
    give_up_after_s: float = facts.GIVE_UP_AFTER_S
    outlasts_outages: bool = False
    watch: LatestFailure | None = None


def checked_options(options: CallOptions) -> CallOptions:
    """Return *options*. Raises ConfigurationError unless they can work."""
    check_seconds("request_timeout_s", options.request_timeout_s)
    check_seconds("give_up_after_s", options.give_up_after_s)
    optional(check_seconds, "deadline_s", options.deadline_s)
    check_whole("max_retries", options.max_retries)
    check_choice("pace", options.pace, ("auto", "burst", "smooth"))
    return options


def checked_deadline(deadline_s: float, client_deadline_s: float | None) -> float:
    """Return the shorter of a call's deadline and its client's. Raises ConfigurationError for no number."""
    check_seconds("deadline_s", deadline_s)
    return deadline_s if client_deadline_s is None else min(deadline_s, client_deadline_s)


def backoff_s(attempt: int, rng: Random, asked_s: float | None = None) -> float:
    """Return the seconds to wait before attempt number *attempt* + 1, counted from 0.

    Exponential with jitter. Where the server asked for a wait, the jitter is added to it, so that
    no client comes early, and not all come at once.
    """
    # The exponent is bounded, since 2.0 ** 1024 overflows; the longest step is reached long before.
    step = min(facts.LONGEST_BACKOFF_S, facts.FIRST_BACKOFF_S * 2.0 ** min(attempt, 16))
    if asked_s is None:
        return rng.uniform(step / 4, step)
    return asked_s + rng.uniform(0.0, min(step, 1.0))


class RetryQuota:
    """Stops a client from retrying its way through an outage: each retry costs, each success refunds."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = facts.RETRY_QUOTA

    def spend(self) -> bool:
        """Pay for one retry; False when there is nothing left to pay with."""
        if self.left < facts.RETRY_COST:
            return False
        self.left -= facts.RETRY_COST
        return True

    def refund(self) -> None:
        """Credit one successful call."""
        self.left = min(facts.RETRY_QUOTA, self.left + 1)
