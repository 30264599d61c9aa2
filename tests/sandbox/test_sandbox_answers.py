"""The five operations when all is well, and every shape their answers can take."""

import math

import pytest

from cleanlist_async.sandbox import Sandbox, Shape
from tests.support.cases import each_case

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]


def done(**options):
    """A sandbox whose workflows take no time."""
    return Sandbox(**{"workflow_s": 0.0, "limiter": "off", **options})


async def test_validate_key_and_balance(connect):
    async with Sandbox(credits=1234.5) as sandbox, connect(sandbox) as http:
        who = (await http.get("/auth/validate-key")).json()
        assert (who["valid"], who["organization_id"]) == (True, "org_sandbox")
        assert who["user_id"].startswith("user_")
        balance = await http.get("/credits/balance")
        assert balance.json() == {"organization_id": "org_sandbox", "credits": 1234.5}
        sandbox.set_credits(7.0)
        assert (await http.get("/credits/balance")).text.endswith('"credits":7}')


async def test_submit_answers_as_documented(connect, people):
    async with Sandbox() as sandbox, connect(sandbox) as http:
        answer = await http.submit(people(3))
        body = answer.json()
        task_ids = body.pop("task_ids")
        assert answer.status_code == 200
        assert body.pop("workflow_id").startswith("public_bulk_")
        assert body == {"status": "processing", "message": "Bulk enrichment started", "total_contacts": 3}
        assert [task_ids] == [[c.task_id for c in sandbox.ledger.contacts]]
        assert len(set(task_ids)) == 3


async def test_the_default_type_is_partial(connect, people):
    async with Sandbox() as sandbox, connect(sandbox) as http:
        await http.post("/enrich/bulk", json={"contacts": people(1)})
        assert [c.enrichment_type for c in sandbox.ledger.contacts] == ["partial"]


async def test_a_workflow_takes_its_time_by_the_injected_clock(connect, people):
    now = [0.0]
    sandbox = Sandbox(clock=lambda: now[0], workflow_s=10.0, hit_rate=1.0, credits=100.0)
    async with sandbox, connect(sandbox) as http:
        submitted, answer = await http.run(people(2), "full")
        assert (answer["status"], answer["results"], answer["summary"]["successful"]) == ("processing", [], 0)
        task = (await http.status(task_id=submitted["task_ids"][0])).json()
        assert (task["status"], task["workflow_id"]) == ("processing", submitted["workflow_id"])
        now[0] = 9.99
        assert sandbox.balance == 100.0
        now[0] = 12.0
        assert sandbox.balance == 78.0
        assert {c.charged_at for c in sandbox.ledger.accepted_contacts()} == {10.0}
        answer = (await http.status(workflow_id=submitted["workflow_id"])).json()
        assert (answer["status"], answer["summary"]["successful"]) == ("completed", 2)


async def test_workflow_time_can_be_drawn(connect, people):
    now = [0.0]
    async with Sandbox(clock=lambda: now[0], workflow_s=lambda random: random.choice([1.0])) as sandbox:
        async with connect(sandbox) as http:
            await http.submit(people(1))
        now[0] = 1.0
        assert sandbox.ledger.accepted_contacts()[0].charged_at == 1.0


@each_case("enrichment_type", ["none", "partial", "phone_only", "full", "prospecting_only"])
async def test_rows_charges_and_balance_agree_with_what_is_expected(connect, people, enrichment_type):
    contacts = people(60)
    async with done(credits=5000.0, seed=3) as sandbox, connect(sandbox) as http:
        submitted, answer = await http.run(contacts, enrichment_type)
        wanted = [sandbox.expected(contact, enrichment_type) for contact in contacts]
        assert [row["task_id"] for row in answer["results"]] == submitted["task_ids"]
        assert [row["primary_email"] for row in answer["results"]] == [w.email for w in wanted]
        assert [row["primary_email_status"] for row in answer["results"]] == [w.email_status for w in wanted]
        assert [tuple(row["personal_phone_numbers"]) for row in answer["results"]] == [
            w.phones for w in wanted
        ]
        assert [row["status"] == "completed" for row in answer["results"]] == [w.successful for w in wanted]
        assert answer["summary"] == {
            "total": 60,
            "successful": sum(w.successful for w in wanted),
            "failed": sum(not w.successful for w in wanted),
            "emails_found": sum(w.email is not None for w in wanted),
            "phones_found": sum(len(w.phones) for w in wanted),
        }
        assert [c.credits for c in sandbox.ledger.accepted_contacts()] == [w.credits for w in wanted]
        assert 5000.0 - sandbox.balance == sandbox.ledger.credits_charged == sum(w.credits for w in wanted)
        task = (await http.status(task_id=submitted["task_ids"][7])).json()
        assert task == {"workflow_id": submitted["workflow_id"], **answer["results"][7]}


