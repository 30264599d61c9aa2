"""``client.enrichment`` against the sandbox."""

import json
from typing import get_type_hints

import pytest

from cleanlist_async import (
    BudgetExceededError,
    ConfigurationError,
    NotFoundError,
    RequestValidationError,
    TaskNotFoundError,
)
from cleanlist_async import types as ids
from cleanlist_async.api.models import enrichment, lead_lists
from cleanlist_async.api.models.enrichment import TaskEnrichment
from tests.support.cases import each_case
from tests.support.clients import Served, respond, virtual_client
from tests.support.modern_world import both_versions, error_of, last_body, list_of, modern_world, sent


@both_versions
@pytest.mark.operation("enrich_person", "enrichment_status")
@pytest.mark.world(hit_rate=1.0)
async def test_a_person_is_enriched(world):
    list_id = await list_of(world, 0)
    started = await world.client.enrichment.enrich_person(
        list_id, first_name="Ada", last_name="Lovelace", domain="c.example", enrichment_type="full"
    )
    assert set(last_body(world)) == {
        "lead_list_id",
        "first_name",
        "last_name",
        "domain",
        "enrichment_type",
    }
    assert (started.status, started.credits_reserved, started.lead_list_id) == ("pending", 11, list_id)
    status = await world.client.enrichment.enrichment_status(started.workflow_id)
    assert not status.is_final
    assert status.found is None
    done = await world.client.enrichment.wait(started.workflow_id)
    assert (done.found, done.result.status) == (True, "completed")
    assert done.credits_charged == world.ledger.credits_charged == 11
    (lead,) = [lead async for lead in world.client.lead_lists.list_leads_in_list(list_id)]
    assert (lead.lead_id, lead.email) == (done.result.lead_id, done.result.email)


@both_versions
@pytest.mark.operation("enrich_company")
@pytest.mark.world(hit_rate=1.0)
async def test_one_company_comes_at_once(world):
    found = await world.client.enrichment.enrich_company(domain="c1.example")
    assert last_body(world) == {"domain": "c1.example"}
    assert (found.company.domain, found.credits_charged) == ("c1.example", 1)
    assert len(world.ledger.requests) == 1


@both_versions
@pytest.mark.operation("enrich_by_task")
async def test_a_cohort_of_people_is_enriched(world):
    list_id = await list_of(world, 0)
    page = await world.client.search.people(departments=["Sales"], limit=5)
    started = await world.client.enrichment.enrich_by_task(
        page.task_id, data_points=["Email"], lead_list_id=list_id, max_credits=5
    )
    assert (started.entity_kind, started.total_entities, len(started.results)) == ("person", 5, 5)
    assert {result.status for result in started.results} == {"queued"}
    done = await world.client.enrichment.wait(started.workflow_id)
    by_cohort = await world.client.enrichment.wait(page.task_id)
    assert done.credits_charged == by_cohort.credits_charged == world.ledger.credits_charged
    assert not world.ledger.duplicates()


@pytest.mark.world(hit_rate=1.0)
async def test_a_cohort_of_companies_comes_at_once(world):
    page = await world.client.search.companies(locations=["United"], limit=5)
    done = await world.client.enrichment.enrich_by_task(
        page.task_id,
        data_points=iter(["Industry", "Domain"]),
        entity_ids=[page.results[0].company_id],
        max_credits=1,
    )
    assert (done.entity_kind, done.workflow_id, done.total_entities) == ("company", None, 1)
    assert done.results[0].company.company_id == page.results[0].company_id


@both_versions
@pytest.mark.operation("enrich_list")
async def test_a_whole_list_is_enriched(world):
    list_id = await list_of(world, 12)
    started = await world.client.enrichment.enrich_list(list_id, scope="phone_only", max_credits=120)
    assert set(last_body(world)) == {"list_id", "scope", "quote_id"}
    assert last_body(world)["scope"] == "phone-only"
    assert (started.total_leads, started.estimated_cost, started.credits_reserved) == (12, 120, 120)
    done = await world.client.enrichment.wait(started.workflow_id)
    assert done.result is None
    assert done.completed + done.failed == done.total == 12
    assert done.credits_charged == world.ledger.credits_charged == 10 * done.completed


