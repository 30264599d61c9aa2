"""Enrichment over HTTP: held, found, charged, given back; who may ask; what the list has afterwards."""

import pytest

from cleanlist_async.sandbox import Sandbox, Shape
from tests.support.cases import each_case
from tests.support.hand_clock import HandClock
from tests.support.modern_caller import ModernCaller, code, locations

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

ADA = {"first_name": "Ada", "last_name": "Lovelace", "domain": "analytical.example"}
ADA_CONTACT = {"first_name": "Ada", "last_name": "Lovelace", "company_domain": "analytical.example"}


async def person(http, list_id, **asked):
    return await http.post("/enrichment/person", json={"lead_list_id": list_id, **asked})


async def status(http, handle):
    return (await http.get(f"/enrichment/status/{handle}")).json()


async def bulk(http, list_id, scope="partial"):
    quote_id = await http.quoted("enrich_list", list_id=list_id, scope=scope)
    body = {"list_id": list_id, "scope": scope, "quote_id": quote_id}
    return (await http.post("/enrichment/bulk", json=body)).json()


async def searched(http, what="people", count=3):
    return (await http.post(f"/search/{what}", json={"filters": {}, "limit": count})).json()


async def test_a_person_is_held_found_written_and_settled():
    clock = HandClock()
    options = {"clock": clock, "workflow_s": 10.0, "hit_rate": 1.0, "credits": 100}
    async with Sandbox(**options) as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made()
        run = (await person(http, list_id, **ADA, enrichment_type="full")).json()
        assert (run["status"], run["credits_reserved"], run["lead_list_id"]) == ("pending", 11, list_id)
        seen = []
        for _ in range(3):
            now = await status(http, run["workflow_id"])
            seen.append((now["status"], now["progress"], now["result"], now["credits_charged"]))
            assert await http.leads(list_id) == []
            clock.move(4.0)
        assert seen == [("pending", 0, None, None), ("running", 40, None, None), ("running", 80, None, None)]
        done = await status(http, run["workflow_id"])
        truth = sandbox.expected(ADA_CONTACT, "full")
        assert (done["status"], done["progress"], done["refund_status"]) == (
            "completed",
            100,
            "not_applicable",
        )
        assert done["credits_charged"] + done["credits_refunded"] == 11
        assert done["credits_charged"] == truth.credits == sandbox.ledger.credits_charged
        assert sandbox.balance == 100 - truth.credits
        (lead,) = await http.leads(list_id)
        for row in (lead, done["result"]):
            assert (row["email"], row["phone"], row["first_name"]) == (truth.email, truth.phones[0], "Ada")
        assert done["result"]["lead_id"] == lead["lead_id"]
        assert (done["summary"], done["completed"]) == ({"emails_found": 1, "phones_found": 1}, 1)


async def test_a_miss_completes_outside_and_tells_it_inside_in_both_documented_ways():
    async with Sandbox(workflow_s=0.0, hit_rate=0.0) as sandbox, ModernCaller(sandbox) as http:
        list_id, seen = await http.made(), set()
        for number in range(12):
            run = (await person(http, list_id, email=f"a{number}@b.example")).json()
            done = await status(http, run["workflow_id"])
            assert (done["status"], done["failed"]) == ("completed", 1)
            assert (done["credits_charged"], done["credits_refunded"]) == (0, 1)
            seen.add((done["result"]["status"], bool(done["result"]["lead_id"])))
        assert seen == {("failed", True), ("completed", False)}
        assert sandbox.ledger.credits_charged == 0


@pytest.mark.parametrize(
    ("asked", "enrichment_type", "held"),
    [
        ({}, "partial", 1),
        ({"include_phone": True}, "phone_only", 10),
        ({"include_phone": True, "enrichment_type": "full"}, "full", 11),
    ],
)
async def test_include_phone_means_the_phone_alone(asked, enrichment_type, held):
    async with Sandbox(workflow_s=0.0) as sandbox, ModernCaller(sandbox) as http:
        run = (await person(http, await http.made(), **ADA, **asked)).json()
        assert run["credits_reserved"] == held
        assert (await status(http, run["workflow_id"]))["enrichment_type"] == enrichment_type


