"""The attempts of one call: what became of them, and whether and when there is to be another."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from cleanlist_async import facts
from cleanlist_async.errors import (
    APIError,
    CleanlistError,
    QuoteAlreadyRedeemedError,
    RateLimitError,
    UnknownOutcomeError,
)
from cleanlist_async.http.admission import Slot
from cleanlist_async.http.calls import Call, Reply
from cleanlist_async.http.guarded_call import GuardedCall
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.retry import Proof, RetryQuota, backoff_s, proof_of
from cleanlist_async.ratelimit import RequestClass


@dataclass(slots=True)
class Attempts:
    """Outcome of a call's attempts so far.

    `sent` and `has_other_key` (its key was refused, another is left) are about the last one; `lost` says
    whether any may have been processed without a usable answer, and `doubt` is the error of the last such
    paid one. `doubted` is an answer that was not believed; if the same answer comes again, it is.
    """

    slot: Slot | None = None
    guarded: GuardedCall | None = None
    failures: int = 0
    sent: bool = False
    has_other_key: bool = False
    lost: bool = False
    doubt: UnknownOutcomeError | None = None
    doubted: bytes | None = None

    @property
    def may_be_billed(self) -> bool:
        """Whether any of them may have been processed, or be processed still."""
        return self.doubt is not None or (self.slot is not None and self.slot.may_be_billed)

    async def report(self, outcome: Reply[Any] | CleanlistError) -> None:
        """Tell the guard of a paid call what came of its latest attempt."""
        if self.guarded is not None:
            await self.guarded.ended(outcome)

    def note(self, error: CleanlistError) -> None:
        """Take in how the latest attempt failed."""
        refusal = error if isinstance(error, APIError) else None
        self.lost = self.lost or proof_of(sent=self.sent, error=refusal) is Proof.NONE
        if isinstance(error, UnknownOutcomeError):
            self.doubt = error

    def wait_before_retry(
        self, call: Call[Any], error: CleanlistError, options: CallOptions, quota: RetryQuota, rng: Random
    ) -> float | None:
        """Return the seconds to wait before another attempt, or None to give up."""
        safe, failures = error.safe_to_retry, self.failures
        # With a quote or an idempotency key the same call cannot buy twice: the first answer's words decide.
        if isinstance(error, UnknownOutcomeError) and call.idempotent and error.answer is not None:
            error, safe = error.answer, True
        can_change = error.retryable and not isinstance(error, QuoteAlreadyRedeemedError)
        if call.single_attempt or not can_change or not safe:
            return None
        interactive = call.kind is RequestClass.INTERACTIVE
        asked_s = error.retry_after_s
        if interactive and (asked_s or 0) > facts.LONGEST_INTERACTIVE_PAUSE_S:
            return None  # the error says when to come back
        # The next attempt has another key, or waits for the paused bucket.
        if self.has_other_key or (is_429(error) and not interactive):
            return 0.0
        if failures >= options.max_retries or not quota.spend():
            return None
        if is_429(error):
            return 0.0  # as above: the limiter waits, not the retry
        return backoff_s(failures, rng, asked_s)


def is_429(error: CleanlistError) -> bool:
    """Whether an answer has paused its bucket: only the status 429 does, not the code with another status."""
    return isinstance(error, RateLimitError) and error.status == 429
