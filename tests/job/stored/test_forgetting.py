"""A person's data is deleted from the store: results, and rows of jobs, finished or not."""

from __future__ import annotations

import json

import anyio
import pytest

from cleanlist_async import ConfigurationError, Contact, JobLockedError, StoreError
from cleanlist_async.sandbox import Fault
from tests.job.worlds import SUBMIT
from tests.support.cases import each_case
from tests.support.stores import another_client, end_leases
from tests.support.virtual_sandbox import people

pytestmark = pytest.mark.world(hit_rate=1.0)

GRACE = Contact(first_name="Grace", last_name="Hopper-Lovelace", company_domain="navy.example", key="g1")
OTHERS = people(40)
NAMED = {"first_name": "grace", "last_name": " Hopper-LOVELACE", "company_domain": "www.navy.example"}


async def run(client, *args, **options):
    async with await client.job("crm", *args, **options) as job:
        report = await job.run()
        assert await job.verify() == []
    return report


async def results_of(client):
    async with await client.job("crm") as job:
        return {result.index: result async for result in job}


def times_bought(world):
    return sum(one.contact.get("last_name") == GRACE.last_name for one in world.ledger.contacts)


async def audited(store):
    return [(line.event, line.actor, line.contacts) async for line in store.audit()]


async def test_a_finished_job_keeps_its_sums_and_nothing_of_the_person(world, path):
    before = (await run(world.client, [*OTHERS, GRACE, GRACE])).status
    spent = world.ledger.credits_charged
    gone = await world.client.store.forget(NAMED, actor="dpo")
    assert (gone.results, gone.rows) == (1, 2)
    results = await results_of(world.client)
    for place in (40, 41):
        assert results[place].contact == Contact()
        assert (results[place].email, results[place].key, results[place].status) == (None, None, "invalid")
        assert "deleted" in results[place].error
    assert results[3].contact == OTHERS[3]
    async with await world.client.job("crm") as job:
        after = await job.status()
        receipts = [receipt async for receipt in job.receipts()]
        assert await job.verify() == []
    assert (after.credits_spent, after.contacts, after.state) == (spent, before.contacts, "complete")
    assert sum(receipt.credits for receipt in receipts) == spent
    assert (await audited(world.client.store))[-1] == ("forgotten", "dpo", 1)
    await world.client.store.aclose()
    assert b"Hopper-Lovelace" not in path.read_bytes()
    assert b"hopper" not in path.read_bytes().lower()


async def test_an_unfinished_job_does_not_send_the_person_any_more(world):
    world.sandbox.add_fault(Fault(SUBMIT, status=402, when="before"))
    assert (await run(world.client, [*OTHERS, GRACE])).stopped_by is not None
    gone = await world.client.store.forget(NAMED)
    assert (gone.results, gone.rows) == (0, 1)
    report = await run(world.client)
    assert (report.status.state, report.status.results) == ("complete", {"found": 40, "invalid": 1})
    assert times_bought(world) == 0
    await world.client.enrich_one(GRACE)  # passed again, and so bought
    assert times_bought(world) == 1


@each_case("known_by", ["name", "e-mail", "found e-mail", "profile", "found profile", "another employer"])
async def test_whatever_names_the_person_finds_what_was_bought(world, known_by):
    store = world.client.store
    given = {
        "first_name": f"Grace {known_by}",
        "last_name": "Hopper",
        "company_name": "Navy",
        "company_domain": "navy.example",
        "email": f"{known_by.replace(' ', '.')}@old.example",
        "linkedin_url": f"https://linkedin.com/in/{known_by.replace(' ', '-')}",
    }
    bought = await world.client.enrich_one(given)
    named = {name: given[name] for name in ("first_name", "last_name", "company_name")}
    match known_by:
        case "e-mail":
            await run(world.client, [given])
            named = {"email": given["email"].upper()}
        case "found e-mail":
            named = {"email": bought.email}
        case "profile":
            named = {"linkedin_url": f"https://de.linkedin.com/in/{known_by}/?trk=x"}
        case "found profile":
            named = {"linkedin_url": bought.raw["prospect"]["linkedin_url"]}
        case "another employer":
            named["company_name"] = "Army"
    is_another = known_by == "another employer"
    assert (await store.forget(named)).results == (0 if is_another else 1)
    assert ((await world.client.enrich_one(given)).bought_at is not None) == is_another


@each_case(
    "named",
    [
        {},
        {"first_name": "Ada", "last_name": "Lovelace"},
        {"company_domain": "navy.example"},
        {"linkedin_url": "https://linkedin.com/company/navy"},
        {"nickname": "Ada"},
    ],
)
async def test_who_may_be_several_people_is_refused(world, named):
    with pytest.raises(ConfigurationError, match="person"):
        await world.client.store.forget(GRACE, named)


async def test_a_job_that_is_running_is_locked(world, path):
    async with another_client(world, world.client.store) as other, await other.job("crm", [*OTHERS, GRACE]):
        with pytest.raises(JobLockedError, match="crm"):
            await world.client.store.forget(NAMED)
    end_leases(path)
    assert (await world.client.store.forget(NAMED)).rows == 1


async def test_who_is_being_bought_is_told_of(world):
    async with anyio.create_task_group() as group:
        group.start_soon(world.client.enrich_one, GRACE)
        await anyio.sleep(5)
        with pytest.raises(StoreError, match="is being bought"):
            await world.client.store.forget(NAMED)
    assert (await world.client.store.forget(NAMED)).results == 1


async def test_a_submit_of_unknown_outcome_goes_on_without_the_person(world):
    world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
    report = await run(world.client, [GRACE])
    assert report.unknown
    held = report.status.credits_held
    assert (await world.client.store.forget(NAMED)).rows == 1
    report = await run(world.client)
    assert (report.status.state, report.unknown, report.status.credits_held) == ("complete", [], held)
    assert await world.client.store.orphans() == []


async def test_an_invalid_contact_goes_too(world):
    odd = Contact(first_name="Only", email="Grace@navy.example", key="x")
    await run(world.client, [*OTHERS, odd])
    assert (await world.client.store.forget({"email": "grace@NAVY.example"})).rows == 1
    async with await world.client.job("crm") as job:
        assert (await job.status()).invalid == 1
    (listed,) = await world.client.store.jobs()
    assert json.loads(json.dumps(listed.contacts)) == 41


def before_the_deletion(monkeypatch, store, do):
    """Do something after the person was looked for, and before anything is deleted."""
    run_operation = store.run

    async def run_later(operation, **options):
        if operation.__name__ == "forget":
            monkeypatch.undo()
            await do()
        return await run_operation(operation, **options)

    monkeypatch.setattr(store, "run", run_later)


async def test_who_is_bought_while_the_person_is_looked_for_is_deleted(world, monkeypatch):
    store = world.client.store
    before_the_deletion(monkeypatch, store, lambda: world.client.enrich_one(GRACE))
    assert (await store.forget(NAMED)).results == 1
    assert await world.client.enrich_one(GRACE)
    assert times_bought(world) == 2


async def test_a_job_that_begins_while_the_person_is_looked_for_is_locked(world, monkeypatch):
    store = world.client.store
    async with another_client(world, store) as other:

        async def begin():
            job = await other.job("crm", [*OTHERS, GRACE, GRACE])
            await job.__aenter__()

        before_the_deletion(monkeypatch, store, begin)
        with pytest.raises(JobLockedError, match="crm"):
            await store.forget(NAMED)