WRONG = {
    "person-no-list": (lambda c: c.enrich_person("", email="a@b.example"), "lead_list_id"),
    "person-nobody": (lambda c: c.enrich_person("l"), None),
    "person-phone-alone": (lambda c: c.enrich_person("l", phone="+1"), None),
    "person-name-alone": (lambda c: c.enrich_person("l", first_name="A", last_name="B"), None),
    "person-empty-email": (lambda c: c.enrich_person("l", email=""), "email"),
    "person-type": (lambda c: c.enrich_person("l", email="a@b.c", enrichment_type="none"), "enrichment_type"),
    "person-contradiction": (
        lambda c: c.enrich_person("l", email="a@b.c", enrichment_type="full", include_phone=True),
        "include_phone",
    ),
    "company-nobody": (lambda c: c.enrich_company(), None),
    "task-points": (lambda c: c.enrich_by_task("t", data_points=["email"], max_credits=1), "data_points"),
    "task-no-points": (lambda c: c.enrich_by_task("t", data_points=[], max_credits=1), "data_points"),
    "task-text": (lambda c: c.enrich_by_task("t", data_points="Email", max_credits=1), "data_points"),
    "task-both-kinds": (
        lambda c: c.enrich_by_task("t", data_points=["Email", "Domain"], max_credits=1),
        None,
    ),
    "task-nobody": (
        lambda c: c.enrich_by_task("t", data_points=["Email"], entity_ids=[], max_credits=1),
        "entity_ids",
    ),
    "list-scope": (lambda c: c.enrich_list("l", scope="phone", max_credits=1), "scope"),
    "list-empty": (lambda c: c.enrich_list("", max_credits=1), "list_id"),
}


@each_case("case", WRONG)
async def test_what_the_server_would_refuse_is_not_sent(case):
    call, field = WRONG[case]
    async with modern_world() as world:
        error = await error_of(call(world.client.enrichment))
        assert isinstance(error, RequestValidationError)
        if field:
            assert error.field_errors[0].loc[1] == field
        assert not world.ledger.requests


@pytest.mark.parametrize(
    "price", [{}, {"quote_id": "q", "max_credits": 1}, {"max_credits": -1}, {"max_credits": float("nan")}]
)
async def test_nothing_is_bought_at_an_unseen_price(world, price):
    agent = {"column_name": "c", "prompt": "p"}
    for call in (
        world.client.enrichment.enrich_list("l", **price),
        world.client.enrichment.enrich_by_task("t", data_points=["Email"], **price),
        world.client.smart_agents.run_smart_agent("l", **agent, **price),
    ):
        assert type(await error_of(call)) is ConfigurationError
    assert not world.ledger.requests


async def test_strangers_and_expired_cohorts_are_not_found(world):
    enrichment = world.client.enrichment
    assert isinstance(await error_of(enrichment.enrichment_status("enrich-nobody")), NotFoundError)
    assert isinstance(await error_of(enrichment.wait("enrich-nobody")), NotFoundError)
    gone = enrichment.enrich_by_task("cl-task_gone", data_points=["Email"], max_credits=1)
    assert isinstance(await error_of(gone), TaskNotFoundError)
    assert not sent(world, "/by-task")


@pytest.mark.slow
@pytest.mark.world(hit_rate=1.0)
async def test_what_was_started_can_be_waited_for_whole(world):
    list_id = await list_of(world, 3)
    person = await world.client.enrichment.enrich_person(list_id, email="ada@c.example")
    done = await world.client.enrichment.wait(person)
    assert done.workflow_id == person.workflow_id
    run = await world.client.enrichment.enrich_list(list_id, max_credits=50)
    assert (await world.client.enrichment.wait(run)).workflow_id == run.workflow_id
    agent = await world.client.smart_agents.run_smart_agent(
        list_id, column_name="Line", prompt="One line", max_credits=50
    )
    results = await world.client.smart_agents.wait(agent)
    assert results.smart_agent_task_id == agent.smart_agent_task_id


async def test_companies_of_a_cohort_leave_nothing_to_wait_for(world):
    error = await error_of(world.client.enrichment.wait(TaskEnrichment(entity_kind="company")))
    assert isinstance(error, ConfigurationError)


@pytest.mark.parametrize("hit_rate", [0.0, 1.0])
async def test_the_person_is_there_only_where_one_was_found(hit_rate):
    async with modern_world(hit_rate=hit_rate) as world:
        list_id = await list_of(world, 0)
        started = await world.client.enrichment.enrich_person(list_id, email="ada@c.example")
        assert (await world.client.enrichment.enrichment_status(started.workflow_id)).person is None
        done = await world.client.enrichment.wait(started)
        assert done.found is bool(hit_rate)
        assert (done.person is done.result) if hit_rate else (done.person is None)


async def test_a_person_is_bought_as_partial_unless_another_type_is_said(world):
    list_id = await list_of(world, 0)
    await world.client.enrichment.enrich_person(list_id, email="ada@c.example")
    assert last_body(world)["enrichment_type"] == "partial"


async def test_a_fixed_price_beyond_the_wall_is_refused_before_anything_is_sent(world):
    list_id = await list_of(world, 0)
    before = len(world.ledger.requests)
    person = {"email": "ada@c.example", "enrichment_type": "full"}
    for wall in (10, 0):
        error = await error_of(world.client.enrichment.enrich_person(list_id, **person, max_credits=wall))
        assert isinstance(error, BudgetExceededError)
    error = await error_of(world.client.enrichment.enrich_company(domain="c.example", max_credits=0))
    assert isinstance(error, BudgetExceededError)
    assert len(world.ledger.requests) == before
    await world.client.enrichment.enrich_person(list_id, **person, max_credits=11)
    await world.client.enrichment.enrich_company(domain="c.example", max_credits=1)


