"""Quotes: priced by the server, signed, good for five minutes and for one call, the one they are for."""

import time

import pytest

from cleanlist_async.sandbox import Sandbox
from tests.support.cases import each_case
from tests.support.hand_clock import HandClock
from tests.support.modern_caller import ModernCaller, code

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]


async def enrich(http, list_id, quote_id, scope="partial"):
    body = {"list_id": list_id, "scope": scope, "quote_id": quote_id}
    return await http.post("/enrichment/bulk", json=body)


async def test_an_estimate_signs_the_server_s_own_count():
    async with Sandbox(credits=100) as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made(people=3)
        asked = {"tool": "enrich_list", "list_id": list_id, "scope": "full", "row_count": 9999}
        before = int(time.time())
        quote = (await http.post("/credits/estimate", json=asked)).json()
        key_id, issued, signed = quote["quote_id"].removeprefix("qte_").split("_")
        assert key_id == "v1"
        assert before <= int(issued) <= time.time()
        assert int(signed, 16)
        assert quote["expires_at"] == int(issued) + 300
        assert (quote["row_count"], quote["estimated_cost"], quote["tool"]) == (3, 33, "enrich_list")
        assert (quote["available_credits"], quote["sufficient"]) == (100, True)
        assert sandbox.ledger.credits_charged == 0


@each_case(
    ("asked", "rows", "cost"),
    [
        ({"tool": "enrich_person"}, 1, 1),
        ({"tool": "enrich_person", "include_phone": True}, 1, 10),
        ({"tool": "enrich_person", "enrichment_type": "full", "row_count": 4}, 4, 44),
        ({"tool": "enrich_person", "scope": "full"}, 1, 11),
        ({"tool": "enrich_company"}, 1, 1),
        ({"tool": "enrich_list", "list_id": "LIST"}, 2, 2),
        ({"tool": "enrich_list", "list_id": "LIST", "scope": "phone-only"}, 2, 20),
        ({"tool": "run_smart_agent", "list_id": "LIST", "agent_type": "cold_intro_email"}, 2, 6),
        ({"tool": "run_smart_agent", "list_id": "LIST", "row_count": 1}, 2, 2),
        (
            {
                "tool": "bulk_import_csv",
                "list_id": "LIST",
                "row_count": 7,
                "extra": {"enrichment_type": "full"},
            },
            7,
            77,
        ),
        ({"tool": "add_person_enrichments", "task_id": "TASK", "data_points": ["Phone", "Email"]}, 2, 22),
        ({"tool": "add_person_enrichments", "task_id": "TASK", "data_points": ["LinkedIn"]}, 2, 2),
        ({"tool": "sync_to_crm", "list_id": "LIST", "provider": "hubspot"}, 2, 0),
    ],
)
async def test_every_tool_has_its_price(asked, rows, cost):
    async with Sandbox() as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made(people=2)
        task_id = (await http.get(f"/lead-lists/{list_id}/leads")).json()["task_id"]
        told = {"LIST": list_id, "TASK": task_id}
        body = {
            name: told.get(value, value) if isinstance(value, str) else value for name, value in asked.items()
        }
        quote = (await http.post("/credits/estimate", json=body)).json()
        assert (quote["row_count"], quote["estimated_cost"]) == (rows, cost)


@each_case(
    "asked",
    [
        {"tool": "enrich_everything"},
        {"tool": "enrich_list"},
        {"tool": "enrich_list", "list_id": "LIST", "scope": "phone_only"},
        {"tool": "enrich_list", "list_id": "LIST", "extra": {"colour": "red"}},
        {"tool": "enrich_person", "enrichment_type": "phone-only!"},
        {"tool": "bulk_import_csv", "list_id": "LIST"},
        {"tool": "run_smart_agent", "list_id": "LIST", "agent_type": "poet"},
        {"tool": "add_company_enrichments", "task_id": "TASK", "data_points": ["Email"]},
        {"tool": "add_person_enrichments", "task_id": "TASK", "data_points": ["Revenue"]},
        {"tool": "add_person_enrichments", "task_id": "TASK"},
    ],
)
async def test_400_for_what_cannot_be_priced(asked):
    async with Sandbox() as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made(people=1)
        task_id = (await http.get(f"/lead-lists/{list_id}/leads")).json()["task_id"]
        told = {"LIST": list_id, "TASK": task_id}
        body = {
            name: told.get(value, value) if isinstance(value, str) else value for name, value in asked.items()
        }
        assert code(await http.post("/credits/estimate", json=body)) == (400, "validation_error")


async def test_too_few_credits_do_not_fail_the_estimate_but_the_call():
    async with Sandbox(credits=5) as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made(people=6)
        quote = (
            await http.post("/credits/estimate", json={"tool": "enrich_list", "list_id": list_id})
        ).json()
        assert (quote["estimated_cost"], quote["available_credits"], quote["sufficient"]) == (6, 5, False)
        answer = await enrich(http, list_id, quote["quote_id"])
        assert code(answer) == (400, "insufficient_credits")
        told = answer.json()["error"]
        assert (told["estimated_cost_credits"], told["available_credits"], told["shortfall_credits"]) == (
            6,
            5,
            1,
        )
        sandbox.set_credits(6)
        assert (await enrich(http, list_id, quote["quote_id"])).status_code == 200, "it was not used up"


