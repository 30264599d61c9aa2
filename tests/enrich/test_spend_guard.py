"""Every call that can spend asks first: `before_spend`, and the budget of the store."""

from __future__ import annotations

import asyncio

import pytest

from cleanlist_async import (
    Budget,
    BudgetExceededError,
    CleanlistError,
    ConfigurationError,
    SpendingPausedError,
    SpendVetoedError,
)
from cleanlist_async.types import Spend
from tests.support.clients import ADA, against
from tests.support.paid_doors import DOORS, Server
from tests.support.virtual_sandbox import in_world, people

SUBMIT = "/enrich/bulk"
ALL_DOORS = {**DOORS, "raw": lambda client, _: client.request("POST", "/api/v2/enrichment/bulk", json={})}


async def stopped_by(door, client, folder) -> CleanlistError | None:
    """Return what stopped a call, raised or in the report of a job."""
    try:
        await ALL_DOORS[door](client, folder)
    except CleanlistError as error:
        return error
    return None


# -- every door --------------------------------------------------------------------------------------


@pytest.mark.sockets
@pytest.mark.parametrize("door", ALL_DOORS)
def test_a_veto_stops_every_door_before_its_first_byte(door, tmp_path):
    async def main():
        server = Server()
        async with against(server, before_spend=lambda _: False) as (client, _):
            return server, await stopped_by(door, client, tmp_path)

    server, error = asyncio.run(main())

    assert type(error) is SpendVetoedError
    assert (server.paid, error.billed, error.retryable) == (0, "no", False)


@pytest.mark.sockets
@pytest.mark.parametrize("door", ALL_DOORS)
def test_a_budget_of_nothing_stops_every_door(door, tmp_path):
    async def main():
        server = Server()
        async with against(server, store=tmp_path / "store.db") as (client, _):
            await client.budget.set(Budget(per_day=0))
            return server, await stopped_by(door, client, tmp_path)

    server, error = asyncio.run(main())

    assert type(error) is BudgetExceededError
    assert (server.paid, error.billed, error.period) == (0, "no", "day")


@pytest.mark.sockets
@pytest.mark.parametrize("door", ALL_DOORS)
def test_a_pause_stops_every_door(door, tmp_path):
    async def main():
        server = Server()
        async with against(server, store=tmp_path / "store.db") as (client, _):
            await client.budget.pause("stop")
            return server, await stopped_by(door, client, tmp_path)

    server, error = asyncio.run(main())

    assert (server.paid, type(error)) == (0, SpendingPausedError)


@pytest.mark.sockets
@pytest.mark.parametrize("door", ALL_DOORS)
def test_every_door_leaves_a_line_for_its_reservation_its_submit_and_its_answer(door, tmp_path):
    async def main():
        async with against(Server(), store=tmp_path / "store.db") as (client, _):
            await ALL_DOORS[door](client, tmp_path)
            return [line.event async for line in client.store.audit()]

    assert asyncio.run(main())[:3] == ["reserved", "submit", "accepted"]


# -- before_spend ------------------------------------------------------------------------------------


def test_the_hook_sees_what_each_call_may_spend():
    seen: list[Spend] = []

    async def main(here):
        await here.client.enrich(people(3), enrichment_type="full")
        await here.client.enrich_one(ADA)
        await here.client.enrichment.enrich_company(domain="a.example")
        await here.client.public.credits_balance()

    in_world(main, client_options={"before_spend": seen.append})

    assert seen == [
        Spend("enrich", "full", 3, 33.0),
        Spend("enrich_one", "partial", 1, 1.0),
        Spend("enrich_company", None, None, 1.0),
    ]


def test_a_quote_tells_the_price():
    seen: list[Spend] = []

    async def main(here):
        made = await here.client.lead_lists.create_list("a list")
        await here.client.lead_lists.import_csv(made.list_id, b"email\na@a.example\nb@a.example\n")
        await here.client.enrichment.enrich_list(made.list_id, max_credits=50)

    in_world(main, client_options={"before_spend": seen.append})

    (spend,) = seen
    assert (spend.door, spend.worst_case_credits) == ("enrich_list", 2)


def test_what_is_free_is_not_asked_about():
    async def main(here):
        await here.client.request("POST", "/api/v2/lead-lists", json={"name": "a"}, max_credits=0)
        await here.client.enrich(people(2), enrichment_type="none")

    in_world(main, client_options={"before_spend": lambda _: False})


async def _refuse_later(_: Spend) -> bool:
    await asyncio.sleep(1)
    return False


def _refuse_with_a_reason(_: Spend) -> bool:
    raise ConfigurationError("not on a Sunday")


def _fail(_: Spend) -> bool:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        (_refuse_later, "refused enrich"),
        (_refuse_with_a_reason, "not on a Sunday"),
        (_fail, "failed with ZeroDivisionError"),
    ],
)
def test_a_hook_refuses_by_its_answer_by_an_error_and_by_failing(hook, said):
    async def main(here):
        with pytest.raises(SpendVetoedError, match=said):
            await here.client.enrich(people(1))
        return here

    assert not in_world(main, client_options={"before_spend": hook}).ledger.contacts


def test_a_veto_in_the_middle_of_a_run_keeps_what_was_bought():
    answers = iter([True] + 10 * [False])

    async def main(here):
        return here, await here.client.enrich(people(500))

    here, report = in_world(main, client_options={"before_spend": lambda _: next(answers)})

    assert isinstance(report.stopped_by, SpendVetoedError)
    assert (len(here.ledger.contacts), report.summary.statuses["failed"]) == (250, 250)


def test_a_vetoed_contact_is_claimed_by_nobody(tmp_path):
    answers = iter([False, True])

    async def main(here):
        with pytest.raises(SpendVetoedError):
            await here.client.enrich(people(1))
        return await here.client.enrich(people(1))

    options = {"before_spend": lambda _: next(answers), "store": tmp_path / "store.db"}
    assert in_world(main, client_options=options).stopped_by is None
