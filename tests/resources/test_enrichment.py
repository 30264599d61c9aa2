"""``client.enrichment`` against the sandbox."""

from __future__ import annotations

import pytest

from cleanlist_async import ConfigurationError, NotFoundError, RequestValidationError, TaskNotFoundError
from tests.support.cases import each_case
from tests.support.modern_world import both_versions, error_of, last_body, list_of, modern, sent


@both_versions
@pytest.mark.operation("enrich_person", "enrichment_status")
def test_one_person(version):
    async def main(here):
        list_id = await list_of(here, 0)
        started = await here.client.enrichment.enrich_person(
            list_id, first_name="Ada", last_name="Lovelace", domain="c.example", enrichment_type="full"
        )
        assert set(last_body(here)) == {
            "lead_list_id",
            "first_name",
            "last_name",
            "domain",
            "enrichment_type",
        }
        assert (started.status, started.credits_reserved, started.lead_list_id) == ("pending", 11, list_id)
        status = await here.client.enrichment.enrichment_status(started.workflow_id)
        assert not status.is_final
        assert status.found is None
        done = await here.client.enrichment.wait(started.workflow_id)
        assert (done.found, done.result.status) == (True, "completed")
        assert done.credits_charged == here.ledger.credits_charged == 11
        (lead,) = [lead async for lead in here.client.lead_lists.list_leads_in_list(list_id)]
        assert (lead.lead_id, lead.email) == (done.result.lead_id, done.result.email)

    modern(main, version, hit_rate=1.0)


@both_versions
@pytest.mark.operation("enrich_company")
def test_one_company_comes_at_once(version):
    async def main(here):
        found = await here.client.enrichment.enrich_company(domain="c1.example")
        assert last_body(here) == {"domain": "c1.example"}
        assert (found.company.domain, found.credits_charged) == ("c1.example", 1)
        assert len(here.ledger.requests) == 1

    modern(main, version, hit_rate=1.0)


@both_versions
@pytest.mark.operation("enrich_by_task")
def test_a_cohort_of_people(version):
    async def main(here):
        list_id = await list_of(here, 0)
        page = await here.client.search.people(departments=["Sales"], limit=5)
        started = await here.client.enrichment.enrich_by_task(
            page.task_id, data_points=["Email"], lead_list_id=list_id, max_credits=5
        )
        assert (started.entity_kind, started.total_entities, len(started.results)) == ("person", 5, 5)
        assert {result.status for result in started.results} == {"queued"}
        done = await here.client.enrichment.wait(started.workflow_id)
        by_cohort = await here.client.enrichment.wait(page.task_id)
        assert done.credits_charged == by_cohort.credits_charged == here.ledger.credits_charged
        assert not here.ledger.duplicates()

    modern(main, version)


def test_a_cohort_of_companies_comes_at_once():
    async def main(here):
        page = await here.client.search.companies(locations=["United"], limit=5)
        done = await here.client.enrichment.enrich_by_task(
            page.task_id,
            data_points=iter(["Industry", "Domain"]),
            entity_ids=[page.results[0].company_id],
            max_credits=1,
        )
        assert (done.entity_kind, done.workflow_id, done.total_entities) == ("company", None, 1)
        assert done.results[0].company.company_id == page.results[0].company_id

    modern(main, hit_rate=1.0)


@both_versions
@pytest.mark.operation("enrich_list")
def test_a_whole_list(version):
    async def main(here):
        list_id = await list_of(here, 12)
        started = await here.client.enrichment.enrich_list(list_id, scope="phone_only", max_credits=120)
        assert set(last_body(here)) == {"list_id", "scope", "quote_id"}
        assert last_body(here)["scope"] == "phone-only"
        assert (started.total_leads, started.estimated_cost, started.credits_reserved) == (12, 120, 120)
        done = await here.client.enrichment.wait(started.workflow_id)
        assert done.result is None
        assert done.completed + done.failed == done.total == 12
        assert done.credits_charged == here.ledger.credits_charged == 10 * done.completed

    modern(main, version)


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
def test_what_the_server_would_refuse_is_not_sent(case):
    call, field = WRONG[case]

    async def main(here):
        error = await error_of(call(here.client.enrichment))
        assert isinstance(error, RequestValidationError)
        if field:
            assert error.field_errors[0].loc[1] == field
        assert not here.ledger.requests

    modern(main)


@pytest.mark.parametrize(
    "price", [{}, {"quote_id": "q", "max_credits": 1}, {"max_credits": -1}, {"max_credits": float("nan")}]
)
def test_nothing_is_bought_at_an_unseen_price(price):
    async def main(here):
        agent = {"column_name": "c", "prompt": "p"}
        for call in (
            here.client.enrichment.enrich_list("l", **price),
            here.client.enrichment.enrich_by_task("t", data_points=["Email"], **price),
            here.client.smart_agents.run_smart_agent("l", **agent, **price),
        ):
            assert type(await error_of(call)) is ConfigurationError
        assert not here.ledger.requests

    modern(main)


def test_strangers_and_expired_cohorts_are_not_found():
    async def main(here):
        enrichment = here.client.enrichment
        assert isinstance(await error_of(enrichment.enrichment_status("enrich-nobody")), NotFoundError)
        assert isinstance(await error_of(enrichment.wait("enrich-nobody")), NotFoundError)
        gone = enrichment.enrich_by_task("cl-task_gone", data_points=["Email"], max_credits=1)
        assert isinstance(await error_of(gone), TaskNotFoundError)
        assert not sent(here, "/by-task")

    modern(main)