@pytest.mark.parametrize(("age_s", "expected"), [(299.0, 200), (300.0, 400)])
async def test_a_quote_lives_five_minutes_on_the_injected_clock(age_s, expected):
    clock = HandClock()
    async with Sandbox(clock=clock) as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made(people=1)
        # The id carries whole seconds: start on one, so that 299 s are 299 s.
        clock.move(1 - sandbox._modern._services.moments.epoch_s() % 1)
        quote_id = await http.quoted("enrich_list", list_id=list_id)
        clock.move(age_s)
        answer = await enrich(http, list_id, quote_id)
        assert answer.status_code == expected
        if expected == 400:
            assert code(answer) == (400, "quote_expired")


async def test_a_quote_is_good_for_one_call():
    async with Sandbox(workflow_s=0.0) as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made(people=1)
        quote_id = await http.quoted("enrich_list", list_id=list_id)
        assert (await enrich(http, list_id, quote_id)).status_code == 200
        assert code(await enrich(http, list_id, quote_id)) == (400, "quote_already_redeemed")
        assert len(sandbox.ledger.accepted_contacts()) == 1


async def test_what_was_not_signed_here_is_invalid():
    async with Sandbox() as sandbox, Sandbox(seed=1) as elsewhere, ModernCaller(sandbox) as http:
        list_id = await http.made(people=1)
        quote_id = await http.quoted("enrich_list", list_id=list_id)
        head, issued, signed = quote_id.rsplit("_", 2)
        cost_raised = signed[:23] + ("1" if signed[23] == "0" else "0") + signed[24:]
        forged = [
            f"{head}_{int(issued) + 100}_{signed}",
            f"{head}_{issued}_{cost_raised}",
            f"{head}_{issued}_{signed[:-1]}{'0' if signed[-1] != '0' else '1'}",
            f"{head}_{issued}_{signed[:-2]}",
            f"qte_v2_{issued}_{signed}",
            "qte_",
            "nonsense",
        ]
        async with ModernCaller(elsewhere) as other:
            forged.append(await other.quoted("enrich_list", list_id=await other.made(people=1)))
        for quote in forged:
            assert code(await enrich(http, list_id, quote)) == (400, "quote_invalid"), quote
        assert code(await enrich(http, list_id, "")) == (400, "quote_required")
        assert (await enrich(http, list_id, quote_id)).status_code == 200


async def test_a_quote_is_for_its_own_call_only(http):
    list_id, other_id = await http.made("a", people=1), await http.made("b", people=1)
    quote_id = await http.quoted("enrich_list", list_id=list_id)
    person = await http.quoted("enrich_person")
    assert code(await enrich(http, other_id, quote_id)) == (400, "quote_mismatch")
    assert code(await enrich(http, list_id, quote_id, "full")) == (400, "quote_mismatch")
    assert code(await enrich(http, list_id, person)) == (400, "quote_mismatch")
    assert (await enrich(http, list_id, quote_id)).status_code == 200, "a refusal does not use it up"


async def test_more_leads_than_were_quoted_exceed_the_cap_and_fewer_do_not(http):
    list_id, other_id = await http.made("a", people=2), await http.made("b", people=1)
    first, second = [lead["lead_id"] for lead in await http.leads(list_id)]
    (third,) = [lead["lead_id"] for lead in await http.leads(other_id)]
    quote_id = await http.quoted("enrich_list", list_id=list_id)
    await http.post(f"/lead-lists/{list_id}/leads", json={"lead_ids": [third]})
    assert code(await enrich(http, list_id, quote_id)) == (400, "spend_cap_exceeded")
    await http.with_body("DELETE", f"/lead-lists/{list_id}/leads", {"lead_ids": [first, second]})
    answer = await enrich(http, list_id, quote_id)
    assert (answer.json()["total_leads"], answer.json()["credits_reserved"]) == (1, 1)


async def test_the_order_of_data_points_and_entities_does_not_matter(http):
    list_id = await http.made(people=3)
    page = (await http.get(f"/lead-lists/{list_id}/leads")).json()
    ids = [lead["lead_id"] for lead in page["leads"]][:2]
    asked = {"task_id": page["task_id"], "data_points": ["Phone", "Email"], "entity_ids": ids}
    quote_id = await http.quoted("add_person_enrichments", **asked)
    turned = {**asked, "data_points": ["Email", "Phone"], "entity_ids": ids[::-1], "quote_id": quote_id}
    answer = (await http.post("/enrichment/by-task", json=turned)).json()
    assert (answer["total_entities"], answer["credits_reserved"]) == (2, 22)


async def test_a_quote_belongs_to_the_organization():
    async with (
        Sandbox(api_keys=("a", "b")) as sandbox,
        ModernCaller(sandbox, "a") as one,
        ModernCaller(sandbox, "b") as other,
    ):
        quote_id = await one.quoted("enrich_company")
        answer = await other.post("/enrichment/company", json={"domain": "stripe.com", "quote_id": quote_id})
        assert answer.status_code == 200