@pytest.mark.parametrize("spelling", ["phone_only", "phone-only"])
async def test_phone_only_has_an_underscore_for_a_person_and_a_hyphen_for_a_list(world, spelling):
    list_id = await list_of(world, 1)
    await world.client.enrichment.enrich_person(list_id, email="a@b.example", enrichment_type=spelling)
    assert last_body(world)["enrichment_type"] == "phone_only"
    await world.client.enrichment.enrich_list(list_id, scope=spelling, max_credits=10)
    estimate, bought = (json.loads(body) for body in world.bodies[-2:])
    assert estimate["scope"] == bought["scope"] == "phone-only"


@pytest.mark.parametrize(("include_phone", "means"), [(True, "phone_only"), (False, "partial")])
async def test_include_phone_means_the_phone_only_and_is_said_in_a_word(world, include_phone, means):
    list_id = await list_of(world, 0)
    person = await world.client.enrichment.enrich_person(
        list_id, email="a@b.example", include_phone=include_phone
    )
    assert person.credits_reserved == {"phone_only": 10, "partial": 1}[means]
    assert "include_phone" not in last_body(world)
    assert last_body(world)["enrichment_type"] == means


def test_task_id_is_typed_apart():
    def kind(model):
        return get_type_hints(model)["task_id"]

    cohort = ids.CohortId | None
    for model in (lead_lists.LeadsPage, enrichment.PeoplePage, enrichment.TaskEnrichment):
        assert kind(model) == cohort
    assert kind(lead_lists.StartedSmartAgent) == ids.EnvelopeTaskId | None
    assert kind(lead_lists.SmartAgentRun) is ids.SmartAgentTaskId
    assert len({ids.CohortId, ids.ContactTaskId, ids.EnvelopeTaskId, ids.SmartAgentTaskId}) == 4


async def test_an_absolute_poll_url_is_never_followed():
    def handle(request, number):
        assert request.headers["host"] == "localhost"
        if request.method == "POST":
            evil = "https://evil.example/api/v1/public/enrichment/status/enrich-1"
            return respond({"workflow_id": "enrich-1", "status": "pending", "poll_url": evil})
        return respond({"workflow_id": "enrich-1", "status": "completed"})

    server = Served(handle)
    async with virtual_client(server) as client:
        person = await client.enrichment.enrich_person("l", email="a@b.example")
        await client.enrichment.wait(person.workflow_id)
    assert [request.path for request in server.requests[1:]] == ["/api/v2/enrichment/status/enrich-1"]


async def test_a_cohort_id_does_for_a_status(world):
    list_id = await list_of(world, 2)
    started = await world.client.enrichment.enrich_list(list_id, max_credits=2)
    by_cohort = await world.client.enrichment.enrichment_status(started.task_id)
    assert by_cohort.total == 2
    assert (await world.client.enrichment.wait(started.task_id)).status == "completed"


@each_case(
    ("result", "found"),
    [
        ({"lead_id": "x", "status": "completed"}, True),
        ({"lead_id": "x", "status": "failed"}, False),
        ({"lead_id": "", "status": "completed"}, False),
        ({"lead_id": None, "status": "completed"}, False),
        ({"status": "FAILED"}, False),
        (None, None),
    ],
)
def test_completed_outside_may_be_failed_or_empty_inside(result, found):
    status = enrichment.WorkflowStatus.read({"workflow_id": "w", "status": "completed", "result": result})
    assert status.is_final
    assert not status.ended_badly
    assert status.found is found


@pytest.mark.slow
@pytest.mark.world(hit_rate=0.0)
async def test_both_kinds_of_a_miss_are_not_found(world):
    list_id = await list_of(world, 0)
    seen = set()
    for n in range(12):
        run = await world.client.enrichment.enrich_person(list_id, email=f"p{n}@b.example")
        done = await world.client.enrichment.wait(run.workflow_id)
        assert (done.status, done.found) == ("completed", False)
        seen.add((bool(done.result.lead_id), done.result.status))
    assert seen == {(True, "failed"), (False, "completed")}
    assert not world.ledger.credits_charged


@pytest.mark.world(hit_rate=1.0)
async def test_a_bulk_run_has_no_rows_and_the_list_has_them(world):
    list_id = await list_of(world, 3)
    run = await world.client.enrichment.enrich_list(list_id, max_credits=3)
    done = await world.client.enrichment.wait(run.workflow_id)
    assert (done.result, done.found, done.completed) == (None, None, 3)
    leads = [lead async for lead in world.client.lead_lists.list_leads_in_list(list_id)]
    assert all(lead.provider == "sandbox" for lead in leads)
