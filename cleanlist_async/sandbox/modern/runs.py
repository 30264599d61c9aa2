"""Enrichment workflows of the modern surface: credits held, people looked up, results in their lists."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar, Final

from cleanlist_async.sandbox.clock import Agenda, Moments
from cleanlist_async.sandbox.gate import Caller
from cleanlist_async.sandbox.ledger import AcceptedContact, Ledger, SentContact, identity_of
from cleanlist_async.sandbox.options import Options, Shape, drawn, seeded, seeded_uuid
from cleanlist_async.sandbox.people import Expected, expected_by, throw
from cleanlist_async.sandbox.responses import refused

from .purchases import Funds, Purchase, Reservation
from .store import Lead, LeadLists

PENDING_SHARE: Final = 0.1
"""Share of its duration during which a workflow is still "pending"."""
PROVIDER: Final = "sandbox"
REVIEW_MESSAGE: Final = "This run failed after it was paid for. A refund is being reviewed."
TITLES: Final = ("Analyst", "Chief Executive Officer", "Head of Data", "Software Engineer", "VP Sales")


@dataclass(frozen=True, slots=True)
class Finding:
    """The result for one lead."""

    lead: Lead
    outcome: Expected
    number: int
    """A large number that belongs to the contact."""

    @property
    def phone(self) -> str | None:
        """One phone, where the Public API has a list of them."""
        return self.outcome.phones[0] if self.outcome.phones else None

    @property
    def hides_lead(self) -> bool:
        """A miss that shows as an empty lead id instead of as an inner "failed"."""
        # Half of the misses in each of the two documented forms.
        return not self.outcome.successful and self.number % 2 == 0

    def write(self) -> None:
        """Write what was found into the lead; names, title and company only where it has none."""
        if not self.outcome.successful:
            return
        lead, person = self.lead, self.outcome.person
        lead.first_name = lead.first_name or person.first_name
        lead.last_name = lead.last_name or person.last_name
        lead.title = lead.title or TITLES[self.number % len(TITLES)]
        lead.company = lead.company or person.company_name
        lead.domain = lead.domain or person.company_domain
        lead.linkedin_url = lead.linkedin_url or person.linkedin_url
        # What is found replaces what was known, unlike names, title and company.
        lead.email = self.outcome.email or lead.email
        lead.phone = self.phone or lead.phone
        lead.provider = PROVIDER
        lead.enriched = True

    def result(self, enrichment_type: str) -> dict[str, object]:
        """Return the ``result`` of a single-person run; both forms of a miss are documented."""
        lead, status = self.lead, self.outcome.email_status
        if self.hides_lead:
            return {"lead_id": "", "status": "completed"}
        if not self.outcome.successful:
            return {"lead_id": lead.lead_id, "status": "failed"}
        return {
            "lead_id": lead.lead_id,
            "status": "completed",
            "full_name": lead.full_name,
            "first_name": lead.first_name,
            "last_name": lead.last_name,
            "email": self.outcome.email,
            # Another word than the Public API's.
            "email_status": "valid" if status == "reliable" else status,
            "phone": self.phone,
            "linkedin_url": lead.linkedin_url,
            "title": lead.title,
            "company": lead.company,
            "enrichment_type": enrichment_type,
            "provider": PROVIDER,
        }


def find(lead: Lead, contact: SentContact, enrichment_type: str, options: Options) -> Finding:
    """Return the finding about a lead; ``contact`` is its identity when it was first bought."""
    number = throw(identity_of(contact), options.seed).number
    return Finding(lead, expected_by(options, contact, enrichment_type), number)


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


@dataclass(eq=False)
class Runs:
    """Every workflow there is."""

    options: Options
    moments: Moments
    agenda: Agenda
    funds: Funds
    ledger: Ledger
    lists: LeadLists

    def __post_init__(self) -> None:
        """Begin with none."""
        self._random = seeded(self.options.seed, "modern workflow_s")
        self._runs: dict[str, Run] = {}
        self._contacts: dict[str, SentContact] = {}

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
        reservation = self.funds.hold(caller, purchase, quote_id, needs_quote=needs_quote)
        number, now = len(self._runs), self.moments.now()
        kind = "enrich" if single else "bulk-enrich"
        # Apart from the random numbers for durations, so that one option does not shift the other.
        failing = seeded(self.options.seed, f"modern run {number}").random()
        run = Run(
            workflow_id=f"{kind}-{seeded_uuid(self.options.seed, 'run', number)}",
            owner=caller.user_id,
            list_id=list_id,
            enrichment_type=enrichment_type,
            leads=list(leads),
            reservation=reservation,
            single=single,
            starts_at=now,
            completes_at=now + drawn(self.options.workflow_s, self._random),
            will_fail=failing < self.options.shape.failed_workflows,
            prepaid=quote_id is not None,
        )
        self._accept(run, now)
        self._runs[run.workflow_id] = run
        self.agenda.at(run.completes_at, lambda: self._finish(run))
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
        self.ledger.contacts += run.entries

    def _finish(self, run: Run) -> None:
        for entry in run.entries:
            entry.charged_at = run.completes_at
        if run.will_fail:
            # What was paid for in advance is given back by hand only, after a review.
            run.reservation.settle(run.reservation.amount if run.prepaid else 0)
            return
        for lead, entry in zip(run.leads, run.entries, strict=True):
            finding = find(lead, entry.contact, run.enrichment_type, self.options)
            finding.write()
            run.findings.append(finding)
            entry.credits = finding.outcome.credits
        run.reservation.settle(int(sum(finding.outcome.credits for finding in run.findings)))
        with suppress(KeyError):  # the list may have been deleted meanwhile
            self.lists.add(run.list_id, [found.lead for found in run.findings if not found.hides_lead])


def status_body(handle: str, run: Run, shape: Shape, now: float) -> dict[str, object]:
    """Return how far a run is, under the handle that was polled.

    A bulk run gives counters only: its rows are in the list.
    """
    state = run.state(now)
    body: dict[str, object] = {
        "workflow_id": handle,
        "status": shape.status_words.get(state, state),
        "total": len(run.leads),
        "enrichment_type": run.enrichment_type,
        "lead_list_id": run.list_id,
    }
    return body | (_outcome(run, state) if run.share_done(now) >= 1 else _progress(run, now))


def _progress(run: Run, now: float) -> dict[str, object]:
    share = run.share_done(now)
    return {
        # Rounded down: 100 is for finished runs only.
        "progress": int(100 * share),
        "processed": int(len(run.leads) * share),
        "summary": None,
        "refund_status": None,
        "result": None,
        "credits_charged": None,
        "credits_refunded": None,
    }


def _outcome(run: Run, state: str) -> dict[str, object]:
    found = [finding for finding in run.findings if finding.outcome.successful]
    # A prepaid run keeps its charge until a person has reviewed the refund.
    in_review = state == "failed" and bool(run.reservation.charged)
    return {
        "progress": 100,
        "processed": len(run.leads),
        "completed": len(found),
        "failed": len(run.leads) - len(found),
        "summary": {
            "emails_found": sum(finding.outcome.email is not None for finding in found),
            "phones_found": sum(finding.phone is not None for finding in found),
        },
        "refund_status": "pending_review" if in_review else "not_applicable",
        "refund_message": REVIEW_MESSAGE if in_review else None,
        "result": _result(run),
        "credits_charged": run.reservation.charged,
        "credits_refunded": run.reservation.refunded,
    }


def _result(run: Run) -> dict[str, object] | None:
    if not run.single:
        return None
    if not run.findings:
        return {"lead_id": "", "status": "failed"}
    return run.findings[0].result(run.enrichment_type)
