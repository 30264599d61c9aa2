"""What is done to a store, each operation one transaction. They yield statements, and do no I/O themselves.

So the rules stand once, however a database is driven: SQLite in a thread, PostgreSQL over the network.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from cleanlist_async import facts
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.storage.store import jobs, spending
from cleanlist_async.storage.store import statements as sql
from cleanlist_async.storage.store.audit import note
from cleanlist_async.storage.store.job_records import JobLease
from cleanlist_async.storage.store.reading import reading
from cleanlist_async.storage.store.records import PurchaseRow, SubmitState, cost_of, serving
from cleanlist_async.storage.store.statements import Operation, Statement, deferred

Door: TypeAlias = Literal["enrich", "enrich_one", "job"]


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who buys: the client, and the organization it buys for."""

    owner: str
    organization: str


@dataclass(frozen=True, slots=True)
class SubmitIntent:
    """A submit that is about to be sent, by the digests of its contacts.

    `is_unclaimed` where the caller buys knowingly what may be bought already: then it takes what it sends.
    `repeated` counts the contacts in it beyond the first of each digest. `job` is that which it is made for.
    """

    submission: str
    enrichment_type: EnrichmentType
    door: Door
    digests: tuple[str, ...]
    is_unclaimed: bool = False
    repeated: int = 0
    job: JobLease | None = None

    @property
    def contacts(self) -> int:
        """How many contacts are in it."""
        return len(self.digests) + self.repeated

    @property
    def worst_case_credits(self) -> float | None:
        """What it can cost at most; None where nothing bounds that."""
        price = facts.WORST_CASE_CREDITS.get(self.enrichment_type)
        return None if price is None else float(price * self.contacts)


@dataclass(frozen=True, slots=True)
class CallIntent:
    """A paid call that buys no contacts by their identity, and is about to be made.

    `enrichment_type` is empty where the call has none, and `worst_case_credits` None where nothing bounds it.
    """

    submission: str
    door: str
    enrichment_type: str
    contacts: int | None
    worst_case_credits: float | None


# -- organizations --------------------------------------------------------------------------------------


@reading
def find_organization(name: str) -> Operation[str | None]:
    """Return the organization that goes by *name*; None if that is not known."""
    found: str | None = (yield Statement(sql.FIND_ORGANIZATION, {"name": name})).one
    return found


def name_organization(name: str, organization: str) -> Operation[None]:
    """Note that *name* is *organization*, and give it what was bought under that name."""
    values = {"name": name, "organization": organization}
    yield deferred(sql.NAME_ORGANIZATION, values)
    yield deferred(sql.MOVE_PURCHASES, values)
    yield from spending.move(name, organization)


# -- owners ---------------------------------------------------------------------------------------------


def renew(owner: str, place: str, pid: int, lease_s: float) -> Operation[None]:
    """Begin or prolong the lease of an owner."""
    yield deferred(sql.RENEW, {"owner": owner, "place": place, "pid": pid, "lease_s": lease_s})


@reading
def neighbours(owner: str, place: str) -> Operation[list[tuple[str, int]]]:
    """Return the names and process numbers of other owners on this machine whose lease has not run out."""
    answer = yield Statement(sql.NEIGHBOURS, {"owner": owner, "place": place})
    return [(str(name), int(pid)) for name, pid in answer.rows]


def end_leases(owners: Sequence[str]) -> Operation[None]:
    """End the leases of owners that are gone."""
    yield deferred(sql.END_LEASES, {"owners": list(owners)})
    yield deferred(sql.FORGET_OWNERS, {})


# -- purchases ------------------------------------------------------------------------------------------


@reading
def look(organization: str, digests: Collection[str]) -> Operation[dict[str, list[PurchaseRow]]]:
    """Return the rows of each digest, of all types."""
    values = {"organization": organization, "digests": list(digests)}
    found: defaultdict[str, list[PurchaseRow]] = defaultdict(list)
    for row in (yield Statement(sql.LOOK, values)).rows:
        digest, kind, owner, lease_until, submission, state, workflow_id, task_id, key_name, job, *rest = row
        result, settled_at, now, *earlier = rest
        lives = lease_until is not None and lease_until > now
        if submission is None and not lives:  # it was claimed to be bought anew, and was not
            submission, state, workflow_id, key_name, job = earlier
        found[digest].append(
            PurchaseRow(
                digest=digest,
                enrichment_type=kind,
                owner=owner,
                owner_lives=lives,
                submission=submission,
                state=state,
                workflow_id=workflow_id,
                task_id=task_id,
                key_name=key_name,
                job=job,
                result=result,
                settled_at=settled_at,
                now=now,
            )
        )
    return dict(found)


def import_result(
    organization: str, digest: str, enrichment_type: EnrichmentType, result: str, age_s: float
) -> Operation[None]:
    """Take over a result that was bought elsewhere so long ago, unless the contact is known already."""
    values = {
        "organization": organization,
        "type": enrichment_type,
        "pairs": {digest: result},
        "age_s": age_s,
    }
    yield deferred(sql.IMPORT, values)


