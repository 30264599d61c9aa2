"""The attempts of one call: what became of them, and whether and when there is to be another."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import anyio

from cleanlist_async import facts
from cleanlist_async.errors import (
    APIError,
    ClaimLostError,
    CleanlistError,
    JobLockedError,
    QuoteAlreadyRedeemedError,
    RateLimitError,
    UnknownOutcomeError,
)
from cleanlist_async.http.admission import Slot
from cleanlist_async.http.calls import Call, Charge, Reply, Reservation, Spend, SpendGuard
from cleanlist_async.http.error_codes import Proof, proof_of
from cleanlist_async.http.options import CallOptions, LatestFailure, RetryQuota, backoff_s
from cleanlist_async.ratelimit import RateLimiter, RequestClass


class Spending:
    """Asks the guard of a client, if it has one, which is made when the first paid call needs it."""

    def __init__(self, guard: Callable[[], SpendGuard] | None) -> None:
        self._guard = guard

    async def begin(self, call: Call[Any]) -> GuardedCall | None:
        """Prepare a call for its guard; None for one that needs none."""
        if self._guard is None or not call.operation.paid:
            return None
        guard = self._guard()
        await guard.prepare()
        return GuardedCall(guard, call)

    async def settle(self, workflow_id: str, spent: float | None) -> None:
        """Note what the workflow of a paid call did cost in the end, in credits, if that is known."""
        if self._guard is not None and spent is not None:
            await self._guard().settle(workflow_id, spent)


class GuardedCall:
    """One paid call: approved before its first byte, and reported when its outcome is known.

    It is approved again for another attempt only if the server did not take the last one.
    """

    def __init__(self, guard: SpendGuard, call: Call[Any]) -> None:
        self._guard = guard
        self._call = call
        self._is_approved = False
        self._is_doubtful = False
        self._reservation: Reservation | None = None

    @property
    def submission(self) -> str | None:
        """The name of the call in the client's store, if it has one and is recorded there."""
        return self._call.submission() if self._reservation is None else self._reservation.submission

    @property
    def store(self) -> str | None:
        """What a command names the client's store by, if it has one."""
        return self._guard.store

    async def before(self) -> None:
        """Have the call approved, then do what it asks for itself. Raises CleanlistError to stop it."""
        call = self._call
        if not self._is_approved:
            spend = Spend(call.operation.name) if call.spend is None else call.spend()
            self._reservation = await self._guard.approve(spend, is_recorded=call.is_recorded)
            self._is_approved = True
        if call.before is not None:
            await call.before()

    async def ended(self, outcome: Reply[Any] | CleanlistError) -> None:
        """Report what came of an attempt."""
        reservation = self._reservation
        if isinstance(outcome, UnknownOutcomeError):
            self._is_doubtful = True
            if reservation is not None:
                await reservation.unknown(type(outcome).__name__)
        elif not isinstance(outcome, CleanlistError):
            if reservation is not None:
                read = self._call.operation.charge
                charge = Charge() if read is None else read(outcome.value)
                await reservation.accepted(charge.workflow_id or None, charge.credits)
        elif not self._is_doubtful:  # a refusal says nothing of an attempt that was lost
            self._is_approved, self._reservation = False, None
            if reservation is not None:
                await reservation.refused(type(outcome).__name__)


T = TypeVar("T")


