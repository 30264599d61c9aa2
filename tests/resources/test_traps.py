"""The surprises of the modern surface, one test for each."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import get_type_hints

import pytest

from cleanlist_async import (
    ConflictError,
    InsufficientCreditsError,
    InvalidCursorError,
    MalformedResponseError,
    QuoteMismatchError,
)
from cleanlist_async.api import ids
from cleanlist_async.api.models import enrichment, lead_lists, search, smart_agents
from tests.support.cases import each_case
from tests.support.clients import Served, respond, virtually
from tests.support.modern_world import csv_of, error_of, last_body, list_of, modern, sent

LISTED = {"list_id": "l", "name": "A", "lead_count": 1, "enriched_count": 0}


def test_create_list_answers_200_with_reused_when_the_name_is_taken():
    async def main(here):
        first = await here.client.lead_lists.create_list("Fair")
        again = await here.client.lead_lists.create_list("FAIR")
        assert (again.list_id, first.reused, again.reused) == (first.list_id, False, True)
        assert [record.status for record in sent(here, "/lead-lists")] == [201, 200]

    modern(main)


@pytest.mark.parametrize("spelling", ["phone_only", "phone-only"])
def test_phone_only_has_an_underscore_for_a_person_and_a_hyphen_for_a_list(spelling):
    async def main(here):
        list_id = await list_of(here, 1)
        await here.client.enrichment.enrich_person(list_id, email="a@b.example", enrichment_type=spelling)
        assert last_body(here)["enrichment_type"] == "phone_only"
        await here.client.enrichment.enrich_list(list_id, scope=spelling, max_credits=10)
        estimate, bought = (json.loads(body) for body in here.bodies[-2:])
        assert estimate["scope"] == bought["scope"] == "phone-only"

    modern(main)


@pytest.mark.parametrize(("include_phone", "means"), [(True, "phone_only"), (False, "partial")])
def test_include_phone_means_the_phone_only_and_is_said_in_a_word(include_phone, means):
    async def main(here):
        list_id = await list_of(here, 0)
        person = await here.client.enrichment.enrich_person(
            list_id, email="a@b.example", include_phone=include_phone
        )
        assert person.credits_reserved == {"phone_only": 10, "partial": 1}[means]
        assert "include_phone" not in last_body(here)
        assert last_body(here)["enrichment_type"] == means

    modern(main)


def test_null_in_a_patch_is_a_command_and_a_missing_key_is_none():
    async def main(here):
        made = await here.client.lead_lists.create_list("A", description="text")
        kept = await here.client.lead_lists.update_list(made.list_id, name="B")
        assert (kept.name, kept.description) == ("B", "text")
        cleared = await here.client.lead_lists.update_list(made.list_id, description=None)
        assert (cleared.name, cleared.description) == ("B", None)

    modern(main)


def test_delete_has_a_body():
    server = Served(lambda request, number: respond({"list_id": "l", "removed": 1}))

    async def main(client, network):
        await client.lead_lists.remove_leads_from_list("l", lead_ids=["a"])

    virtually(main, server)
    (request,) = server.requests
    assert (request.method, json.loads(request.body)) == ("DELETE", {"lead_ids": ["a"]})
    assert request.headers["content-type"] == "application/json"


def test_three_time_formats_are_aware_datetimes():
    async def main(here):
        list_id = await list_of(here, 1)
        quote = await here.client.workspace.credits_estimate("enrich_list", list_id=list_id)
        made = await here.client.export.export_csv(list_id)
        (key,) = (await here.client.workspace.list_api_keys()).keys
        me = await here.client.workspace.whoami()
        moments = [quote.expires_at, made.expires_at, key.created_at, key.last_used_at, me.timestamp]
        assert all(moment.utcoffset() is not None for moment in moments)
        hours = [(moment - me.timestamp).total_seconds() / 3600 for moment in moments]
        assert [round(hour, 1) for hour in hours] == [0.1, 24.0, 0, 0, 0]

    modern(main)


def test_task_id_is_typed_apart():
    def kind(model):
        return get_type_hints(model)["task_id"]

    cohort = ids.CohortId | None
    for model in (lead_lists.LeadsPage, search.PeoplePage, enrichment.TaskEnrichment):
        assert kind(model) == cohort
    assert kind(smart_agents.StartedSmartAgent) == ids.EnvelopeTaskId | None
    assert kind(smart_agents.SmartAgentRun) is ids.SmartAgentTaskId
    assert len({ids.CohortId, ids.ContactTaskId, ids.EnvelopeTaskId, ids.SmartAgentTaskId}) == 4


def test_an_absolute_poll_url_is_never_followed():
    def handle(request, number):
        assert request.headers["host"] == "localhost"
        if request.method == "POST":
            evil = "https://evil.example/api/v1/public/enrichment/status/enrich-1"
            return respond({"workflow_id": "enrich-1", "status": "pending", "poll_url": evil})
        return respond({"workflow_id": "enrich-1", "status": "completed"})

    server = Served(handle)

    async def main(client, network):
        person = await client.enrichment.enrich_person("l", email="a@b.example")
        await client.enrichment.wait(person.workflow_id)

    virtually(main, server)
    assert [request.path for request in server.requests[1:]] == ["/api/v2/enrichment/status/enrich-1"]


def test_a_cohort_id_does_for_a_status():
    async def main(here):
        list_id = await list_of(here, 2)
        started = await here.client.enrichment.enrich_list(list_id, max_credits=2)
        by_cohort = await here.client.enrichment.enrichment_status(started.task_id)
        assert by_cohort.total == 2
        assert (await here.client.enrichment.wait(started.task_id)).status == "completed"

    modern(main)


@pytest.mark.parametrize("credits_", [1249, 1234.5, 0, "0.1"])
def test_credits_may_be_a_fraction(credits_):
    async def main(client, network):
        return (await client.workspace.credits_balance()).credits

    found = virtually(main, lambda request, number: respond({"organization_id": "o", "credits": credits_}))
    assert found == float(credits_)


def test_an_import_enriches_nothing_unless_it_is_told_to():
    async def main(here):
        await list_of(here, 5)
        assert last_body(here)["dispatch_enrichment"] is False
        assert not here.ledger.contacts

    modern(main)


def test_an_idempotency_key_of_another_list_is_no_import():
    async def main(here):
        first, second = await list_of(here, 0, "A"), await list_of(here, 0, "B")
        file = {"csv_content_base64": "RQphQGIuY28K", "column_mapping": {"email": "E"}}
        lists = here.client.lead_lists
        await lists.csv_import(first, **file, idempotency_key="same")
        error = await error_of(lists.csv_import(second, **file, idempotency_key="same"))
        assert isinstance(error, ConflictError)
        assert error.billed == "no"
        again = await lists.csv_import(first, **file, idempotency_key="same")
        assert again.idempotency_replayed
        for list_id in (first, second):  # a file has keys of its own in each list
            report = await lists.import_csv(list_id, csv_of(3), idempotency_key="same")
            assert report.rows_imported == 3
            assert not report.parts[0].idempotency_replayed
            report = await lists.import_csv(list_id, csv_of(3), idempotency_key="same")
            assert report.parts[0].idempotency_replayed

    modern(main)


def test_a_quote_that_is_not_sufficient_is_an_answer_of_200():
    async def main(here):
        list_id = await list_of(here, 3)
        quote = await here.client.workspace.credits_estimate("enrich_list", list_id=list_id)
        assert quote.sufficient is False
        error = await error_of(here.client.enrichment.enrich_list(list_id, max_credits=10))
        assert isinstance(error, InsufficientCreditsError)
        assert (error.estimated_cost_credits, error.available_credits, error.shortfall_credits) == (3, 2, 1)
        assert not sent(here, "/enrichment/bulk")

    modern(main, credits=2)


def test_running_out_is_the_same_error_when_the_server_says_so():
    async def main(here):
        list_id = await list_of(here, 0)
        error = await error_of(
            here.client.enrichment.enrich_person(list_id, email="a@b.example", enrichment_type="full")
        )
        assert type(error) is InsufficientCreditsError
        assert (error.status, error.shortfall_credits, error.billed) == (400, 9, "no")

    modern(main, credits=2)


def test_a_quote_does_not_fit_after_leads_were_added():
    async def main(here):
        list_id = await list_of(here, 2)
        quote = await here.client.workspace.credits_estimate("enrich_list", list_id=list_id)
        await here.client.lead_lists.import_csv(list_id, csv_of(2, 100))
        error = await error_of(here.client.enrichment.enrich_list(list_id, quote_id=quote.quote_id))
        assert error.code in {"quote_mismatch", "spend_cap_exceeded"}
        assert not here.ledger.contacts

    modern(main)


def test_a_quote_for_something_else_is_refused():
    async def main(here):
        list_id = await list_of(here, 2)
        quote = await here.client.workspace.credits_estimate("enrich_list", list_id=list_id)
        call = here.client.enrichment.enrich_list(list_id, scope="full", quote_id=quote.quote_id)
        assert isinstance(await error_of(call), QuoteMismatchError)

    modern(main)


@pytest.mark.parametrize("status", [400, 409])
def test_a_stale_quote_is_told_by_its_code_whether_with_400_or_409(status):
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

    async def main(client, network):
        return await client.smart_agents.run_smart_agent("l", column_name="c", prompt="p", max_credits=1)

    assert virtually(main, server).smart_agent_task_id == "sa_1"
    assert len(server.requests) == 4


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


def test_both_kinds_of_a_miss_are_not_found():
    async def main(here):
        list_id = await list_of(here, 0)
        seen = set()
        for n in range(12):
            run = await here.client.enrichment.enrich_person(list_id, email=f"p{n}@b.example")
            done = await here.client.enrichment.wait(run.workflow_id)
            assert (done.status, done.found) == ("completed", False)
            seen.add((bool(done.result.lead_id), done.result.status))
        assert seen == {(True, "failed"), (False, "completed")}
        assert not here.ledger.credits_charged

    modern(main, hit_rate=0.0)


def test_a_bulk_run_has_no_rows_and_the_list_has_them():
    async def main(here):
        list_id = await list_of(here, 3)
        run = await here.client.enrichment.enrich_list(list_id, max_credits=3)
        done = await here.client.enrichment.wait(run.workflow_id)
        assert (done.result, done.found, done.completed) == (None, None, 3)
        leads = [lead async for lead in here.client.lead_lists.list_leads_in_list(list_id)]
        assert all(lead.provider == "sandbox" for lead in leads)

    modern(main, hit_rate=1.0)


def test_the_total_of_runs_is_that_of_the_page():
    async def main(here):
        list_id = await list_of(here, 1)
        for n in range(3):
            await here.client.smart_agents.run_smart_agent(
                list_id, column_name=f"c{n}", prompt="p", max_credits=1
            )
        runs = await here.client.smart_agents.list_smart_agents(limit=2)
        assert (runs.total, len(runs.runs)) == (2, 2)

    modern(main)


def test_user_email_may_be_null():
    async def main(client, network):
        return await client.workspace.whoami()

    whole = {"user_email": None, "organization_id": "o", "auth_type": "api_key", "tier": "titanium"}
    me = virtually(main, lambda request, number: respond(whole))
    assert (me.user_email, me.tier, me.scopes) == (None, "titanium", ())


def test_a_cursor_that_is_none_is_told():
    async def main(here):
        error = await error_of(here.client.lead_lists.list_lists(cursor="x"))
        assert isinstance(error, InvalidCursorError)

    modern(main)


# -- answers that are another's --------------------------------------------------------------------


def test_an_answer_about_another_list_is_asked_for_again():
    async def main(client, network):
        return await client.lead_lists.get_list("L")

    answers = [respond(LISTED | {"list_id": "other"}), respond(LISTED | {"list_id": "l"})]
    assert virtually(main, lambda request, number: answers[number]).list_id == "l"

    async def always_other(client, network):
        return await error_of(client.lead_lists.get_list("L"))

    assert isinstance(virtually(always_other, lambda request, number: answers[0]), MalformedResponseError)


def test_lists_belong_to_the_user_of_a_key_and_so_do_their_requests():
    async def main(here):
        list_id = await list_of(here, 3)
        run = await here.client.enrichment.enrich_list(list_id, max_credits=3)
        for _ in range(3):
            assert (await here.client.lead_lists.get_list(list_id)).lead_count == 3
            await here.client.request("GET", f"/api/v2/lead-lists/{list_id}")
        await here.client.enrichment.wait(run.workflow_id)
        await here.client.enrichment.wait(run.task_id)
        assert len({record.key_id for record in here.ledger.requests}) == 1

    modern(main, api_keys=("clapi_one_0123456789", "clapi_two_0123456789"))


def test_times_without_a_zone_are_utc():
    found = lead_lists.LeadList.read(LISTED | {"created_at": "2026-05-12 09:31:44"})
    assert found.created_at == datetime(2026, 5, 12, 9, 31, 44, tzinfo=UTC)