async def test_what_was_held_is_free_again_when_it_was_not_needed(connect, people):
    async with done(credits=11.0, hit_rate=0.0) as sandbox, connect(sandbox) as http:
        for _ in range(3):
            submitted, _answer = await http.run(people(1), "full")
            assert "workflow_id" in submitted
        assert sandbox.balance == 11.0


async def test_what_was_held_is_settled_without_anybody_polling(connect, people):
    now = [0.0]
    sandbox = done(credits=23.0, hit_rate=1.0, workflow_s=1.0, clock=lambda: now[0])
    async with sandbox, connect(sandbox) as http:
        assert (await http.submit(people(2), "full")).status_code == 200
        now[0] = 1.0
        assert (await http.submit(people(1), "partial")).status_code == 200
        now[0] = 2.0
        assert (await http.get("/credits/balance")).json()["credits"] == 0


async def test_flat_rows(connect):
    contact = {"first_name": "Ada", "last_name": "L", "company_name": "Acme"}
    async with done(hit_rate=1.0) as sandbox, connect(sandbox) as http:
        [row] = (await http.run([contact]))[1]["results"]
        person = sandbox.expected(contact, "partial").person
    assert row["prospect"] == {
        "first_name": "Ada",
        "last_name": "L",
        "full_name": "Ada L",
        "linkedin_url": person.linkedin_url,
    }
    assert row["company"] == {"name": "Acme", "domain": person.company_domain}


async def test_a_miss_tells_nothing_that_was_not_said(connect):
    async with done(hit_rate=0.0) as sandbox, connect(sandbox) as http:
        [row] = (await http.run([{"linkedin_url": "x"}]))[1]["results"]
    assert (row["status"], row["primary_email"], row["personal_phone_numbers"]) == ("failed", None, [])
    assert row["prospect"]["linkedin_url"] == "x"
    assert row["prospect"]["first_name"] is row["company"]["name"] is None


async def test_nested_rows(connect, people):
    contacts = people(20)
    async with done(shape=Shape(row="nested")) as sandbox, connect(sandbox) as http:
        rows = (await http.run(contacts, "full"))[1]["results"]
        wanted = [sandbox.expected(contact, "full") for contact in contacts]
    assert [row["input"] for row in rows] == contacts
    for row, want in zip(rows, wanted, strict=True):
        result = row["result"]
        if want.successful:
            found = (result["email"], tuple(result["phones"]), result["linkedin_url"])
            assert found == (want.email, want.phones, want.person.linkedin_url)
        assert (result is None) == ("error" in row) == (not want.successful)


async def test_rows_can_be_made_anonymous(connect, people):
    for row in ("flat", "nested"):
        shape = Shape(row=row, echo_input=False, carry_linkedin=False, carry_names=False)
        async with done(shape=shape, hit_rate=1.0) as sandbox, connect(sandbox) as http:
            answer = await http.run(people(3, linkedin_url="x"), "full")
        text = str(answer[1]["results"])
        assert not any(word in text for word in ("prospect'", "company", "input", "linkedin", "Ada"))


async def test_words_and_keys(connect, people):
    shape = Shape(
        results_key="data",
        row_success_word="success",
        row_miss_word="not_found",
        status_words={"completed": "completed_with_errors"},
    )
    async with done(shape=shape) as sandbox, connect(sandbox) as http:
        answer = (await http.run(people(30)))[1]
    assert answer["status"] == "completed_with_errors"
    assert {row["status"] for row in answer["data"]} == {"success", "not_found"}


async def test_shuffled_ids_and_rows(connect, people):
    contacts = people(20)
    shape = Shape(row="nested", shuffle_ids=True, shuffle_rows=True)
    async with done(shape=shape) as sandbox, connect(sandbox) as http:
        submitted, answer = await http.run(contacts)
        truth = {c.task_id: c.contact for c in sandbox.ledger.contacts}
    row_ids = [row["task_id"] for row in answer["results"]]
    in_order = list(truth)
    assert sorted(submitted["task_ids"]) == sorted(row_ids) == sorted(in_order)
    assert submitted["task_ids"] != in_order
    assert row_ids != in_order
    assert row_ids != submitted["task_ids"]
    assert all(row["input"] == truth[row["task_id"]] for row in answer["results"])


async def test_merged_duplicates_share_an_id_a_row_and_a_price(connect, people):
    contacts = [
        {"linkedin_url": "a"},
        {"linkedin_url": "b"},
        {"linkedin_url": "a", "first_name": "A"},
        *people(2),
    ]
    async with done(shape=Shape(merge_duplicates=True), hit_rate=1.0) as sandbox, connect(sandbox) as http:
        submitted, answer = await http.run(contacts)
        accepted = sandbox.ledger.accepted_contacts()
        assert submitted["total_contacts"] == 5
        assert len(submitted["task_ids"]) == len(answer["results"]) == 4
        assert accepted[0].task_id == accepted[2].task_id
        assert [c.credits for c in accepted] == [1, 1, 0, 1, 1]
        assert sandbox.balance == 1_000_000 - 4
        assert (await http.submit(people(250), "full")).status_code == 200


