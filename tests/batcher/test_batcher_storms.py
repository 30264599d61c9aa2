"""Callers leave at any moment, and everything goes wrong: nobody hangs, nothing leaks or is paid twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanlist_async import CleanlistError, UnknownOutcomeError, WaitTimeoutError
from cleanlist_async.sandbox import Fault
from cleanlist_async.sandbox.ledger import identity_of
from tests.support.callers import PATIENT_S, check_nothing_leaks, check_own_results, come_and_go, outcomes
from tests.support.examples import examples
from tests.support.virtual_sandbox import open_world, people

SUBMIT, STATUS = "/enrich/bulk", "/enrich/status"


@pytest.mark.parametrize(("seed", "count"), [(1, 300), pytest.param(2, 1_000, marks=pytest.mark.slow)])
async def test_callers_cancelled_at_random_instants_affect_no_other(world, seed, count):
    contacts, got, cancelled = await come_and_go(world, seed, count)

    assert {one.status for one in got[::2]} == {"found", "not_found"}
    assert cancelled > 0.6 * count
    assert sum(one is None for one in got) > 0.3 * count
    check_own_results(world, contacts, got)
    assert set(world.ledger.times_accepted().values()) == {1}
    assert world.ledger.count(429) == 0
    check_nothing_leaks(world)


@dataclass(frozen=True)
class Visit:
    """A caller: when it comes, what for, when it is cancelled, and how long it would wait."""

    at_s: float
    person: int
    leaves_s: float | None
    deadline_s: float


times = st.sampled_from([0.0, 0.02, 0.05, 0.1, 0.3, 1.0, 2.1, 4.0, 7.0])
visits = st.lists(
    st.builds(
        Visit,
        at_s=times,
        person=st.integers(0, 12),
        leaves_s=st.none() | times,
        deadline_s=st.sampled_from([0.04, 1.0, 6.0, 60.0, PATIENT_S]),
    ),
    min_size=1,
    max_size=25,
)
nths = st.integers(1, 4)
named = {"detail": [{"loc": ["body", "contacts", 0], "msg": "no", "type": "value_error"}]}
paths = st.sampled_from([SUBMIT, STATUS])
refusals = st.sampled_from([named, {"detail": "no"}])
faults = st.lists(
    st.builds(Fault, path=paths, nth=nths, status=st.sampled_from([401, 429, 500, 503]))
    | st.builds(Fault, path=st.just(SUBMIT), nth=nths, status=st.just(422), body=refusals)
    | st.builds(Fault, path=st.just(SUBMIT), nth=nths, status=st.just(413))
    | st.builds(Fault, path=paths, nth=nths, when=st.just("after"), reset=st.just(value=True))
    | st.builds(Fault, path=paths, nth=nths, when=st.just("after"), delay_s=st.just(3.0)),
    max_size=3,
)


@pytest.mark.slow
@settings(max_examples=examples(60))
@given(visits, faults, st.integers(0, 30))
async def test_whatever_happens_each_caller_has_its_own_end_and_nobody_pays_twice(visits_, faults_, spent):
    async def visit(world, one):
        await anyio.sleep(one.at_s)
        with anyio.move_on_after(one.leaves_s):
            return await world.client.enrich_one(people(1, one.person)[0], deadline_s=one.deadline_s)

    async with open_world() as world:
        async with anyio.create_task_group() as group:
            for _ in range(spent):
                group.start_soon(world.client.public.validate_key)
        for fault in faults_:
            world.sandbox.add_fault(fault)
        tasks = [asyncio.ensure_future(visit(world, one)) for one in visits_]
        got = await outcomes(tasks)
        await anyio.sleep(1_000)
        check_nothing_leaks(world)

        errors = [one for one in got if isinstance(one, CleanlistError)]
        assert len({id(error) for error in errors}) == len(errors)
        workflows = {contact.workflow_id for contact in world.ledger.contacts}
        sent = {identity_of(contact.contact) for contact in world.ledger.contacts}
        for one, end in zip(visits_, got, strict=True):
            mine = identity_of(people(1, one.person)[0])
            if isinstance(end, UnknownOutcomeError | WaitTimeoutError):
                assert end.billed == "unknown" or mine not in sent or _bought_by_another(visits_, one)
                pending = getattr(end, "pending", None)
                assert pending is None or pending.workflow_id == end.workflow_id in workflows
            elif isinstance(end, CleanlistError):
                assert end.billed == "no"
        # Nobody hears of a submit whose answer was lost after its callers had left: the next one buys.
        unanswered = sum(fault.path == SUBMIT and fault.reset for fault in faults_)
        check_results(world, visits_, got, unanswered)


def _bought_by_another(visits_, one):
    return sum(other.person == one.person for other in visits_) > 1


def bought_times(world):
    persons = {identity_of(people(1, person)[0]): person for person in range(13)}
    return Counter(persons[identity_of(contact.contact)] for contact in world.ledger.contacts)


def check_results(world, visits_, got, unanswered):
    """Every result is the server's, and each purchase served all who asked while it was on its way."""
    payers, lost = Counter(), Counter()
    for one, end in zip(visits_, got, strict=True):
        if isinstance(end, UnknownOutcomeError | WaitTimeoutError) or end is None:
            lost[one.person] = 1 if not isinstance(end, UnknownOutcomeError) else lost[one.person] + 1
        if end is None or isinstance(end, CleanlistError) or end.status == "invalid":
            continue
        truth = world.sandbox.expected(people(1, one.person)[0], "partial")
        assert (end.status, end.email) == ("found" if truth.successful else "not_found", truth.email)
        if end.duplicate_of is None:
            payers[one.person] += 1
    for person, times in bought_times(world).items():
        assert times <= payers[person] + lost[person] + unanswered
    workflows = {contact.workflow_id for contact in world.ledger.contacts}
    for workflow_id in workflows:
        bought = [identity_of(c.contact) for c in world.ledger.contacts if c.workflow_id == workflow_id]
        assert len(bought) == len(set(bought))
