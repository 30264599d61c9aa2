"""Enrichment workflows of the modern surface: credits held, people looked up, results in their lists."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

from cleanlist_async.sandbox.identity import seeded_uuid
from cleanlist_async.sandbox.ledger import AcceptedContact
from cleanlist_async.sandbox.options import drawn, seeded

from .findings import Finding, find
from .refusals import refused

if TYPE_CHECKING:
    from cleanlist_async.sandbox.auth import Caller
    from cleanlist_async.sandbox.ledger import Contact, Ledger
    from cleanlist_async.sandbox.options import Options

    from .agenda import Agenda
    from .moments import Moments
    from .purchases import Purchase
    from .reservations import Funds, Reservation
    from .store import Lead, LeadLists

PENDING_SHARE: Final = 0.1
"""Share of its duration during which a workflow is still "pending"."""


class Lasting:
    """What lasts from one moment of the sandbox's clock to another."""

    __slots__ = ()
    at_work: ClassVar = "running"
    """The word for its state after a first share of its time."""
    starts_at: float
    completes_at: float
    will_fail: bool

    def state(self, now: float) -> str:
        """Return its state."""
        if now >= self.completes_at:
            # Known from the start, so that the state needs nothing but the clock.
            return "failed" if self.will_fail else "completed"
        return "pending" if self.share_done(now) < PENDING_SHARE else self.at_work

    def share_done(self, now: float) -> float:
        """Return how much of its time has passed: 0..1."""
        if now >= self.completes_at:
            return 1.0
        return (now - self.starts_at) / (self.completes_at - self.starts_at)


@dataclass(slots=True)
class Run(Lasting):
    """A workflow. Times are seconds on the sandbox's clock."""

    workflow_id: str
    owner: str
    list_id: str
    enrichment_type: str
    leads: list[Lead]
    reservation: Reservation
    single: bool
    """Its result stands in its status."""
    starts_at: float
    completes_at: float
    will_fail: bool
    prepaid: bool
    """Paid for with a quote."""
    entries: list[AcceptedContact] = field(default_factory=list[AcceptedContact])
    findings: list[Finding] = field(default_factory=list[Finding])
    """What was found for each lead, once it has finished; nothing if it failed."""


class Runs:
    """Every workflow there is."""

    def __init__(
        self,
        options: Options,
        moments: Moments,
        agenda: Agenda,
        *,
        funds: Funds,
        ledger: Ledger,
        lists: LeadLists,
    ) -> None:
        self._options = options
        self._moments = moments
        self._agenda = agenda
        self._funds = funds
        self._ledger = ledger
        self._lists = lists
        self._random = seeded(options.seed, "modern workflow_s")
        self._runs: dict[str, Run] = {}
        self._contacts: dict[str, Contact] = {}

    def start(
        self,
        caller: Caller,
        purchase: Purchase,
        leads: Sequence[Lead],
        enrichment_type: str,
        list_id: str,
        *,
        quote_id: str | None = None,
        needs_quote: bool = False,
        single: bool = False,
    ) -> Run:
        """Redeem the quote (if given or needed), hold ``purchase.cost`` credits and start a workflow.

        Raises RefusedError for the quote or too few credits; then nothing was used up.
        """
        # First, so that a refusal leaves nothing behind.
        reservation = self._funds.hold(caller, purchase, quote_id, needs_quote=needs_quote)
        number, now = len(self._runs), self._moments.now()
        kind = "enrich" if single else "bulk-enrich"
        # Apart from the random numbers for durations, so that one option does not shift the other.
        failing = seeded(self._options.seed, f"modern run {number}").random()
        run = Run(
            workflow_id=f"{kind}-{seeded_uuid(self._options.seed, 'run', number)}",
            owner=caller.user_id,
            list_id=list_id,
            enrichment_type=enrichment_type,
            leads=list(leads),
            reservation=reservation,
            single=single,
            starts_at=now,
            completes_at=now + drawn(self._options.workflow_s, self._random),
            will_fail=failing < self._options.shape.failed_workflows,
            prepaid=quote_id is not None,
        )
        self._accept(run, now)
        self._runs[run.workflow_id] = run
        self._agenda.at(run.completes_at, lambda: self._finish(run))
        return run

    def get(self, workflow_id: str, caller: Caller) -> Run:
        """Return a workflow. Raises RefusedError 404 not_found for an unknown one or another user's."""
        run = self._runs.get(workflow_id)
        # 404 for another user's run too: the API does not show that it exists.
        if run is None or run.owner != caller.user_id:
            raise refused("not_found", "There is no such workflow.")
        return run

    def _accept(self, run: Run, now: float) -> None:
        for index, lead in enumerate(run.leads):
            # A lead keeps the identity it was first bought with: what is found about it changes nothing.
            contact = self._contacts.setdefault(lead.lead_id, lead.contact())
            entry = AcceptedContact(
                run.workflow_id, lead.lead_id, index, contact, run.enrichment_type, accepted_at=now
            )
            run.entries.append(entry)
        self._ledger.contacts += run.entries

    def _finish(self, run: Run) -> None:
        for entry in run.entries:
            entry.charged_at = run.completes_at
        if run.will_fail:
            # What was paid for in advance is given back by hand only, after a review.
            run.reservation.settle(run.reservation.amount if run.prepaid else 0)
            return
        for lead, entry in zip(run.leads, run.entries, strict=True):
            finding = find(lead, entry.contact, run.enrichment_type, self._options)
            finding.write()
            run.findings.append(finding)
            entry.credits = float(finding.credits)
        run.reservation.settle(sum(finding.credits for finding in run.findings))
        with suppress(KeyError):  # the list may have been deleted meanwhile
            self._lists.add(run.list_id, [found.lead for found in run.findings if not found.hides_lead])
