"""What a run gives back: a result for each contact that went in, and the counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

from cleanlist_async.errors import (
    CleanlistError,
    JournalError,
    StoreError,
    UnknownOutcomeError,
    WorkflowFailedError,
)
from cleanlist_async.facts import WORST_CASE_CREDITS
from cleanlist_async.results import EnrichmentResult, ResultStatus
from cleanlist_async.types import Billed

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

_UNPRICED: Final[tuple[ResultStatus, ...]] = ("pending", "unknown")
"""Statuses of what may still cost something."""
_STATUSES: Final[tuple[ResultStatus, ...]] = get_args(ResultStatus)


@dataclass(slots=True)
class Summary:
    """Counts of a run, those of all six statuses in ``statuses``.

    Credits are the server's word where it gave one, else by the price list.
    """

    contacts: int = 0
    """Contacts with a result."""
    # Not a Counter: dataclasses.asdict, which FastAPI calls, does not copy one rightly.
    statuses: dict[ResultStatus, int] = field(default_factory=lambda: dict.fromkeys(_STATUSES, 0))
    duplicates: int = 0
    """Those that share the purchase of an earlier contact."""
    workflows: int = 0
    """Workflows that the server accepted."""
    requests: int = 0
    """Requests that were sent."""
    lookups: int = 0
    """Requests for single contacts, which workflows without rows need."""
    credits: float = 0.0
    """Credits of results that are told for the first time: `spent_credits` and `fetched_credits`."""
    elapsed_s: float = 0.0
    """Seconds that the run took."""
    credits_at_risk: float | None = 0.0
    """Credits that what is pending or unknown may cost on top, at most; None where no price bounds it."""
    earlier_credits: float = 0.0
    """Credits that earlier runs, or others, paid for results of this one."""
    fetched_credits: float = 0.0
    """Those of them for results that had told nobody what they cost, because the run had ended."""

    def count(self, result: EnrichmentResult) -> None:
        """Add one result."""
        self.contacts += 1
        self.statuses[result.status] += 1
        self.duplicates += result.duplicate_of is not None
        self.credits += result.credits
        if result.status in _UNPRICED and result.duplicate_of is None and self.credits_at_risk is not None:
            price = None if result.enrichment_type is None else WORST_CASE_CREDITS.get(result.enrichment_type)
            self.credits_at_risk = None if price is None else self.credits_at_risk + price
        if result.bought_for is not None:
            self.earlier_credits += result.bought_for
        elif result.bought_at is not None:
            self.count_fetched(result.credits)

    def count_fetched(self, credits_: float) -> None:
        """Count credits of a result as those of an earlier run."""
        self.earlier_credits += credits_
        self.fetched_credits += credits_

    @property
    def spent_credits(self) -> float:
        """Credits that this run spent."""
        return self.credits - self.fetched_credits

    def __str__(self) -> str:
        most_first = sorted(self.statuses.items(), key=lambda item: -item[1])
        counts = ", ".join(f"{count:,} {status}" for status, count in most_first if count)
        earlier = f", {self.earlier_credits:,.10g} paid earlier" if self.earlier_credits else ""
        most = "more" if self.credits_at_risk is None else f"up to {self.credits_at_risk:,.10g}"
        on_top = "" if self.credits_at_risk == 0 else f", {most} on top for what is pending or unknown"
        spent = f"{_plural(self.spent_credits, 'credit')}{earlier}{on_top}"
        return f"{_plural(self.contacts, 'contact')}: {counts or 'none'}; {spent}"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands. ``total`` and ``eta_s`` (seconds) are None where they cannot be known.

    ``at_server`` are the workflows that the client waits for, the oldest of them submitted ``oldest_s``
    seconds ago; ``open_workflows`` those of the run, with the ones that are still to be submitted.
    """

    done: int
    """Contacts with a result."""
    total: int | None
    found: int
    """Those with an e-mail address or a phone number."""
    credits: float
    """Credits spent so far."""
    requests: int
    """Requests sent so far."""
    open_workflows: int
    elapsed_s: float
    """Seconds since the run began."""
    eta_s: float | None
    note: str | None = None
    """What the run waits for, where there is more to say."""
    at_server: int = 0
    oldest_s: float = 0.0
    accepted_workflows: int = 0
    """Those of the run that the server has, and that are not finished."""
    accepted_contacts: int = 0
    """The contacts in these."""
    waits_for_credits: bool = False
    """Whether nothing is sent until open workflows give back credits that a budget needs."""


