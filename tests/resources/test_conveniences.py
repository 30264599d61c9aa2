"""What spares the caller a step: whole objects instead of their ids, walls on fixed prices, all items."""

from __future__ import annotations

import pytest

from cleanlist_async import BudgetExceededError, ConfigurationError, InsufficientCreditsError
from cleanlist_async.api.models.enrichment import TaskEnrichment
from tests.support.modern_world import error_of, last_body, list_of, modern


def test_what_was_started_can_be_waited_for_whole():
    async def main(here):
        list_id = await list_of(here, 3)
        person = await here.client.enrichment.enrich_person(list_id, email="ada@c.example")
        done = await here.client.enrichment.wait(person)
        assert done.workflow_id == person.workflow_id
        run = await here.client.enrichment.enrich_list(list_id, max_credits=50)
        assert (await here.client.enrichment.wait(run)).workflow_id == run.workflow_id
        agent = await here.client.smart_agents.run_smart_agent(
            list_id, column_name="Line", prompt="One line", max_credits=50
        )
        results = await here.client.smart_agents.wait(agent)
        assert results.smart_agent_task_id == agent.smart_agent_task_id

    modern(main, hit_rate=1.0)


def test_companies_of_a_cohort_leave_nothing_to_wait_for():
    async def main(here):
        error = await error_of(here.client.enrichment.wait(TaskEnrichment(entity_kind="company")))
        assert isinstance(error, ConfigurationError)

    modern(main)


@pytest.mark.parametrize("hit_rate", [0.0, 1.0])
def test_the_person_is_there_only_where_one_was_found(hit_rate):
    async def main(here):
        list_id = await list_of(here, 0)
        started = await here.client.enrichment.enrich_person(list_id, email="ada@c.example")
        assert (await here.client.enrichment.enrichment_status(started.workflow_id)).person is None
        done = await here.client.enrichment.wait(started)
        assert done.found is bool(hit_rate)
        assert (done.person is done.result) if hit_rate else (done.person is None)

    modern(main, hit_rate=hit_rate)


def test_a_person_is_bought_as_partial_unless_another_type_is_said():
    async def main(here):
        list_id = await list_of(here, 0)
        await here.client.enrichment.enrich_person(list_id, email="ada@c.example")
        assert last_body(here)["enrichment_type"] == "partial"

    modern(main)


def test_a_fixed_price_beyond_the_wall_is_refused_before_anything_is_sent():
    async def main(here):
        list_id = await list_of(here, 0)
        before = len(here.ledger.requests)
        person = {"email": "ada@c.example", "enrichment_type": "full"}
        for wall in (10, 0):
            error = await error_of(here.client.enrichment.enrich_person(list_id, **person, max_credits=wall))
            assert isinstance(error, BudgetExceededError)
        error = await error_of(here.client.enrichment.enrich_company(domain="c.example", max_credits=0))
        assert isinstance(error, BudgetExceededError)
        assert len(here.ledger.requests) == before
        await here.client.enrichment.enrich_person(list_id, **person, max_credits=11)
        await here.client.enrichment.enrich_company(domain="c.example", max_credits=1)

    modern(main)


def test_a_whole_quote_is_held_against_the_balance():
    async def main(here):
        list_id = await list_of(here, 3)
        quote = await here.client.workspace.credits_estimate("enrich_list", list_id=list_id, scope="full")
        before = len(here.ledger.requests)
        poor = quote.model_copy(update={"sufficient": False, "available_credits": 1})
        error = await error_of(here.client.enrichment.enrich_list(list_id, scope="full", quote_id=poor))
        assert isinstance(error, InsufficientCreditsError)
        assert error.shortfall_credits == quote.estimated_cost - 1
        assert len(here.ledger.requests) == before
        run = await here.client.enrichment.enrich_list(list_id, scope="full", quote_id=quote)
        assert run.workflow_id

    modern(main)


def test_all_items_as_a_list():
    async def main(here):
        list_id = await list_of(here, 7)
        leads = await here.client.lead_lists.list_leads_in_list(list_id, limit=3).all()
        assert len({lead.lead_id for lead in leads}) == len(leads) == 7

    modern(main)
