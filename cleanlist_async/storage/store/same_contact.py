"""One contact under two digests: with the e-mail address that was found for it, and without.

An e-mail address belongs to the identity of a contact, because it decides whom the API finds. But what a
purchase has found tells nothing new: whoever gives it back, as a column of a file that was enriched or as the
``email`` of a result, asks for the contact that was bought. So two contacts that differ only in an e-mail
address are the same where one has none, and the store has a result of type ``partial`` or ``full`` for it
with the address of the other, in any letter case. What is known, on its way or in doubt of either counts for
both. Another address, such as one that the caller knew before, makes another contact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic_core import from_json

from cleanlist_async.contacts.identity import Prepared, prepare
from cleanlist_async.contacts.texts import folded
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.storage.store import jobs, operations
from cleanlist_async.storage.store import statements as sql
from cleanlist_async.storage.store.records import Claim, Freshness, Mine, PurchaseRow, judge
from cleanlist_async.storage.store.statements import Operation, deferred

_WITH_EMAIL: Final = frozenset({"partial", "full"})


@dataclass(frozen=True, slots=True)
class Seen:
    """What a store has of one contact: `other` is the digest of the same contact, if there is one."""

    digest: str
    other: str | None
    claim: Claim


@dataclass(frozen=True, slots=True)
class Question:
    """What a store is asked, by whom, and how contacts are found there.

    `digest` is that of a contact as it is given, `keyed` that of another identity.
    """

    organization: str
    enrichment_type: EnrichmentType
    freshness: Freshness
    digest: Callable[[Prepared], str]
    keyed: Callable[[bytes], str]

    def seen(
        self, contact: Prepared, digest: str, other: str | None, rows: Mapping[str, list[PurchaseRow]]
    ) -> Seen:
        """Return what is to be done for a contact that is the same as the *other*, if there is one."""
        theirs = [*rows.get(digest, ()), *(rows.get(other, ()) if other is not None else ())]
        return Seen(digest, other, judge(theirs, contact, self.enrichment_type, self.freshness))


def look(question: Question, contacts: Sequence[Prepared]) -> Operation[dict[int, Seen]]:
    """Return what is to be done for each contact, by its index.

    One statement is enough, unless a contact without an e-mail address is to be bought that has one by now.
    """
    others = {
        contact.index: question.keyed(contact.identity_with(None))
        for contact in contacts
        if contact.sent.email is not None
    }
    own = {contact.index: question.digest(contact) for contact in contacts}
    rows = yield from operations.look(question.organization, {*own.values(), *others.values()})
    found: dict[int, Seen] = {}
    again: list[tuple[Prepared, str]] = []
    for contact in contacts:
        email, digest, other = contact.sent.email, own[contact.index], others.get(contact.index)
        if other is not None and folded(email or "") not in _emails(rows.get(other, ())):
            other = None
        seen = found[contact.index] = question.seen(contact, digest, other, rows)
        if email is None and isinstance(seen.claim, Mine):
            emails = sorted(_emails(rows.get(digest, ())))
            again += [(contact, question.keyed(contact.identity_with(email))) for email in emails]
    if again:
        rows |= yield from operations.look(question.organization, {other for _, other in again})
        for contact, other in again:
            # Until one address of several is known: what is asked later must not undo it.
            if isinstance(found[contact.index].claim, Mine):
                found[contact.index] = question.seen(contact, own[contact.index], other, rows)
    return found


def keep(organization: str, enrichment_type: EnrichmentType, copies: Mapping[str, str]) -> Operation[None]:
    """Give digests the results of others, by which they are found also once these have changed."""
    values = {"organization": organization, "type": enrichment_type, "pairs": dict(copies)}
    yield deferred(sql.KEEP, values)


def purge_rows(job: str, organization: str, keyed: Callable[[bytes], str]) -> Operation[bool]:
    """Remove some contacts of a job, and what was found for them by either digest; see `jobs.purge_rows`."""
    rows = yield from jobs.first_rows(job)
    own = {row.place: row.digest for row in rows if row.digest is not None}
    prepared = [prepare(row.place, row.contact) for row in rows if row.place in own]
    contacts = [contact for contact in prepared if isinstance(contact, Prepared)]
    bare = {c.index: keyed(c.identity_with(None)) for c in contacts if c.sent.email is not None}
    found = yield from operations.look(organization, {*own.values(), *bare.values()})
    same: set[str] = set()
    for contact in contacts:
        email = contact.sent.email
        if email is None:
            emails = _emails(found.get(own[contact.index], ()))
            same |= {keyed(contact.identity_with(address)) for address in emails}
        elif folded(email) in _emails(found.get(bare[contact.index], ())):
            same.add(bare[contact.index])
    if same:
        values = {"organization": organization, "digests": list(same)}
        yield deferred(sql.FORGET_RESULTS_OF, values)
    return (yield from jobs.purge_rows(job, organization))


def _emails(rows: Iterable[PurchaseRow]) -> set[str]:
    """Return the e-mail addresses that were found, in one letter case."""
    results = [row.result for row in rows if row.enrichment_type in _WITH_EMAIL and row.result is not None]
    emails = (from_json(result).get("email") for result in results)
    return {folded(email) for email in emails if email}