@dataclass(slots=True)
class RunOutcome:
    """How a run ended: ``stopped_by`` what it met at the API, ``failure`` what the caller's own code raised.

    ``fault`` is the first error that kept contacts from a result, also of one after which the run went on;
    ``accepted`` says whether the server accepted any of it; ``has_refusals``, whether it refused contacts by
    name; ``is_remembered``, whether a store or a journal keeps the same call from buying it again.
    """

    stopped_by: CleanlistError | None = None
    fault: CleanlistError | None = None
    failure: Exception | None = None
    accepted: bool = False
    has_refusals: bool = False
    is_remembered: bool = False

    @property
    def error(self) -> Exception | None:
        """What ended the run early, if anything did."""
        return self.failure or self.stopped_by

    def note(self, error: CleanlistError) -> None:
        """Note an error that keeps contacts from a result."""
        self.fault = self.fault or error

    def conclude(self, summary: Summary) -> None:
        """Make the errors of a run that is over say what the run has spent, not only its last request."""
        billed = _spent(summary, accepted=self.accepted)
        for error in (self.stopped_by, self.fault):
            if error is not None and error.billed == "no" != billed:
                error.billed = billed
                # The answer may be what a store or journal that failed could not record.
                error.is_remembered = self.is_remembered and not isinstance(error, StoreError | JournalError)


@dataclass(slots=True, repr=False)
class EnrichmentReport:
    """The results of a finished or stopped run, one per input contact, in input order.

    ``stopped_by`` is the error that ended it early, or None. ``fault`` is the first error that kept contacts
    from a result, of a submit or of the reading of a workflow, also if the run went on.
    """

    results: Sequence[EnrichmentResult]
    """One for each input contact, in input order."""
    summary: Summary
    """Counts of these results."""
    stopped_by: CleanlistError | None = None
    fault: CleanlistError | None = None

    def __repr__(self) -> str:
        stop = f"; stopped by {type(self.stopped_by).__name__}" if self.stopped_by else ""
        return f"<EnrichmentReport {self.summary}{stop}>"

    @property
    def pending(self) -> list[EnrichmentResult]:
        """Accepted, but not here yet: give them to ``client.collect``, which costs no credits."""
        return [result for result in self.results if result.status == "pending"]

    @property
    def unknown(self) -> list[EnrichmentResult]:
        """Submitted, with an unknown outcome: look in the portal before you send them again."""
        return [result for result in self.results if result.status == "unknown"]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the results as rows: place, key, the contact (``contact_email``, ...) and what was found."""
        from cleanlist_async.tables.output_choice import as_dict  # noqa: PLC0415  # see _frame

        return [as_dict(result) for result in self.results]

    def to_polars(self) -> pl.DataFrame:
        """Return the rows of `to_dicts` as a frame of polars. Needs the extra ``frames``, and polars."""
        return cast("pl.DataFrame", self._frame("polars"))

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows of `to_dicts` as a frame of pandas. Needs the extra ``frames``, and pandas."""
        return cast("pd.DataFrame", self._frame("pandas"))

    def to_arrow(self) -> Any:
        """Return the rows of `to_dicts` as a ``pyarrow.Table``. Needs the extra ``frames``, and pyarrow."""
        return self._frame("pyarrow")

    def _frame(self, library: Literal["polars", "pandas", "pyarrow"]) -> Any:
        # Here, not above: every run makes a report, and few make a frame of it.
        from cleanlist_async.tables.frames import new_frame  # noqa: PLC0415
        from cleanlist_async.tables.output_choice import report_columns  # noqa: PLC0415

        return new_frame(report_columns(self.results), library)

    def raise_for_error(self) -> None:
        """Raise what kept contacts from a result, if anything did.

        That is the error that stopped the run; else, if contacts are ``pending``, ``unknown`` or ``failed``,
        `fault`; else, if contacts are ``unknown``, or ``failed`` for one common reason, UnknownOutcomeError
        or WorkflowFailedError.
        """
        if (error := self.stopped_by or self._common_error()) is not None:
            raise error

    def _common_error(self) -> CleanlistError | None:
        unknown, failed = self.unknown, [result for result in self.results if result.status == "failed"]
        if self.fault is not None and (unknown or failed or self.pending):
            return self.fault
        if unknown:
            return UnknownOutcomeError(
                f"{_plural(len(unknown), 'contact')} may have been bought: {unknown[0].error}"
            )
        if len({result.error for result in failed}) == 1:
            billed = _spent(self.summary, accepted=any(result.workflow_id for result in self.results))
            return WorkflowFailedError(
                f"{_plural(len(failed), 'contact')} failed: {failed[0].error}", billed=billed
            )
        return None


def _spent(summary: Summary, *, accepted: bool) -> Billed:
    """Return whether a run with these counts has spent credits."""
    if summary.statuses["pending"] or summary.statuses["unknown"]:
        return "unknown"
    if not accepted:
        return "no"
    # The price list may not know what a contact without findings cost.
    return "yes" if summary.credits else "unknown"


def _plural(count: float, noun: str) -> str:
    return f"{count:,.10g} {noun}" if count == 1 else f"{count:,.10g} {noun}s"