@each_case(
    ("asked", "where"),
    [
        ({}, [("body",)]),
        ({"first_name": "Ada", "last_name": "Lovelace"}, [("body",)]),
        ({"phone": "+15550000000"}, [("body",)]),
        ({"email": "a@b.example", "webhook_url": "https://x.example"}, [("body", "webhook_url")]),
        ({"email": "a@b.example", "enrichment_type": "phone-only"}, [("body", "enrichment_type")]),
    ],
)
async def test_422_for_a_person_that_is_not_one(asked, where):
    async with Sandbox() as sandbox, ModernCaller(sandbox) as http:
        assert locations(await person(http, await http.made(), **asked)) == where


async def test_a_person_of_the_search_database_keeps_its_lead():
    async with Sandbox(workflow_s=0.0, hit_rate=1.0) as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made()
        (found,) = (await searched(http, count=1))["results"]
        asked = [value for name, value in found.items() if name.endswith("id") and str(value).isdigit()]
        run = (await person(http, list_id, person_id=asked[0])).json()
        result = (await status(http, run["workflow_id"]))["result"]
        assert result["full_name"] == found["full_name"]
        assert code(await person(http, list_id, person_id="7")) == (404, "not_found")


async def test_a_list_run_counts_and_its_rows_are_in_the_list():
    async with Sandbox(workflow_s=0.0) as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made(people=12)
        run = await bulk(http, list_id, "full")
        assert (run["total_leads"], run["estimated_cost"], run["credits_reserved"]) == (12, 132, 132)
        assert run["workflow_id"].startswith("bulk-enrich-")
        done = await status(http, run["workflow_id"])
        assert done["result"] is None
        leads = await http.leads(list_id)
        truths = [
            sandbox.expected({**ADA_CONTACT, "first_name": lead["first_name"]}, "full") for lead in leads
        ]
        assert [lead["email"] for lead in leads] == [truth.email for truth in truths]
        assert [lead["phone"] for lead in leads] == [(*truth.phones, None)[0] for truth in truths]
        found = sum(truth.successful for truth in truths)
        assert (done["completed"], done["failed"]) == (found, 12 - found)
        assert (
            done["credits_charged"]
            == sum(truth.credits for truth in truths)
            == sandbox.ledger.credits_charged
        )
        assert done["credits_refunded"] == 132 - done["credits_charged"]
        assert (await http.get(f"/lead-lists/{list_id}")).json()["enriched_count"] == found


async def test_the_status_answers_to_the_cohort_too():
    async with Sandbox(workflow_s=0.0) as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made(people=2)
        run = await bulk(http, list_id)
        by_workflow, by_cohort = await status(http, run["workflow_id"]), await status(http, run["task_id"])
        assert by_cohort["workflow_id"] == run["task_id"]
        for answer in (by_workflow, by_cohort):
            del answer["workflow_id"], answer["timestamp_ms"]
        assert by_workflow == by_cohort
        unbound = (await http.get(f"/lead-lists/{list_id}/leads")).json()["task_id"]
        for handle in (unbound, "cl-task_unknown"):
            assert code(await http.get(f"/enrichment/status/{handle}")) == (404, "task_not_found")


@pytest.mark.parametrize("prefix", ["/api/v2", "/api/v1/public"])
async def test_the_poll_url_is_absolute_and_on_v1(prefix):
    async with Sandbox() as sandbox, ModernCaller(sandbox, prefix=prefix) as http:
        run = (await person(http, await http.made(), **ADA)).json()
        assert run["poll_url"] == f"{sandbox.base_url}/api/v1/public/enrichment/status/{run['workflow_id']}"
        assert (await http.get(run["poll_url"])).json()["workflow_id"] == run["workflow_id"]


async def test_a_workflow_is_nobody_else_s_business():
    async with (
        Sandbox(api_keys=("a", "b")) as sandbox,
        ModernCaller(sandbox, "a") as mine,
        ModernCaller(sandbox, "b") as theirs,
    ):
        list_id = await mine.made(people=1)
        run = await bulk(mine, list_id)
        for handle in (run["workflow_id"], run["task_id"], "enrich-unknown"):
            answer = await theirs.get(f"/enrichment/status/{handle}")
            assert code(answer) == (404, "not_found")
        assert code(await person(theirs, list_id, **ADA)) == (404, "list_not_found")