@dataclass(slots=True)
class Attempts:
    """Outcome of the attempts so far of a call that began at `started_at`.

    `sent` and `has_other_key` (its key was refused, another is left) are about the last one, as are `latest`
    and `sent_at`; `has_renewed` says whether the keys were read again. `lost`: any may have been processed
    without a usable answer, and `doubt` is the error of the last such paid one. `doubted` is an answer that
    was not believed; if the same comes again, it is. `failing_since` is when the first failed.
    """

    started_at: float
    slot: Slot | None = None
    guarded: GuardedCall | None = None
    failures: int = 0
    sent: bool = False
    has_other_key: bool = False
    has_renewed: bool = False
    lost: bool = False
    doubt: UnknownOutcomeError | None = None
    doubted: bytes | None = None
    failing_since: float = math.inf
    latest: LatestFailure = field(default_factory=LatestFailure)
    sent_at: datetime | None = None

    @property
    def may_be_billed(self) -> bool:
        """Whether any of them may have been processed, or be processed still."""
        return self.doubt is not None or (self.slot is not None and self.slot.may_be_billed)

    def begin(self, slot: Slot) -> None:
        """Note that an attempt is about to be sent."""
        self.slot, self.sent_at = slot, datetime.now(UTC)

    async def report(self, outcome: Reply[Any] | CleanlistError) -> None:
        """Tell the guard of a paid call what came of its latest attempt."""
        if self.guarded is not None:
            await self.guarded.ended(outcome)

    def watch(
        self, call: Call[T], outcome: Reply[T] | CleanlistError, options: CallOptions
    ) -> Reply[T] | CleanlistError:
        """Note how the latest attempt ended, also for the wait that the call belongs to; return that."""
        error = outcome if isinstance(outcome, CleanlistError) else None
        self.latest.error = error
        if isinstance(error, UnknownOutcomeError):
            self._describe(call, error)
        if options.watch is not None:
            options.watch.note(call.operation.name, error)
        return outcome

    def _describe(self, call: Call[Any], error: UnknownOutcomeError) -> None:
        error.contacts = None if call.spend is None else call.spend().contacts
        error.sent_at = self.sent_at
        error.submission = call.submission() if self.guarded is None else self.guarded.submission
        store = None if self.guarded is None else self.guarded.store
        if error.submission and store is not None:
            shown = shlex.join(["cleanlist-async", "store", "show", "--store", store])
            error.fix = f"{error.fix} Then decide, as this says: {shown}"

    def note(self, error: CleanlistError) -> None:
        """Take in how the latest attempt failed."""
        refusal = error if isinstance(error, APIError) else None
        self.lost = self.lost or proof_of(sent=self.sent, error=refusal) is Proof.NONE
        if isinstance(error, UnknownOutcomeError):
            self.doubt = error

    def wait_before_retry(
        self,
        call: Call[Any],
        error: CleanlistError,
        options: CallOptions,
        *,
        quota: RetryQuota,
        limiter: RateLimiter,
        accepted_at: float,
    ) -> float | None:
        """Return the seconds to wait before another attempt, or None to give up.

        *accepted_at* is when the server accepted such a request of this client last.
        """
        safe, failures = error.safe_to_retry, self.failures
        # With a quote or an idempotency key the same call cannot buy twice: the first answer's words decide.
        if isinstance(error, UnknownOutcomeError) and call.idempotent and error.answer is not None:
            error, safe = error.answer, True
        can_change = error.retryable and not isinstance(error, QuoteAlreadyRedeemedError)
        # What was taken over by another process stays so: the same submit would be refused for ever.
        is_taken = isinstance(error, JobLockedError | ClaimLostError)
        if call.single_attempt or not can_change or not safe or is_taken:
            return None
        interactive = call.kind is RequestClass.INTERACTIVE
        if self.has_other_key:
            return 0.0
        asked_s = error.retry_after_s
        longest_s = facts.LONGEST_INTERACTIVE_PAUSE_S if interactive else facts.LONGEST_PAUSE_S
        # The error says when to come back, which a caller whose time is up before that had better know now.
        left_s = anyio.current_effective_deadline() - anyio.current_time()
        if asked_s is not None and asked_s > min(longest_s, left_s):
            why = f"the deadline leaves {left_s:.3g} s" if asked_s > left_s else "no call waits for so long"
            asked = f"The server asks for a pause of {asked_s:,.10g} s, and {why}."
            error.problem = f"{error.problem.rstrip('.')}. {asked}"
            return None
        if is_429(error) and not interactive:  # the next attempt waits for the paused bucket
            waited_s = limiter.clock() - max(self.started_at, accepted_at)
            return None if waited_s > options.give_up_after_s else 0.0
        if not self._may_go_on(options, quota, limiter, is_bulk=not interactive):
            return None
        # After a 429 the limiter waits, not the retry.
        return 0.0 if is_429(error) else backoff_s(failures, limiter.rng, asked_s)

    def final(self, error: CleanlistError, pause_s: float) -> CleanlistError:
        """Return what is raised after the last *error*, while the client pauses for so many seconds."""
        # The client pauses for up to a second more than the server asks, or for much longer after many 429s.
        if is_429(error) and pause_s > (error.retry_after_s or 0.0) + 1.0:
            error.retry_after_s = pause_s
        return self.doubt or error  # a later refusal says nothing about the lost attempt

    def _may_go_on(
        self, options: CallOptions, quota: RetryQuota, limiter: RateLimiter, *, is_bulk: bool
    ) -> bool:
        if not (options.outlasts_outages and is_bulk):
            return self.failures < options.max_retries and quota.spend()
        # A quota would end it: this is one caller, whose backoff already asks little of the server.
        self.failing_since = min(self.failing_since, limiter.clock())
        return limiter.clock() - self.failing_since <= options.give_up_after_s


def is_429(error: CleanlistError) -> bool:
    """Whether an answer has paused its bucket: only the status 429 does, not the code with another status."""
    return isinstance(error, RateLimitError) and error.status == 429
