"""What to do about submits whose outcome is unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

from cleanlist_async import facts
from cleanlist_async.checks import check_credits, check_function, checked_id, optional, wrong
from cleanlist_async.errors import ConfigurationError, JournalError
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import ChunkRow, Decision, Header

OnUnknown: TypeAlias = (
    'Literal["hold", "resubmit"] | Callable[[UnknownChunk], Literal["hold", "resubmit", "abandon"] | None]'
)


@dataclass(frozen=True, slots=True)
class UnknownChunk:
    """A chunk that was sent and may have been accepted.

    ``first`` and ``last`` are places in the input, from 0. ``credits_at_risk`` are the credits
    that sending it again could spend a second time.
    """

    number: int
    """The number of the chunk, for `Job.resolve`."""
    first: int
    last: int
    contacts: int
    """How many contacts are in doubt."""
    since: str | None
    """When it was sent, in UTC (ISO 8601)."""
    reason: str | None
    """Why its outcome is not known."""
    credits_at_risk: float

    @classmethod
    def of(cls, chunk: ChunkRow, per_contact: float) -> UnknownChunk:
        """Describe a chunk."""
        return cls(
            chunk.number,
            chunk.first,
            chunk.last,
            chunk.held,
            chunk.since,
            chunk.reason,
            chunk.held * per_contact,
        )


@dataclass(frozen=True, slots=True)
class UnknownPolicy:
    """Holds unknown chunks, sends them again within a limit of credits at risk, or asks the caller."""

    on_unknown: OnUnknown = "hold"
    max_duplicate_credits: float | None = None

    def __post_init__(self) -> None:
        """Refuse what could buy twice without a bound. Raises ConfigurationError."""
        if callable(self.on_unknown):
            check_function("on_unknown", self.on_unknown)
        elif not isinstance(self.on_unknown, str) or self.on_unknown not in {"hold", "resubmit"}:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise wrong("on_unknown", "'hold', 'resubmit' or a function", self.on_unknown)
        optional(check_credits, "max_duplicate_credits", self.max_duplicate_credits)
        if (self.on_unknown == "resubmit") != (self.max_duplicate_credits is not None):
            raise ConfigurationError(
                "on_unknown='resubmit' goes with max_duplicate_credits, the most that may be bought twice."
            )

    def decide(self, chunk: ChunkRow, at_risk: float, risked: float) -> Decision | None:
        """Return what to do about a chunk; None to hold it. *risked*: credits put at risk before."""
        if callable(self.on_unknown):
            per_contact = at_risk / chunk.held if chunk.held else 0.0
            decision = self.on_unknown(UnknownChunk.of(chunk, per_contact))
            # Checked, since a wrong word must not pass for a decision that spends.
            if decision not in {None, "hold", "resubmit", "abandon"}:
                raise ConfigurationError(f"on_unknown answers None, resubmit or abandon, not {decision!r}.")
            return None if decision == "hold" else decision
        # The limit is the job's, over all runs: `risked` is read from the journal.
        if self.on_unknown == "resubmit" and risked + at_risk <= (self.max_duplicate_credits or 0):
            return "resubmit"
        return None


def unknown_chunks(journal: Journal, header: Header) -> list[UnknownChunk]:
    """Return the chunks whose outcome is unknown, in the order of the input."""
    found = journal.chunks("WHERE state = 'unknown' ORDER BY first")
    return [UnknownChunk.of(chunk, _per_contact(header)) for chunk in found]


def the_decision(**chosen: bool) -> Decision:
    """Return the only decision that was chosen. Raises ConfigurationError for none, or several."""
    decisions = [decision for decision in get_args(Decision) if chosen[decision]]
    if len(decisions) != 1:
        raise ConfigurationError("Give exactly one of accepted, absent, resubmit and abandon.")
    return cast("Decision", decisions[0])


def decide(
    journal: Journal,
    header: Header,
    chunk: int,
    decision: Decision,
    *,
    actor: str,
    workflow_id: str | None,
) -> None:
    """Record a decision about an unknown chunk.

    Raises JournalError when it is not unknown, or the workflow is that of another one.
    """
    optional(checked_id, "accepted", workflow_id)
    if workflow_id is not None and journal.is_of_another(workflow_id, chunk):
        raise JournalError("This workflow belongs to another chunk.", fix="Look for the one of this chunk.")
    # Only `resubmit` risks anything; `absent` states that nothing was bought.
    at_risk = journal.chunk(chunk).held * _per_contact(header) if decision == "resubmit" else 0.0
    journal.decide(chunk, decision, actor, at_risk, workflow_id)


def _per_contact(header: Header) -> float:
    return facts.WORST_CASE_CREDITS.get(header.enrichment_type) or 0
