"""What the API has added since: each unknown field and word is reported once, and nothing else is."""

from __future__ import annotations

from typing import ClassVar

import pytest

from cleanlist_async import APIError
from cleanlist_async.api.models.base import Answer, unknown_parts
from cleanlist_async.api.models.enrichment import EntityResult, PersonResult
from cleanlist_async.api.models.public import WebhookDelivery
from cleanlist_async.events import UnknownPart
from cleanlist_async.sandbox import Shape
from tests.support.cases import each_case
from tests.support.clients import ANSWERS, CALLS, respond, virtual_client
from tests.support.virtual_sandbox import open_world, people

heard: list[object] = []
listening = pytest.mark.world(client_options={"on_event": heard.append}, hit_rate=1.0)


@pytest.fixture(autouse=True)
def silence():
    heard.clear()


def unknown() -> list[tuple[str, str]]:
    return [(event.kind, event.part) for event in heard if isinstance(event, UnknownPart)]


@listening
async def test_a_sandbox_that_answers_as_documented_holds_nothing_unknown(world):
    client = world.client
    report = await client.enrich(people(3), enrichment_type="full")
    status = await client.public.bulk_status(workflow_id=report.results[0].workflow_id)
    await client.public.bulk_status(task_id=status.rows[0].task_id)
    await client.public.validate_key()
    await client.workspace.whoami()
    await client.workspace.credits_balance()
    await client.workspace.list_api_keys()
    await client.workspace.usage_report()
    made = await client.lead_lists.create_list("Leads")
    await client.lead_lists.list_lists()
    await client.lead_lists.get_list(made.list_id)
    found = await client.search.people(titles=["Engineer"])
    await client.lead_lists.add_leads_to_list(made.list_id, task_id=found.task_id)
    await client.lead_lists.list_leads_in_list(made.list_id)
    await client.enrichment.wait(await client.enrichment.enrich_list(made.list_id, max_credits=1000))
    await client.enrichment.enrich_company(domain="acme.example")
    await client.smart_agents.list_smart_agents()
    await client.export.export_csv(made.list_id)
    assert unknown() == []


@pytest.mark.parametrize("shape", ["flat", "nested"])
async def test_rows_of_either_shape_hold_nothing_unknown(shape):
    async with open_world(shape=Shape(row=shape), client_options={"on_event": heard.append}) as world:
        await world.client.enrich(people(3))
    assert unknown() == []


@pytest.mark.parametrize(
    ("call", "more", "said"),
    [
        ("validate_key", {"region": "eu"}, ("field", "KeyValidation.region")),
        ("credits_balance", {"expires": 3}, ("field", "CreditsBalance.expires")),
        ("bulk_status", {"status": "polishing"}, ("word", "BulkStatus.status=polishing")),
        ("bulk_status", {"results": [{"score": 3}]}, ("field", "EnrichmentRow.score")),
        ("bulk_status", {"results": [{"result": {"fax": 3}}]}, ("field", "EnrichmentRow.result.fax")),
        ("bulk_status", {"results": [{"status": "half"}]}, ("word", "EnrichmentRow.status=half")),
        ("webhook_deliveries", {"deliveries": [{"host": "x"}]}, ("field", "WebhookDelivery.host")),
    ],
)
async def test_an_unknown_part_is_reported_once(call, more, said):
    answer = respond({**ANSWERS[call], **more})
    async with virtual_client(lambda *_: answer, on_event=heard.append) as client:
        await CALLS[call](client)
        await CALLS[call](client)
    assert unknown() == [said]


async def test_an_unknown_code_of_an_error_is_a_word():
    answer = respond({"error": {"code": "list_frozen", "message": "no"}}, 403)
    async with virtual_client(lambda *_: answer, on_event=heard.append) as client:
        with pytest.raises(APIError):
            await client.public.credits_balance()
    assert unknown() == [("word", "error.code=list_frozen")]


async def test_a_name_that_is_no_identifier_is_masked():
    answer = respond({**ANSWERS["validate_key"], "ada@lovelace.example said so": 1})
    async with virtual_client(lambda *_: answer, on_event=heard.append) as client:
        await client.public.validate_key()
    assert unknown() == [("field", "***")]


async def test_thousands_of_unknown_names_are_not_all_remembered():
    answer = respond({**ANSWERS["validate_key"], **{f"field_{n}": n for n in range(1_000)}})
    async with virtual_client(lambda *_: answer, on_event=heard.append) as client:
        await client.public.validate_key()
    assert len(unknown()) == 200


class VerifiedPhone(Answer):
    """A model that is added, of which a status is no status of work."""

    status_words: ClassVar = frozenset({"valid", "invalid"})

    status: str = ""


@each_case(
    ("answer", "said"),
    [
        (VerifiedPhone(status="valid"), []),
        (VerifiedPhone(status="Invalid"), []),
        (VerifiedPhone(status=""), []),
        (VerifiedPhone(status="processing"), [("word", "VerifiedPhone.status=processing")]),
        (WebhookDelivery(status="delivered"), []),
        (WebhookDelivery(status="dropped"), [("word", "WebhookDelivery.status=dropped")]),
        (EntityResult(status="skipped"), []),
        (EntityResult(status="completed"), [("word", "EntityResult.status=completed")]),
        (PersonResult(status="completed_in_part"), []),
        (PersonResult(status="skipped"), [("word", "PersonResult.status=skipped")]),
    ],
)
def test_the_words_of_a_status_are_those_that_its_model_declares(answer, said):
    assert list(unknown_parts(answer)) == said
