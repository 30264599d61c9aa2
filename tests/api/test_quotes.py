"""Paid calls of the modern surface and the faults of the world: never bought twice, never a false word."""

from __future__ import annotations

from itertools import product

import anyio
import pytest

from cleanlist_async import (
    BudgetExceededError,
    CleanlistError,
    DeadlineExceededError,
    InsufficientCreditsError,
    QuoteAlreadyRedeemedError,
    QuoteExpiredError,
    QuoteMismatchError,
    UnknownOutcomeError,
)
from cleanlist_async.api.models.public import Quote
from cleanlist_async.api.modern import affordable, check_price
from cleanlist_async.cli.terminal.asking import Consent, agree_to_spend
from cleanlist_async.sandbox import Fault
from tests.support.cases import each_case
from tests.support.clients import Served, respond, virtual_client
from tests.support.examples import some
from tests.support.modern_world import csv_of, error_of, list_of, modern_world, sent

LOST = {
    "reset after": {"reset": True, "when": "after"},
    "close after": {"close": True, "when": "after"},
    "torn": {"truncate": 10, "when": "after"},
    "500 after": {"status": 500, "when": "after"},
    "502 html after": {"status": 502, "body": "<html>", "when": "after"},
    "garbage after": {"body": b"{", "when": "after"},
    "200 with nothing after": {"body": b"", "when": "after"},
    "504 after": {"status": 504, "when": "after"},
    "408 after": {"status": 408, "body": {"detail": "slow"}, "when": "after"},
    "reset before": {"reset": True, "when": "before"},
    "500 before": {"status": 500, "when": "before"},
    "silence": {"delay_s": 100.0, "when": "after"},
}
REFUSED = {
    "429": {"status": 429, "when": "before"},
    "413 of a gateway": {"status": 413, "body": "<html>", "when": "before"},
}


class Buyer:
    """The six calls that can spend credits."""

    def __init__(self, world, list_id, task_id):
        self.world, self.client, self.list_id, self.task_id = world, world.client, list_id, task_id

    async def quote(self, tool, **asked):
        return (await self.client.workspace.credits_estimate(tool, **asked)).quote_id

    async def person(self):
        return await self.client.enrichment.enrich_person(self.list_id, email="a@b.example")

    async def quoted_person(self):
        quote_id = await self.quote("enrich_person", enrichment_type="partial")
        return await self.client.enrichment.enrich_person(
            self.list_id, email="a@b.example", quote_id=quote_id
        )

    async def company(self):
        return await self.client.enrichment.enrich_company(domain="c.example")

    async def by_task(self):
        return await self.client.enrichment.enrich_by_task(
            self.task_id, data_points=["Email"], lead_list_id=self.list_id, max_credits=5
        )

    async def whole_list(self):
        return await self.client.enrichment.enrich_list(self.list_id, max_credits=5)

    async def agent(self):
        return await self.client.smart_agents.run_smart_agent(
            self.list_id, column_name="c", prompt="p", max_credits=5
        )

    async def file(self):
        return await self.client.lead_lists.import_csv(
            self.list_id,
            b"email\nnew@b.example\n",
            dispatch_enrichment=True,
            enrichment_type="partial",
            max_credits=1,
        )


PATHS = {
    "person": "/enrichment/person",
    "quoted_person": "/enrichment/person",
    "company": "/enrichment/company",
    "by_task": "/enrichment/by-task",
    "whole_list": "/enrichment/bulk",
    "agent": "/smart-agents/run",
    "file": "/csv-import",
}
UNGUARDED = {"person", "company"}


async def buyer_of(world) -> Buyer:
    list_id = await list_of(world, 3)
    page = await world.client.search.people(departments=["Sales"], limit=4)
    return Buyer(world, list_id, page.task_id)


def purchases(world) -> int:
    """How many runs the server has begun, and companies it has sold."""
    workflows = {contact.workflow_id for contact in world.ledger.contacts}
    charged = [
        charge for charge in world.ledger.charges if charge.tool in {"enrich_company", "run_smart_agent"}
    ]
    return len(workflows) + len(charged)


async def bought(world) -> int:
    await anyio.sleep(300)
    world.ledger.on_read()
    return purchases(world)