async def test_without_merging_duplicates_are_bought_twice(connect):
    async with done(hit_rate=1.0) as sandbox, connect(sandbox) as http:
        await http.run([{"linkedin_url": "a"}, {"linkedin_url": "a "}])
        assert list(sandbox.ledger.duplicates().values()) == [2]
        assert sandbox.ledger.credits_charged == 2


async def test_a_page_of_rows(connect, people):
    async with done(shape=Shape(page=4)) as sandbox, connect(sandbox) as http:
        submitted, answer = await http.run(people(10))
        assert [row["task_id"] for row in answer["results"]] == submitted["task_ids"][:4]
        assert (answer["results_truncated"], answer["results_limit"]) == (6, 4)
        assert (await http.status(task_id=submitted["task_ids"][9])).json()["status"] in {
            "completed",
            "failed",
        }


async def test_omitted_rows_are_found_by_task(connect, people):
    async with done(shape=Shape(omit_rows=0.5)) as sandbox, connect(sandbox) as http:
        submitted, answer = await http.run(people(40))
        missing = set(submitted["task_ids"]) - {row["task_id"] for row in answer["results"]}
        assert 5 < len(missing) < 35
        assert answer["results_truncated"] == 0
        assert answer["summary"]["total"] == 40
        task = (await http.status(task_id=missing.pop())).json()
        assert task["status"] in {"completed", "failed"}


async def test_counts_only(connect, people):
    async with done(shape=Shape(no_rows=True)) as sandbox, connect(sandbox) as http:
        answer = (await http.run(people(3)))[1]
    assert answer["summary"]["total"] == 3
    assert not {"results", "results_truncated"} & answer.keys()


async def test_unfinished_rows(connect, people):
    now = [0.0]
    shape = Shape(unfinished_rows=0.5, unfinished_s=5.0)
    sandbox = done(clock=lambda: now[0], shape=shape, hit_rate=1.0, credits=40.0)
    async with sandbox, connect(sandbox) as http:
        submitted, answer = await http.run(people(40))
        processing = [row for row in answer["results"] if row["status"] == "processing"]
        assert answer["status"] == "completed"
        assert 5 < len(processing) < 35
        assert sandbox.balance == len(processing)
        assert (await http.submit(people(1))).status_code == 402  # what may still be charged stays held
        now[0] = 5.0
        answer = (await http.status(workflow_id=submitted["workflow_id"])).json()
        assert {row["status"] for row in answer["results"]} == {"completed"}
        assert sandbox.balance == 0.0


async def test_rows_that_never_finish_cost_nothing_and_hold_nothing(connect, people):
    async with done(shape=Shape(unfinished_rows=1.0), credits=1.0) as sandbox, connect(sandbox) as http:
        for _ in range(3):
            _submitted, answer = await http.run(people(1))
            assert [row["status"] for row in answer["results"]] == ["processing"]
        await sandbox.settle()
        assert sandbox.ledger.credits_charged == 0


@pytest.mark.parametrize("unfinished_s", [5.0, math.inf])
async def test_failed_workflows_have_no_rows_and_no_price(connect, people, unfinished_s):
    shape = Shape(failed_workflows=1.0, unfinished_rows=0.5, unfinished_s=unfinished_s)
    now = [0.0]
    sandbox = done(shape=shape, credits=4.0, clock=lambda: now[0])
    async with sandbox, connect(sandbox) as http:
        for _ in range(2):
            submitted, answer = await http.run(people(4))
            assert (answer["status"], answer["results"]) == ("failed", [])
            assert answer["summary"]["failed"] == 4
            task = (await http.status(task_id=submitted["task_ids"][0])).json()
            assert task["status"] == "failed"
            now[0] += 5.0
        assert sandbox.balance == 4.0
        assert (await http.submit(people(5))).status_code == 402  # nothing was let go of twice


async def test_a_share_of_workflows_fails(connect, people):
    async with done(shape=Shape(failed_workflows=0.5)) as sandbox, connect(sandbox) as http:
        words = [(await http.run(people(1)))[1]["status"] for _ in range(12)]
    assert set(words) == {"completed", "failed"}


async def test_an_id_is_missing(connect, people):
    async with done(shape=Shape(id_count_off=True)) as sandbox, connect(sandbox) as http:
        submitted, answer = await http.run(people(3))
    assert (len(submitted["task_ids"]), len(answer["results"])) == (2, 3)


async def test_everything_is_decided_by_the_seed(connect, people):
    shape = Shape(
        shuffle_ids=True, shuffle_rows=True, omit_rows=0.3, unfinished_rows=0.3, failed_workflows=0.3
    )

    async def answers(seed):
        async with done(shape=shape, seed=seed) as sandbox, connect(sandbox) as http:
            return [await http.run(people(20)) for _ in range(3)]

    assert await answers(1) == await answers(1) != await answers(2)
