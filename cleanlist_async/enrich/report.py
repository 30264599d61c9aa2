"""What a run gives back: a result for each contact that went in, and the counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

from cleanlist_async.errors import CleanlistError, UnknownOutcomeError, WorkflowFailedError
from cleanlist_async.results import EnrichmentResult, ResultStatus

_STATUSES: Final[tuple[ResultStatus, ...]] = get_args(ResultStatus)


@dataclass(slots=True)
class Summary:
    """Counts of a run, those of all six statuses in ``statuses``.

    Credits are the server's word where it gave one, else by the price list.
    """

    contacts: int = 0
    # Not a Counter: dataclasses.asdict, which FastAPI calls, does not copy one rightly.
    statuses: dict[ResultStatus, int] = field(default_factory=lambda: dict.fromkeys(_STATUSES, 0))
    duplicates: int = 0
    workflows: int = 0
    requests: int = 0
    lookups: int = 0
    credits: float = 0.0
    elapsed_s: float = 0.0

    def count(self, result: EnrichmentResult) -> None:
        """Add one result."""
        self.contacts += 1
        self.statuses[result.status] += 1
        self.duplicates += result.duplicate_of is not None
        self.credits += result.credits

    def __str__(self) -> str:
        most_first = sorted(self.statuses.items(), key=lambda item: -item[1])
        counts = ", ".join(f"{count:,} {status}" for status, count in most_first if count)
        return f"{self.contacts:,} contacts: {counts or 'none'}; {self.credits:,.10g} credits"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands. ``total`` and ``eta_s`` (seconds) are None where they cannot be known.

    ``at_server`` are the workflows that the client waits for, the oldest of them submitted ``oldest_s``
    seconds ago; ``open_workflows`` those of the run, with the ones that are still to be submitted.
    """

    done: int
    total: int | None
    found: int
    credits: float
    requests: int
    open_workflows: int
    elapsed_s: float
    eta_s: float | None
    note: str | None = None
    at_server: int = 0
    oldest_s: float = 0.0


@dataclass(slots=True)
class RunOutcome:
    """How a run ended: ``stopped_by`` what it met at the API, ``failure`` what the caller's own code raised.

    ``fault`` is the first error of a submit, also of one after which the run went on; ``accepted`` says
    whether the server accepted any of it.
    """

    stopped_by: CleanlistError | None = None
    fault: CleanlistError | None = None
    failure: Exception | None = None
    accepted: bool = False

    @property
    def error(self) -> Exception | None:
        """What ended the run early, if anything did."""
        return self.failure or self.stopped_by


@dataclass(slots=True)
class EnrichmentReport:
    """The results of a finished or stopped run, one per input contact, in input order.

    ``stopped_by`` is the error that ended it early, or None; ``fault`` the first error of a submit, also if
    the run went on.
    """

    results: Sequence[EnrichmentResult]
    summary: Summary
    stopped_by: CleanlistError | None = None
    fault: CleanlistError | None = None

    @property
    def pending(self) -> list[EnrichmentResult]:
        """Accepted, but not here yet: give them to ``client.collect``, which costs no credits."""
        return [result for result in self.results if result.status == "pending"]

    @property
    def unknown(self) -> list[EnrichmentResult]:
        """Submitted, with an unknown outcome: look in the portal before you send them again."""
        return [result for result in self.results if result.status == "unknown"]

    def raise_for_error(self) -> None:
        """Raise what kept contacts from a result, if anything did.

        That is the error that stopped the run; else, if contacts are ``unknown``, or ``failed`` for one
        common reason, the first error of a submit, UnknownOutcomeError or WorkflowFailedError.
        """
        if (error := self.stopped_by or self._common_error()) is not None:
            raise error

    def _common_error(self) -> CleanlistError | None:
        unknown, failed = self.unknown, [result for result in self.results if result.status == "failed"]
        if (unknown or failed) and self.fault is not None:
            return self.fault
        if unknown:
            return UnknownOutcomeError(f"{_contacts(unknown)} may have been bought: {unknown[0].error}")
        if len({result.error for result in failed}) == 1:
            return WorkflowFailedError(f"{_contacts(failed)} failed: {failed[0].error}")
        return None


def _contacts(results: Sequence[EnrichmentResult]) -> str:
    return "1 contact" if len(results) == 1 else f"{len(results):,} contacts"