@pytest.mark.scaled
@each_case(("purchase", "fault"), some(product(PATHS, LOST)))
async def test_a_lost_answer_is_asked_for_again_only_where_the_server_takes_it_once(purchase, fault):
    async with modern_world(hit_rate=1.0, client_options={"request_timeout_s": 10.0}) as world:
        buyer = await buyer_of(world)
        before = len(sent(world, PATHS[purchase]))
        world.sandbox.add_fault(Fault("*" + PATHS[purchase], **LOST[fault]))
        try:
            outcome = await getattr(buyer, purchase)()
        except CleanlistError as error:
            outcome = error
        attempts = len(sent(world, PATHS[purchase])) - before
        processed = LOST[fault]["when"] == "after"
        if purchase in UNGUARDED:
            assert (type(outcome), attempts) == (UnknownOutcomeError, 1)
            assert outcome.billed == "unknown"
            assert await bought(world) == processed
        elif processed and purchase != "file":  # the quote is used up, by a call whose answer is lost
            assert (type(outcome), attempts) == (UnknownOutcomeError, 2)
            assert outcome.code == "quote_already_redeemed"
            assert await bought(world) == 1
        else:
            assert not isinstance(outcome, CleanlistError)
            assert attempts == 2
            assert await bought(world) == 1
        assert not world.ledger.duplicates()


@pytest.mark.slow
@each_case("fault", REFUSED)
@each_case("purchase", PATHS)
async def test_proof_that_nothing_happened(purchase, fault):
    async with modern_world(hit_rate=1.0) as world:
        buyer = await buyer_of(world)
        world.sandbox.add_fault(Fault("*" + PATHS[purchase], **REFUSED[fault]))
        try:
            await getattr(buyer, purchase)()
        except CleanlistError as error:
            assert (fault, error.billed) == ("413 of a gateway", "no")
            assert await bought(world) == 0
        else:
            assert fault == "429"
            assert await bought(world) == 1


@pytest.mark.slow
@each_case("retries", [0, 4])
@each_case("purchase", PATHS)
async def test_a_server_that_stays_away_leaves_the_outcome_unknown(purchase, retries):
    async with modern_world(client_options={"max_retries": retries}) as world:
        buyer = await buyer_of(world)
        before = len(sent(world, PATHS[purchase]))
        world.sandbox.add_fault(Fault("*" + PATHS[purchase], status=500, times=99))
        error = await error_of(getattr(buyer, purchase)())
        assert type(error) is UnknownOutcomeError
        assert len(sent(world, PATHS[purchase])) - before == (1 if purchase in UNGUARDED else 1 + retries)
        assert await bought(world) == 0


QUOTE = {"quote_id": "q1", "estimated_cost": 1, "tool": "t", "sufficient": True, "row_count": 1}


@each_case(
    ("status", "code"),
    [
        (400, "quote_expired"),
        (400, "quote_mismatch"),
        (400, "spend_cap_exceeded"),
        (400, "insufficient_credits"),
        (404, "list_not_found"),
        (403, "insufficient_scope"),
        (503, "not_enabled"),
    ],
)
async def test_a_refusal_after_a_lost_answer_buys_nothing_anew(status, code):
    refusal = {"error": {"code": code, "problem": "no", "retryable": False, "request_id": "r"}}

    def handle(request, number):
        if request.path.endswith("/estimate"):
            return respond(QUOTE)
        return respond(b"{", 200) if number == 1 else respond(refusal, status)

    server = Served(handle)
    async with virtual_client(server) as client:
        error = await error_of(client.enrichment.enrich_list("l", max_credits=5))
    assert type(error) is UnknownOutcomeError
    assert error.billed == "unknown"
    assert [request.path.rpartition("/")[2] for request in server.requests] == ["estimate", "bulk", "bulk"]


async def test_a_deadline_after_a_lost_answer_does_not_claim_that_nothing_was_billed():
    async with virtual_client(lambda request, number: respond({}, 500), latency=lambda: 1.0) as client:
        error = await error_of(
            client.with_options(deadline_s=3.0).enrichment.enrich_list("l", quote_id="qte_1")
        )
    assert isinstance(error, DeadlineExceededError)
    assert error.billed == "unknown"


@pytest.mark.world(quote_ttl_s=10.0)
async def test_an_expired_quote_is_replaced_once_under_the_same_wall(world):
    list_id = await list_of(world, 3)
    world.sandbox.add_fault(Fault("*/credits/estimate", delay_s=11.0, when="after"))
    await world.client.enrichment.enrich_list(list_id, max_credits=3)
    assert (len(sent(world, "/estimate")), len(sent(world, "/bulk"))) == (2, 2)
    assert await bought(world) == 1
    world.sandbox.add_fault(Fault("*/credits/estimate", delay_s=11.0, when="after", times=2))
    error = await error_of(world.client.enrichment.enrich_list(list_id, max_credits=3))
    assert isinstance(error, QuoteExpiredError)
    assert (len(sent(world, "/estimate")), await bought(world)) == (4, 1)


