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
from tests.support.virtual_sandbox import open_world, people

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
@pytest.mark.anyio
async def test_a_veto_stops_every_door_before_its_first_byte(door, tmp_path):
    server = Server()
    async with against(server, before_spend=lambda _: False) as (client, _):
        error = await stopped_by(door, client, tmp_path)

    assert type(error) is SpendVetoedError
    assert (server.paid, error.billed, error.retryable) == (0, "no", False)


@pytest.mark.sockets
@pytest.mark.parametrize("door", ALL_DOORS)
@pytest.mark.anyio
async def test_a_budget_of_nothing_stops_every_door(door, tmp_path):
    server = Server()
    async with against(server, store=tmp_path / "store.db") as (client, _):
        await client.budget.set(Budget(per_day=0))
        error = await stopped_by(door, client, tmp_path)

    assert type(error) is BudgetExceededError
    assert (server.paid, error.billed, error.period) == (0, "no", "day")


@pytest.mark.sockets
@pytest.mark.parametrize("door", ALL_DOORS)
@pytest.mark.anyio
async def test_a_pause_stops_every_door(door, tmp_path):
    server = Server()
    async with against(server, store=tmp_path / "store.db") as (client, _):
        await client.budget.pause("stop")
        error = await stopped_by(door, client, tmp_path)

    assert (server.paid, type(error)) == (0, SpendingPausedError)


@pytest.mark.sockets
@pytest.mark.parametrize("door", ALL_DOORS)
@pytest.mark.anyio
async def test_every_door_leaves_a_line_for_its_reservation_its_submit_and_its_answer(door, tmp_path):
    async with against(Server(), store=tmp_path / "store.db") as (client, _):
        await ALL_DOORS[door](client, tmp_path)
        events = [line.event async for line in client.store.audit()]
    assert events[:3] == ["reserved", "submit", "accepted"]


# -- before_spend ------------------------------------------------------------------------------------


async def test_the_hook_sees_what_each_call_may_spend():
    seen: list[Spend] = []

    async with open_world(client_options={"before_spend": seen.append}) as world:
        await world.client.enrich(people(3), enrichment_type="full")
        await world.client.enrich_one(ADA)
        await world.client.enrichment.enrich_company(domain="a.example")
        await world.client.public.credits_balance()

    assert seen == [
        Spend("enrich", "full", 3, 33.0),
        Spend("enrich_one", "partial", 1, 1.0),
        Spend("enrich_company", None, None, 1.0),
    ]


async def test_a_quote_tells_the_price():
    seen: list[Spend] = []

    async with open_world(client_options={"before_spend": seen.append}) as world:
        made = await world.client.lead_lists.create_list("a list")
        await world.client.lead_lists.import_csv(made.list_id, b"email\na@a.example\nb@a.example\n")
        await world.client.enrichment.enrich_list(made.list_id, max_credits=50)

    (spend,) = seen
    assert (spend.door, spend.worst_case_credits) == ("enrich_list", 2)


@pytest.mark.world(client_options={"before_spend": lambda _: False})
async def test_what_is_free_is_not_asked_about(world):
    await world.client.request("POST", "/api/v2/lead-lists", json={"name": "a"}, max_credits=0)
    await world.client.enrich(people(2), enrichment_type="none")


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
async def test_a_hook_refuses_by_its_answer_by_an_error_and_by_failing(hook, said):
    async with open_world(client_options={"before_spend": hook}) as world:
        with pytest.raises(SpendVetoedError, match=said):
            await world.client.enrich(people(1))
    assert not world.ledger.contacts


async def test_a_veto_in_the_middle_of_a_run_keeps_what_was_bought():
    answers = iter([True] + 10 * [False])

    async with open_world(client_options={"before_spend": lambda _: next(answers)}) as world:
        report = await world.client.enrich(people(500))

    assert isinstance(report.stopped_by, SpendVetoedError)
    assert (len(world.ledger.contacts), report.summary.statuses["failed"]) == (250, 250)


async def test_a_vetoed_contact_is_claimed_by_nobody(tmp_path):
    answers = iter([False, True])

    veto = {"before_spend": lambda _: next(answers)}
    async with open_world(store=tmp_path / "store.db", client_options=veto) as world:
        with pytest.raises(SpendVetoedError):
            await world.client.enrich(people(1))
        assert (await world.client.enrich(people(1))).stopped_by is None
