"""Owners that buy, pause, die and come back in any order: nobody is paid for twice."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)

from cleanlist_async import Store
from cleanlist_async.enrich.submit_record import SubmitRecord, Wanted
from cleanlist_async.errors import ClaimLostError
from cleanlist_async.storage.store.records import Doubtful, Freshness, Known, Mine, Orphan
from tests.support.store_owners import PARTIAL, Owner, found, people, workflow

FRESH = Wanted("partial", Freshness(buy_anew=True), "enrich")
NAMES = ("ann", "bob", "cat")
numbers = st.sets(st.integers(0, 5), min_size=1).map(sorted)


class Submit:
    """A submit of the model: what an owner sent, and what the server did with it."""

    def __init__(self, owner: Owner, record: SubmitRecord, contacts: list, workflow_id: str) -> None:
        self.owner, self.record, self.contacts, self.workflow_id = owner, record, contacts, workflow_id


class ManyOwners(RuleBasedStateMachine):
    """Rules are what an owner does in its own order; a paused one goes on as if nothing had happened."""

    url = ""
    runner: asyncio.Runner
    claimed = Bundle("claimed")
    sent = Bundle("sent")
    accepted = Bundle("accepted")

    def __init__(self) -> None:
        super().__init__()
        self.store = Store(self.url)
        organization = uuid4().hex
        self.owners = {name: self.do(Owner.begin(self.store, name, organization)) for name in NAMES}
        self.server: defaultdict[int, set[str]] = defaultdict(set)
        """Workflows that the server has accepted, by contact."""
        self.fresh: set[int] = set()

    def do(self, work):
        return self.runner.run(work)

    def teardown(self) -> None:
        self.do(self.store.aclose())

    @rule(
        target=claimed,
        name=st.sampled_from(NAMES),
        numbers=numbers,
        fresh=st.sampled_from([False] * 9 + [True]),
    )
    def claim(self, name, numbers, fresh):
        owner, contacts = self.owners[name], people(numbers)
        claims = self.do(owner.claim(contacts, FRESH if fresh else PARTIAL))
        if fresh:
            self.fresh |= set(numbers)
        for contact, claim in zip(contacts, claims, strict=True):
            if isinstance(claim, Known | Orphan | Doubtful):
                continue
            if isinstance(claim, Mine) and contact.index not in self.fresh:
                assert not self.server[contact.index], "what was bought may be bought again"
        orphans = [(c, claim) for c, claim in zip(contacts, claims, strict=True) if isinstance(claim, Orphan)]
        for submission in {claim.submission for _, claim in orphans}:
            theirs = [contact for contact, claim in orphans if claim.submission == submission]
            record = owner.submit(theirs)
            record.submission = submission
            self.do(record.settle([found(contact) for contact in theirs]))
        return owner, [c for c, claim in zip(contacts, claims, strict=True) if isinstance(claim, Mine)]

    @rule(target=sent, claim=consumes(claimed), answer=st.sampled_from(["accepts", "loses", "refuses"]))
    def send(self, claim, answer):
        owner, contacts = claim
        if not contacts:
            return Submit(owner, owner.submit([]), [], "")
        record, workflow_id = owner.submit(contacts), f"wf-{uuid4().hex}"
        try:
            self.do(record.intend())
        except ClaimLostError:
            return Submit(owner, record, [], "")
        if answer == "refuses":
            self.do(record.refused("BadRequestError"))
            self.do(owner.purchases.release(contacts, "partial"))
            return Submit(owner, record, [], "")
        for contact in contacts:
            assert not self.server[contact.index] or contact.index in self.fresh, "it was bought twice"
            self.server[contact.index].add(workflow_id)
        if answer == "loses":
            self.do(record.unknown("APITimeoutError"))
        return Submit(owner, record, contacts, workflow_id)

    @rule(target=accepted, submit=consumes(sent))
    def hear(self, submit):
        """The answer comes, perhaps after its owner was given up, or had given up itself."""
        if submit.contacts:
            self.do(submit.record.accepted(workflow(submit.workflow_id, submit.contacts)))
        return submit

    @rule(submit=consumes(accepted))
    def settle(self, submit):
        if submit.contacts:
            self.do(submit.record.settle([found(contact) for contact in submit.contacts]))

    @rule(claim=consumes(claimed))
    def release(self, claim):
        owner, contacts = claim
        self.do(owner.purchases.release(contacts, "partial"))

    @rule(name=st.sampled_from(NAMES))
    def pause(self, name):
        self.do(self.owners[name].pause())

    @rule(name=st.sampled_from(NAMES))
    def renew(self, name):
        self.do(self.owners[name].renew())

    @invariant()
    def nobody_is_paid_for_twice(self):
        for number, workflows in self.server.items():
            assert len(workflows) <= 1 or number in self.fresh


@pytest.mark.parametrize("examples", [15, pytest.param(100, marks=pytest.mark.slow)])
def test_whatever_owners_do_nobody_is_paid_for_twice_unless_asked_for(store_url, examples):
    limits = settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    with asyncio.Runner() as runner:
        machine = type("Machine", (ManyOwners,), {"url": store_url, "runner": runner})
        run_state_machine_as_test(machine, settings=limits)
