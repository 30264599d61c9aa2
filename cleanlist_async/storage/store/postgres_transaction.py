"""A transaction in few round trips: statements that need no answer of each other are sent together. Pure."""

from __future__ import annotations

from typing import Final, Generic, TypeAlias, TypeVar, cast

from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.storage.store.reading import is_reading
from cleanlist_async.storage.store.statements import Answer, Operation, Statement

T = TypeVar("T")
RoundTrip: TypeAlias = list[tuple[Statement, Answer]]
"""Statements that are sent together, each with the answer that is to be filled in."""

_PAUSED_S: Final = 3.0
"""Seconds that a process may stand still in its transaction before it loses it: the others wait for it."""
_LIMIT_TIMES: Final = """
SELECT set_config('statement_timeout', :answer_ms, true),
    set_config('idle_in_transaction_session_timeout', :paused_ms, true),
    set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true), set_config('enable_material', 'off', true),
    set_config('jit', 'off', true)
"""
"""Also that statements are planned as SQLite plans them, by indexes and one row after the other, whatever the
server believes of a table that it knows too little of."""
_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SETTINGS: Final = "SELECT current_setting('synchronous_commit')"
_WAIT_FOR_OTHERS: Final = """
SELECT current_setting('synchronous_commit'), pg_advisory_xact_lock(hashtext('cleanlist_store'))
"""
"""One transaction at a time claims and sends: what it looked at is still so when it writes. The lock ends
with the transaction, so a pool in transaction mode may lie between."""


class Transaction(Generic[T]):
    """An operation as one transaction, after all others of the store, unless it only reads.

    Attributes
    ----------
    trip
        What is to be sent now. When its answers are filled in, `go_on` replaces it by the next.
    is_begun
        Whether anything was answered. Before that it can be sent again over another connection.
    is_ending
        Whether the trip commits or rolls back: the last one.

    """

    def __init__(self, operation: Operation[T], commit_unless: T | None, answer_s: float) -> None:
        self.is_begun = self.is_ending = False
        self._operation = operation
        self._commit_unless = commit_unless
        self._answer: Answer | None = None
        self._settings = Answer()
        self._value: T | None = None
        self._refusal: CleanlistError | None = None
        self._is_over = False
        only_reads = is_reading(operation)
        self.trip: RoundTrip = [
            (Statement(_READ if only_reads else "BEGIN"), Answer()),
            (
                Statement(_LIMIT_TIMES, {"answer_ms": _ms(answer_s), "paused_ms": _ms(_PAUSED_S)}),
                Answer(),
            ),
            (Statement(_SETTINGS if only_reads else _WAIT_FOR_OTHERS), self._settings),
        ]
        self._gather()

    def go_on(self) -> None:
        """Let the operation go on from the answers, to what is to be sent next."""
        self.is_begun, self.trip = True, []
        if self._settings.one == "off":  # any other value waits for a disk
            self._refuse(_forgetful())
        if not self._is_over:
            self._gather()
        if self._is_over:
            self._end()

    def result(self) -> T:
        """Return what the operation returned. Raises what it raised, which is rolled back."""
        if self._refusal is not None:
            raise self._refusal
        return cast("T", self._value)

    def _gather(self) -> None:
        """Gather statements up to one whose answer is needed, or up to the end."""
        try:
            while True:
                answer = self._answer
                statement = next(self._operation) if answer is None else self._operation.send(answer)
                self._answer = Answer()
                self.trip.append((statement, self._answer))
                if not statement.is_deferred:
                    return
        except StopIteration as end:
            self._value, self._is_over = end.value, True
        except CleanlistError as error:
            self._refuse(error)

    def _refuse(self, error: CleanlistError) -> None:
        self._refusal, self._is_over = error, True

    def _end(self) -> None:
        self.is_ending = True
        is_refused = self._commit_unless is not None and self._value == self._commit_unless
        if self._refusal is not None or is_refused:
            # What was gathered and not sent is left out: it would be undone at once.
            self.trip = [(Statement("ROLLBACK"), Answer())]
        else:
            self.trip.append((Statement("COMMIT"), Answer()))


def _forgetful() -> ConfigurationError:
    return ConfigurationError(
        "This PostgreSQL forgets the last commits when it crashes (synchronous_commit = off).",
        fix="Set synchronous_commit = on for this database or user: what is forgotten is bought again.",
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1_000:.0f}"
