"""Owners of purchases: clients of a store as its doors see them, without a server to send to."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace

from cleanlist_async import Contact, EnrichmentResult
from cleanlist_async.contacts.identity import Prepared, prepare
from cleanlist_async.enrich.fetch import AcceptedWorkflow
from cleanlist_async.enrich.purchases import Purchases
from cleanlist_async.enrich.store_session import OwedWrites
from cleanlist_async.enrich.submit_record import SubmitRecord, Wanted
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.storage.store import operations
from cleanlist_async.storage.store.operations import Buyer
from cleanlist_async.storage.store.records import Claim, Freshness, Mine
from cleanlist_async.storage.store.store import Store

ORGANIZATION = "org-1@api.example"
PARTIAL = Wanted("partial", Freshness(), "enrich")


def people(numbers: Iterable[int]) -> list[Prepared]:
    """Contacts that may be sent, by number."""
    return [
        prepare(number, Contact(first_name=f"Ada{number}", last_name="Lovelace", company_domain="a.example"))
        for number in numbers
    ]


def found(contact: Prepared, price: float = 1.0) -> EnrichmentResult:
    """A result as the server would give it."""
    return EnrichmentResult(
        contact.index,
        contact.contact,
        "found",
        email=f"ada{contact.index}@a.example",
        enrichment_type="partial",
        credits_charged=price,
        raw={"primary_email": f"ada{contact.index}@a.example"},
    )


class Owner:
    """One client with a lease in a store."""

    def __init__(self, store: Store, name: str, organization: str = ORGANIZATION) -> None:
        self.store = store
        self.buyer = Buyer(name, organization)
        session = SimpleNamespace(
            store=store,
            pipeline=None,
            owed=OwedWrites(),
            opened=self._opened,
            digest=lambda contact: store.digest(contact.identity),
            end_leases_of_the_dead=self._nobody_is_dead,
        )
        self.purchases = Purchases(session)

    @classmethod
    async def begin(cls, store: Store, name: str, organization: str = ORGANIZATION) -> Owner:
        """Begin a lease."""
        await store.open()
        owner = cls(store, name, organization)
        await owner.renew()
        return owner

    async def _opened(self) -> Buyer:
        return self.buyer

    async def _nobody_is_dead(self) -> bool:
        return False

    async def renew(self, lease_s: float = 30.0) -> None:
        await self.store.run(operations.renew(self.buyer.owner, "a machine", 4711, lease_s))

    async def pause(self) -> None:
        """Be silent for longer than the lease."""
        await self.renew(-1.0)

    async def claim(self, contacts: list[Prepared], wanted: Wanted = PARTIAL) -> list[Claim]:
        claims = await self.purchases.claim(contacts, wanted)
        return [claims[contact.index] for contact in contacts]

    async def claims_all(self, contacts: list[Prepared], wanted: Wanted = PARTIAL) -> bool:
        return all(isinstance(claim, Mine) for claim in await self.claim(contacts, wanted))

    def submit(self, contacts: list[Prepared], wanted: Wanted = PARTIAL) -> SubmitRecord:
        return self.purchases.submit(contacts, wanted)

    async def send(self, contacts: list[Prepared], wanted: Wanted = PARTIAL) -> SubmitRecord:
        """Claim contacts, and record that they are about to be sent."""
        assert await self.claims_all(contacts, wanted)
        record = self.submit(contacts, wanted)
        await record.intend()
        return record

    async def buy(self, contacts: list[Prepared], workflow_id: str, wanted: Wanted = PARTIAL) -> SubmitRecord:
        """Do all until a submit is accepted."""
        record = await self.send(contacts, wanted)
        await record.accepted(workflow(workflow_id, contacts))
        return record


def workflow(workflow_id: str, contacts: list[Prepared]) -> AcceptedWorkflow:
    ids = tuple(f"{workflow_id}-{contact.index}" for contact in contacts)
    return AcceptedWorkflow(workflow_id, tuple(contacts), ids, ids, None, 0.0, is_new=True, whole=True)


def full(door: str = "enrich", enrichment_type: EnrichmentType = "full") -> Wanted:
    return Wanted(enrichment_type, Freshness(), door)