async def test_the_new_price_is_held_against_the_wall_too():
    stale = {"error": {"code": "spend_cap_exceeded", "problem": "no", "retryable": False, "request_id": "r"}}

    def handle(request, number):
        quote = QUOTE | {"estimated_cost": 3 if number == 0 else 4}
        return respond(quote) if request.path.endswith("/estimate") else respond(stale, 400)

    server = Served(handle)
    async with virtual_client(server) as client:
        error = await error_of(client.enrichment.enrich_list("l", max_credits=3))
    assert isinstance(error, BudgetExceededError)
    assert (error.max_credits, error.committed_credits, error.billed) == (3, 0, "no")
    assert len(server.requests) == 3


@each_case("cost", [None, "NaN", "much", 3.01, 4, "inf"])
async def test_a_price_that_is_none_or_too_high_is_not_bought(cost):
    server = Served(lambda request, number: respond(QUOTE | {"estimated_cost": cost}))
    async with virtual_client(server) as client:
        for call in (
            client.enrichment.enrich_list("l", max_credits=3),
            client.enrichment.enrich_by_task("t", data_points=["Domain"], max_credits=3),
            client.smart_agents.run_smart_agent("l", column_name="c", prompt="p", max_credits=3),
        ):
            assert isinstance(await error_of(call), BudgetExceededError)
    assert {request.path for request in server.requests} == {"/api/v2/credits/estimate"}


async def test_a_quote_that_does_not_say_whether_it_suffices_is_tried():
    quote = {name: value for name, value in QUOTE.items() if name != "sufficient"}
    answers = {"estimate": quote, "bulk": {"workflow_id": "w"}}
    async with virtual_client(
        lambda request, number: respond(answers[request.path.rpartition("/")[2]])
    ) as client:
        found = await client.enrichment.enrich_list("l", max_credits=1)
    assert found.workflow_id == "w"


async def test_a_given_quote_is_never_replaced(world):
    list_id = await list_of(world, 2)
    quote = await world.client.workspace.credits_estimate("enrich_list", list_id=list_id)
    await anyio.sleep(301)
    error = await error_of(world.client.enrichment.enrich_list(list_id, quote_id=quote.quote_id))
    assert isinstance(error, QuoteExpiredError)
    assert len(sent(world, "/estimate")) == 1


async def test_a_used_quote_buys_nothing_and_warns_of_the_call_that_used_it(world):
    list_id = await list_of(world, 2)
    quote = await world.client.workspace.credits_estimate("enrich_list", list_id=list_id)
    await world.client.enrichment.enrich_list(list_id, quote_id=quote.quote_id)
    error = await error_of(world.client.enrichment.enrich_list(list_id, quote_id=quote.quote_id))
    assert isinstance(error, QuoteAlreadyRedeemedError)
    assert (error.billed, error.safe_to_retry) == ("no", True)
    assert "An earlier call may have bought with it" in str(error)
    assert await bought(world) == 1


async def test_a_quote_that_a_lost_attempt_may_have_used_is_unknown(world):
    list_id = await list_of(world, 2)
    quote = await world.client.workspace.credits_estimate("enrich_list", list_id=list_id)
    world.sandbox.add_fault(Fault("*/enrichment/bulk", status=500, when="after"))
    error = await error_of(world.client.enrichment.enrich_list(list_id, quote_id=quote.quote_id))
    assert (type(error), error.code) == (UnknownOutcomeError, "quote_already_redeemed")
    assert (error.billed, error.answer.billed) == ("unknown", "unknown")
    assert await bought(world) == 1


async def test_a_cancelled_caller_leaves_the_workflow_behind_and_it_is_told(world):
    list_id = await list_of(world, 0)
    with anyio.move_on_after(0.06):
        await world.client.enrichment.enrich_person(list_id, email="a@b.example")
    await anyio.sleep(1)
    (workflow_id,) = world.client.statistics().detached_workflows
    assert (await world.client.enrichment.wait(workflow_id)).is_final


async def test_deleting_twice_because_an_answer_was_lost_is_done(world):
    list_id = await list_of(world, 0)
    world.sandbox.add_fault(Fault(f"*/lead-lists/{list_id}", method="DELETE", reset=True, when="after"))
    assert (await world.client.lead_lists.delete_list(list_id)).deleted
    assert len(sent(world, f"/lead-lists/{list_id}", "DELETE")) == 2


async def test_adding_twice_because_an_answer_was_lost_adds_once(world):
    source, target = await list_of(world, 2), await list_of(world, 0, "B")
    ids = [lead.lead_id async for lead in world.client.lead_lists.list_leads_in_list(source)]
    world.sandbox.add_fault(Fault(f"*/lead-lists/{target}/leads", method="POST", reset=True, when="after"))
    added = await world.client.lead_lists.add_leads_to_list(target, lead_ids=ids)
    assert (added.added, added.skipped_duplicates) == (2, 0)  # the first answer, for the same key