async def test_people_of_a_cohort_go_through_a_workflow_into_the_default_list():
    async with Sandbox(workflow_s=0.0, hit_rate=1.0) as sandbox, ModernCaller(sandbox) as http:
        task_id = (await searched(http))["task_id"]
        asked = {"task_id": task_id, "data_points": ["Email", "Phone"]}
        assert code(await http.post("/enrichment/by-task", json=asked)) == (400, "quote_required")
        quote_id = await http.quoted("add_person_enrichments", **asked)
        answer = (await http.post("/enrichment/by-task", json=asked | {"quote_id": quote_id})).json()
        assert (answer["entity_kind"], answer["status"], answer["credits_reserved"]) == (
            "person",
            "pending",
            33,
        )
        assert {row["status"] for row in answer["results"]} == {"queued"}
        done = await status(http, answer["workflow_id"])
        assert (done["credits_charged"], done["workflow_id"]) == (33, answer["workflow_id"])
        assert (await status(http, task_id))["credits_charged"] == 33
        (default,) = (await http.get("/lead-lists")).json()["lists"]
        assert (default["name"], default["lead_count"], default["list_id"]) == (
            "MCP Results",
            3,
            done["lead_list_id"],
        )


async def test_companies_of_a_cohort_are_answered_at_once():
    async with Sandbox(hit_rate=0.5, credits=50) as sandbox, ModernCaller(sandbox) as http:
        found = await searched(http, "companies", 25)
        asked = {"task_id": found["task_id"], "data_points": ["Revenue", "Domain"]}
        quote_id = await http.quoted("add_company_enrichments", **asked)
        answer = (await http.post("/enrichment/by-task", json=asked | {"quote_id": quote_id})).json()
        assert (answer["entity_kind"], answer["status"], answer["workflow_id"]) == (
            "company",
            "completed",
            None,
        )
        enriched = [row for row in answer["results"] if row["status"] == "enriched"]
        failed = [row for row in answer["results"] if row["status"] == "failed"]
        assert (len(enriched) + len(failed), all(row["error"] for row in failed)) == (25, True)
        assert 0 < len(enriched) < 25
        assert {row["company"]["company_id"] for row in enriched} == {row["entity_id"] for row in enriched}
        charged = -(-len(enriched) // 10)
        assert answer["credits_reserved"] == charged == sandbox.ledger.credits_charged == 50 - sandbox.balance


async def test_entities_and_data_points_must_fit_the_cohort(http):
    task_id = (await searched(http))["task_id"]
    for asked in (
        {"task_id": task_id, "data_points": ["Email"], "entity_ids": ["7"]},
        {"task_id": task_id, "data_points": ["Revenue"]},
        {"task_id": task_id, "data_points": ["email"]},
    ):
        assert code(await http.post("/enrichment/by-task", json=asked)) == (400, "validation_error")
    unknown = {"task_id": "cl-task_unknown", "data_points": ["Email"]}
    assert code(await http.post("/enrichment/by-task", json=unknown)) == (404, "task_not_found")
    empty = {"task_id": task_id, "data_points": []}
    assert locations(await http.post("/enrichment/by-task", json=empty)) == [("body", "data_points")]


async def test_a_company_costs_one_credit_at_once_and_an_unknown_one_nothing():
    async with Sandbox(credits=10) as sandbox, ModernCaller(sandbox) as http:
        answer = (await http.post("/enrichment/company", json={"domain": "stripe.com"})).json()
        assert (answer["company"]["domain"], answer["credits_charged"]) == ("stripe.com", 1)
        again = (await http.post("/enrichment/company", json={"domain": "Stripe.com"})).json()
        assert again["company"] == answer["company"]
        unknown = await http.post("/enrichment/company", json={"domain": "nobody.invalid"})
        assert code(unknown) == (404, "not_found")
        assert (sandbox.ledger.credits_charged, sandbox.balance) == (2, 8)
        assert locations(await http.post("/enrichment/company", json={})) == [("body",)]


async def test_a_failed_run_is_given_back_unless_it_was_prepaid():
    shape = Shape(failed_workflows=1.0)
    async with Sandbox(workflow_s=0.0, shape=shape, credits=100) as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made(people=3)
        single = (await person(http, list_id, **ADA, enrichment_type="full")).json()
        done = await status(http, single["workflow_id"])
        assert (done["status"], done["refund_status"], done["credits_refunded"]) == (
            "failed",
            "not_applicable",
            11,
        )
        assert done["result"] == {"lead_id": "", "status": "failed"}
        run = await bulk(http, list_id)
        done = await status(http, run["workflow_id"])
        assert (done["status"], done["refund_status"], done["credits_charged"]) == (
            "failed",
            "pending_review",
            3,
        )
        assert "refund" in done["refund_message"]
        assert sandbox.balance == 97


async def test_buying_the_same_lead_twice_shows_in_the_ledger():
    async with Sandbox(workflow_s=0.0, hit_rate=1.0) as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made(people=2)
        await bulk(http, list_id)
        assert not sandbox.ledger.duplicates()
        await bulk(http, list_id)
        assert list(sandbox.ledger.duplicates().values()) == [2, 2], "what was found makes nobody else of it"


async def test_held_credits_are_not_there_for_others():
    async with Sandbox(workflow_s=60.0, credits=15.9) as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made()
        assert (await person(http, list_id, **ADA, enrichment_type="full")).status_code == 200
        refused = await person(http, list_id, email="b@c.example", enrichment_type="full")
        assert code(refused) == (400, "insufficient_credits")
        assert refused.json()["error"]["available_credits"] == 4
        assert (await http.get("/credits/balance")).json()["credits"] == 15
        async with ModernCaller(sandbox, prefix="/api/v1/public") as legacy:
            assert (await legacy.get("/credits/balance")).json()["credits"] == 15.9
            body = {"contacts": [ADA_CONTACT] * 5, "enrichment_type": "partial"}
            assert (await legacy.post("/enrich/bulk", json=body)).status_code == 402


async def test_settled_credits_are_there_again_on_both_surfaces():
    clock = HandClock()
    options = {"clock": clock, "workflow_s": 5.0, "hit_rate": 0.0, "credits": 11}
    async with (
        Sandbox(**options) as sandbox,
        ModernCaller(sandbox) as http,
        ModernCaller(sandbox, prefix="/api/v1/public") as legacy,
    ):
        list_id = await http.made()
        body = {"contacts": [ADA_CONTACT], "enrichment_type": "full"}
        assert (await person(http, list_id, **ADA, enrichment_type="full")).status_code == 200
        assert (await legacy.post("/enrich/bulk", json=body)).status_code == 402
        clock.move(5.0)
        assert (await legacy.post("/enrich/bulk", json=body)).status_code == 200
        assert code(await person(http, list_id, **ADA)) == (400, "insufficient_credits")
        clock.move(5.0)
        assert (await person(http, list_id, **ADA)).status_code == 200


async def test_an_empty_list_cannot_be_enriched(http):
    list_id = await http.made()
    quote_id = await http.quoted("enrich_list", list_id=list_id)
    answer = await http.post("/enrichment/bulk", json={"list_id": list_id, "quote_id": quote_id})
    assert code(answer) == (400, "validation_error")


async def test_a_list_deleted_during_its_run_stays_deleted():
    clock = HandClock()
    async with Sandbox(clock=clock, workflow_s=5.0, hit_rate=1.0) as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made(people=1)
        run = await bulk(http, list_id)
        await http.delete(f"/lead-lists/{list_id}")
        clock.move(5.0)
        assert (await status(http, run["workflow_id"]))["credits_charged"] == 1
        assert code(await http.get(f"/lead-lists/{list_id}")) == (404, "list_not_found")


async def test_the_public_api_s_results_go_into_a_protected_list():
    clock = HandClock()
    async with (
        Sandbox(clock=clock, workflow_s=5.0, hit_rate=1.0) as sandbox,
        ModernCaller(sandbox) as http,
        ModernCaller(sandbox, prefix="/api/v1/public") as legacy,
    ):
        assert (await http.get("/lead-lists")).json()["lists"] == []
        await legacy.post("/enrich/bulk", json={"contacts": [ADA_CONTACT], "enrichment_type": "partial"})
        (default,) = (await http.get("/lead-lists")).json()["lists"]
        assert (default["name"], default["lead_count"]) == ("Extension Leads", 0)
        assert default["visibility"] == "organization"
        clock.move(5.0)
        (lead,) = await http.leads(default["list_id"])
        assert lead["email"] == sandbox.expected(ADA_CONTACT, "partial").email
        path = f"/lead-lists/{default['list_id']}"
        await http.with_body("DELETE", f"{path}/leads", {"lead_ids": [lead["lead_id"]]})
        assert await http.leads(default["list_id"]) == [], "it is put there once"
        assert code(await http.delete(path)) == (403, "list_protected")
        assert code(await http.patch(path, json={"name": "Mine"})) == (403, "list_protected")
        assert not sandbox.ledger.duplicates()