def record_bought(
    organization: str, enrichment_type: EnrichmentType, results: Mapping[str, str]
) -> Operation[None]:
    """Record results by digest that a submit has brought which is not in the store."""
    values = {"organization": organization, "type": enrichment_type, "pairs": dict(results)}
    yield deferred(sql.RECORD_BOUGHT, values)


def take(buyer: Buyer, digests: Collection[str], enrichment_type: EnrichmentType) -> Operation[None]:
    """Claim purchases that nobody has. Only after a `look` in the same transaction."""
    if digests:
        yield deferred(sql.TAKE, _of(buyer, digests, enrichment_type))


def release(buyer: Buyer, digests: Collection[str], enrichment_type: EnrichmentType) -> Operation[None]:
    """Give up claims of which nothing was sent."""
    values = _of(buyer, digests, enrichment_type)
    yield deferred(sql.RELEASE_KNOWN, values)
    yield deferred(sql.RELEASE_NEW, values)


def give_up(
    buyer: Buyer, digests: Collection[str], adopted: Collection[str], enrichment_type: EnrichmentType
) -> Operation[None]:
    """Undo a claim of which nothing is known, with what it may have *adopted*.

    A workflow that another task of this owner waits for may then be fetched twice, which is free.
    """
    yield from release(buyer, digests, enrichment_type)
    values = {**_of(buyer, adopted, enrichment_type), "types": list(serving(enrichment_type))}
    yield deferred(sql.RELEASE_ADOPTED, values)


def adopt(
    buyer: Buyer, submission: str, digests: Collection[str], enrichment_type: EnrichmentType
) -> Operation[None]:
    """Take over purchases of an accepted submit whose owner is gone. Only after a `look`, as `take`."""
    yield deferred(sql.ADOPT, {**_of(buyer, digests, enrichment_type), "submission": submission})


def _of(buyer: Buyer, digests: Collection[str], enrichment_type: EnrichmentType) -> dict[str, Any]:
    return {
        "organization": buyer.organization,
        "owner": buyer.owner,
        "type": enrichment_type,
        "digests": list(digests),
    }


# -- submits --------------------------------------------------------------------------------------------


def intend(buyer: Buyer, intent: SubmitIntent) -> Operation[bool]:
    """Record that claimed contacts are about to be sent; return False if a claim is no longer *buyer*'s.

    The transaction of a False must not be committed, nor one in which a budget is exceeded or the job is
    another's by now.
    """
    values = {**_of(buyer, intent.digests, intent.enrichment_type), "submission": intent.submission}
    if intent.is_unclaimed:
        yield deferred(sql.TAKE, values)
    sent = yield deferred(sql.SEND, values)
    if intent.job is not None:
        yield from jobs.admit(buyer.owner, intent.job, intent.worst_case_credits or 0.0)
    yield from intend_call(buyer, intent)
    if intent.job is not None:
        yield from jobs.assign(intent.job, intent.submission)
    # Filled in by now: `spending.reserve` has waited for an answer since.
    return sent.changed == len(set(intent.digests))


@reading
def room(buyer: Buyer, job: JobLease | None) -> Operation[float]:
    """Return the credits that the limits of the organization, and that of a job, still cover."""
    status = yield from spending.status(buyer.organization)
    left = [status.day.left, status.month.left]
    if job is not None:
        left.append((yield from jobs.read(job.job)).credits_left)
    return min((credits_ for credits_ in left if credits_ is not None), default=math.inf)


def intend_call(buyer: Buyer, intent: SubmitIntent | CallIntent) -> Operation[None]:
    """Reserve what a paid call can cost, and record that it is about to be made.

    What exceeds the budget must not be committed.
    """
    credits_ = intent.worst_case_credits
    quarter = yield from spending.reserve(buyer.organization, credits_)
    values = {
        "submission": intent.submission,
        "door": intent.door,
        "organization": buyer.organization,
        "owner": buyer.owner,
        "type": intent.enrichment_type,
        "contacts": intent.contacts or 0,
        "reserved": credits_ or 0.0,
        "quarter": quarter,
    }
    yield deferred(sql.INTEND, values)
    for event, reserved in (("reserved", credits_), ("submit", None)):
        yield note(
            event,
            buyer.organization,
            submission=intent.submission,
            door=intent.door,
            contacts=intent.contacts,
            reserved=reserved,
        )


def accept(
    buyer: Buyer,
    submission: str,
    workflow_id: str | None,
    task_ids: Mapping[str, str],
    *,
    key_name: str | None,
) -> Operation[bool]:
    """Record the workflow of a submit, and the task of each digest; return False if it is another's."""
    values = {"submission": submission, "workflow_id": workflow_id}
    others = yield deferred(sql.IS_ANOTHERS, values)
    accepted = yield Statement(sql.ACCEPT, {**values, "key_name": key_name})
    if others.rows:
        return False
    if not accepted.changed:
        return True  # it is recorded already
    if task_ids:
        yield deferred(sql.NAME_TASKS, {"submission": submission, "pairs": dict(task_ids)})
    yield note("accepted", buyer.organization, submission=submission, workflow_id=workflow_id)
    return True