async def test_a_file_whose_answer_was_lost_is_imported_once_by_a_key_of_its_own(world):
    list_id = await list_of(world, 0)
    world.sandbox.add_fault(Fault("*/csv-import", reset=True, when="after"))
    done = await world.client.lead_lists.csv_import(
        list_id,
        csv_content_base64="RQphQGIuY28K",
        column_mapping={"email": "E"},
        dispatch_enrichment=True,
        enrichment_type="partial",
    )
    assert done.idempotency_replayed
    assert len(sent(world, "/csv-import")) == 2
    assert await bought(world) == 1


async def test_a_whole_quote_is_held_against_the_balance(world):
    list_id = await list_of(world, 3)
    quote = await world.client.workspace.credits_estimate("enrich_list", list_id=list_id, scope="full")
    before = len(world.ledger.requests)
    poor = quote.model_copy(update={"sufficient": False, "available_credits": 1})
    error = await error_of(world.client.enrichment.enrich_list(list_id, scope="full", quote_id=poor))
    assert isinstance(error, InsufficientCreditsError)
    assert error.shortfall_credits == quote.estimated_cost - 1
    assert len(world.ledger.requests) == before
    run = await world.client.enrichment.enrich_list(list_id, scope="full", quote_id=quote)
    assert run.workflow_id


@pytest.mark.world(credits=2)
async def test_a_quote_that_is_not_sufficient_is_an_answer_of_200(world):
    list_id = await list_of(world, 3)
    quote = await world.client.workspace.credits_estimate("enrich_list", list_id=list_id)
    assert quote.sufficient is False
    error = await error_of(world.client.enrichment.enrich_list(list_id, max_credits=10))
    assert isinstance(error, InsufficientCreditsError)
    assert (error.estimated_cost_credits, error.available_credits, error.shortfall_credits) == (3, 2, 1)
    assert not sent(world, "/enrichment/bulk")


@pytest.mark.world(credits=2)
async def test_running_out_is_the_same_error_when_the_server_says_so(world):
    list_id = await list_of(world, 0)
    error = await error_of(
        world.client.enrichment.enrich_person(list_id, email="a@b.example", enrichment_type="full")
    )
    assert type(error) is InsufficientCreditsError
    assert (error.status, error.shortfall_credits, error.billed) == (400, 9, "no")


async def test_a_quote_does_not_fit_after_leads_were_added(world):
    list_id = await list_of(world, 2)
    quote = await world.client.workspace.credits_estimate("enrich_list", list_id=list_id)
    await world.client.lead_lists.import_csv(list_id, csv_of(2, 100))
    error = await error_of(world.client.enrichment.enrich_list(list_id, quote_id=quote.quote_id))
    assert error.code in {"quote_mismatch", "spend_cap_exceeded"}
    assert not world.ledger.contacts


async def test_a_quote_for_something_else_is_refused(world):
    list_id = await list_of(world, 2)
    quote = await world.client.workspace.credits_estimate("enrich_list", list_id=list_id)
    call = world.client.enrichment.enrich_list(list_id, scope="full", quote_id=quote.quote_id)
    assert isinstance(await error_of(call), QuoteMismatchError)


@pytest.mark.parametrize("status", [400, 409])
async def test_a_stale_quote_is_told_by_its_code_whether_with_400_or_409(status):
    envelope = {"error": {"code": "quote_expired", "problem": "old", "retryable": False, "request_id": "r"}}

    def handle(request, number):
        return (
            respond(
                {"quote_id": f"q{number}", "estimated_cost": 1, "tool": "run_smart_agent", "sufficient": True}
            )
            if request.path.endswith("/estimate")
            else respond(envelope, status)
            if number == 1
            else respond({"smart_agent_task_id": "sa_1"})
        )

    server = Served(handle)
    async with virtual_client(server) as client:
        assert (
            await client.smart_agents.run_smart_agent("l", column_name="c", prompt="p", max_credits=1)
        ).smart_agent_task_id == "sa_1"
    assert len(server.requests) == 4


def test_a_price_that_is_a_sum_of_fractions_is_within_a_limit_of_that_price():
    price = 0.2 * 3  # a little more than 0.6
    check_price(price, 0.6)
    agree_to_spend("Three of them", price, Consent(max_credits=0.6))
    assert affordable(Quote(quote_id="q_1", tool="t", estimated_cost=price), 0.6) == "q_1"
    for over in (0.61, float("nan")):
        with pytest.raises(BudgetExceededError):
            check_price(over, 0.6)
        with pytest.raises(BudgetExceededError):
            agree_to_spend("Three of them", over, Consent(max_credits=0.6))
