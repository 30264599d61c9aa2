"""A bulk run whose store has contacts of others, or fails in between."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from cleanlist_async.sandbox import Fault
from tests.support.cases import each_case
from tests.support.stores import FaultyStore, another_client, end_leases
from tests.support.virtual_sandbox import check_against_ledger, in_world, people

STATUS = "/enrich/status"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


def with_store(path, main, **options):
    return in_world(main, client_options={"store": path}, **options)


async def leave_accepted(here, path, contacts):
    """Let another client submit contacts, and be closed before their workflow is done."""
    async with another_client(here, path) as other:
        leaving = asyncio.ensure_future(other.enrich(contacts))
        await anyio.sleep(2)
    with pytest.raises(BaseException):  # noqa: B017  # closed
        (await leaving).raise_for_error()


def test_orphans_whose_status_is_refused_are_pending_and_collected_later(path):
    async def main(here):
        await leave_accepted(here, path, people(20))
        here.sandbox.add_fault(Fault(STATUS, status=403, body={"detail": "No."}))
        report = await here.client.enrich(people(20))
        assert {one.status for one in report.results} == {"pending"}
        again = await here.client.enrich(people(20))
        check_against_ledger(here, again.results)
        assert {one.status for one in again.results} <= {"found", "not_found"}
        assert here.submits() == 1

    with_store(path, main)


@each_case("first_is_fresh", [False, True])
def test_fresh_shares_a_purchase_that_is_under_way(first_is_fresh, tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "store.db"

    async def main(here):
        async with another_client(here, path) as other:
            first = asyncio.ensure_future(other.enrich(people(20), fresh=first_is_fresh))
            await anyio.sleep(1)
            second = await here.client.enrich(people(20), fresh=not first_is_fresh)
            check_against_ledger(here, [*(await first).results, *second.results])
        assert len(here.ledger.contacts) == 20

    with_store(path, main)


def test_a_run_that_lost_one_of_its_claims_buys_the_others(path):
    async def main(here):
        await here.client.enrich(people(1, 99))
        await anyio.sleep(60)
        for _ in range(30):  # for a minute nothing is sent
            await here.client.public.validate_key()
        run = asyncio.ensure_future(here.client.enrich(people(10)))
        await anyio.sleep(1)
        end_leases(path)
        async with another_client(here, path) as other:
            theirs = asyncio.ensure_future(other.enrich(people(1)))
            check_against_ledger(here, [*(await run).results, *(await theirs).results])
        assert len(here.ledger.contacts) == 11

    with_store(path, main)


@each_case("failing", [{"accept"}, {"settle"}, {"release", "intend"}])
def test_the_next_run_is_not_held_up_by_what_the_store_did_not_take(failing, tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "store.db"

    async def main(here):
        store = here.client.store
        await store.open()
        store.failing = failing
        try:
            await here.client.enrich(people(20))
        except Exception as error:  # noqa: BLE001
            assert type(error).__name__ == "StoreUnavailableError"
        store.failing = set()
        again = await here.client.enrich(people(20))
        check_against_ledger(here, again.results)
        assert len(here.ledger.contacts) == 20

    with_store(FaultyStore(path), main)