def close(
    buyer: Buyer, submission: str, state: SubmitState, reason: str, *, is_unclaimed: bool = False
) -> Operation[None]:
    """Record that a submit was refused, that its outcome is unknown, or that its workflow is lost.

    Contacts of a refused submit stay claimed, except by an unclaimed one, which took them only to send them.
    """
    values = {"submission": submission, "state": state, "reason": reason}
    if not (yield Statement(sql.CLOSE, values)).changed:
        return  # it was never recorded, or is closed or accepted already
    if state != "refused" or is_unclaimed:
        yield deferred(sql.ABANDON, {**values, "owner": buyer.owner})
    if state == "refused":  # otherwise what it may have cost stays reserved
        yield deferred(sql.TAKE_BACK, values)
        yield from spending.settle_all(submission, spent=0.0)
    yield note(state, buyer.organization, submission=submission, reason=reason)


def settle(
    buyer: Buyer,
    submission: str,
    results: Mapping[str, str],
    unpaid: Collection[str] = (),
    *,
    outcomes: Sequence[jobs.Values] = (),
    repeated: Sequence[float] = (),
    is_unclaimed: bool = False,
) -> Operation[None]:
    """Record results by digest, and what cost nothing; the rest is left to whoever asks for it next.

    `outcomes` are recorded in the job of the submit, if it has one; see `jobs.settle_rows`. `repeated` has
    the credits of contacts beyond the first of each digest. What another has settled meanwhile stays as it
    is, and is not counted twice. Contacts of an unclaimed submit may be in another since, and are counted all
    the same: as many as were not counted yet.
    """
    # Deferred, and read after the next statement, whose round trip brings both answers.
    open_ones = yield deferred(sql.UNSETTLED, {"submission": submission})
    reserved = yield from spending.reservation(submission)
    unsettled = {digest for (digest,) in open_ones.rows}
    if settled := {digest: text for digest, text in results.items() if digest in unsettled}:
        yield deferred(sql.SETTLE, {"submission": submission, "pairs": settled})
    if unpaid:
        yield deferred(sql.GIVE_BACK, {"submission": submission, "digests": list(unpaid)})
    yield deferred(sql.ABANDON, {"submission": submission, "owner": buyer.owner})
    costs = {**{digest: cost_of(text) for digest, text in results.items()}, **dict.fromkeys(unpaid, 0.0)}
    counted = [cost for digest, cost in costs.items() if digest in unsettled]
    if is_unclaimed:
        counted += [cost for digest, cost in costs.items() if digest not in unsettled] + list(repeated)
        before = 0 if reserved is None else reserved.settled
        counted = counted[: max(0, len(counted) - before)]
    if counted and reserved is not None:
        yield from spending.settle(reserved, counted)
        if reserved.job is not None:
            yield from jobs.settle_rows(reserved.job, [row for row in outcomes if row[0] in unsettled])
        yield note(
            "settled",
            buyer.organization,
            submission=submission,
            contacts=len(counted),
            credits_=sum(counted),
        )


def accept_call(
    buyer: Buyer, submission: str, workflow_id: str | None, spent: float | None
) -> Operation[None]:
    """Record that the server took a paid call, and what it cost, if that is known already."""
    is_ours = yield from accept(buyer, submission, workflow_id, {}, key_name=None)
    if not is_ours:
        yield from close(buyer, submission, "unknown", "answered with the workflow of another call")
    elif spent is not None:
        yield from settle_call(buyer, submission, spent)


def settle_call(buyer: Buyer, submission: str, spent: float) -> Operation[None]:
    """Record what a paid call did cost, the first time that it is told."""
    if (yield Statement(sql.SETTLE_CALL, {"submission": submission})).changed:
        yield from spending.settle_all(submission, spent=spent)
        yield note("settled", buyer.organization, submission=submission, credits_=spent)


def settle_workflow(buyer: Buyer, workflow_id: str, spent: float) -> Operation[None]:
    """Record what the workflow of a paid call did cost; see `settle_call`."""
    values = {"organization": buyer.organization, "workflow_id": workflow_id}
    submission = (yield Statement(sql.FIND_UNSETTLED_CALL, values)).one
    if submission is not None:
        yield from settle_call(buyer, submission, spent)


# -- purging and the audit trail ------------------------------------------------------------------------


def purge(older_than_s: float, most: int) -> Operation[int]:
    """Forget up to *most* results that are older, and what nobody is buying; return how many results."""
    forgotten = yield Statement(sql.FORGET_RESULTS, {"older_than_s": older_than_s, "most": most})
    yield Statement(sql.FORGET_PURCHASES, {"most": most})
    return forgotten.changed


@reading
def count() -> Operation[tuple[int, int, int, int]]:
    """Return how many results, purchases under way, lines of the audit trail and bytes there are."""
    results, under_way, lines, size = (yield Statement(sql.COUNT)).rows[0]
    return results, under_way, lines, size
