"""Rows go where models go: into dumps, JSON, schemas and FastAPI's answers."""

from __future__ import annotations

import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from cleanlist_async.api.models.base import Answer
from cleanlist_async.api.models.lead_lists import Lead, LeadsPage
from cleanlist_async.api.models.public import BulkStatus, BulkSubmission, WebhookDeliveries, WebhookPayload
from cleanlist_async.api.models.rows import EnrichmentRow
from tests.support.cases import each_case

STATUS = {
    "workflow_id": "w",
    "status": "completed",
    "results": [{"task_id": "1", "new": [2]}, {"task_id": "2"}],
}
PAGE = {"list_id": "l", "leads": [{"lead_id": 1, "email": "ada@example.com", "new": {"x": None}}], "total": 1}


@pytest.mark.parametrize(
    ("answer", "name", "rows"),
    [
        (BulkStatus.model_validate(STATUS), "rows", STATUS["results"]),
        (LeadsPage.read(PAGE), "leads", PAGE["leads"]),
    ],
)
def test_a_dump_has_the_rows_as_the_server_sent_them(
    answer: LeadsPage, name: str, rows: list[object]
) -> None:
    assert list(answer.model_dump()[name]) == rows
    assert json.loads(answer.model_dump_json())[name] == rows
    again = type(answer).model_validate(answer)
    assert getattr(again, name) == getattr(answer, name)


SUBMITTED = {"workflow_id": "w", "task_ids": ["1", "2"]}
DELIVERED = {"deliveries": [{"status": "delivered", "attempt": 1}]}
PUSHED = WebhookPayload.model_validate({"event": "bulk_enrichment.completed", **STATUS}).as_status()


@each_case(
    ("answer", "name"),
    [
        (LeadsPage.read(PAGE), "leads"),
        (BulkStatus.model_validate(STATUS), "rows"),
        (BulkStatus.model_validate({"task_id": "1", "status": "completed"}), "rows"),
        (PUSHED, "rows"),
        (BulkSubmission.model_validate(SUBMITTED), "task_ids"),
        (WebhookDeliveries.model_validate(DELIVERED), "deliveries"),
    ],
)
def test_an_answer_made_again_of_its_dump_or_of_its_parts_has_lost_nothing(answer: Answer, name: str) -> None:
    kind, items = type(answer), getattr(answer, name)
    assert items
    assert getattr(kind.model_validate(answer.model_dump()), name) == items
    assert getattr(kind.model_validate_json(answer.model_dump_json()), name) == items
    parts = {field: getattr(answer, field) for field in kind.model_fields}
    assert getattr(kind(**parts), name) == items
    assert getattr(kind(**{**parts, name: list(items)}), name) == items


def test_fastapi_answers_with_them() -> None:
    app = FastAPI()

    @app.get("/status")
    def status() -> BulkStatus:
        return BulkStatus.model_validate(STATUS)

    @app.get("/page")
    def page() -> LeadsPage:
        return LeadsPage.read(PAGE)

    with TestClient(app) as client:
        assert client.get("/status").json()["rows"] == STATUS["results"]
        assert client.get("/page").json()["leads"] == PAGE["leads"]
        schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["LeadsPage"]["properties"]["leads"]["items"]["type"] == "object"


def test_rows_are_equal_when_the_server_said_the_same() -> None:
    assert Lead({"email": "a@b.c"}) == Lead({"email": "a@b.c"})
    assert Lead({"email": "a@b.c"}) != Lead({"email": "a@b.d"})
    assert Lead({}) != EnrichmentRow({})


def test_a_lead_reads_what_the_server_made_of_a_field() -> None:
    lead = Lead(
        {
            "lead_id": 7,
            "email": "ada@example.com",
            "phone": 441234,
            "title": ["?"],
            "company": None,
            "location": "",
        }
    )
    assert (lead.lead_id, lead.email, lead.phone) == ("7", "ada@example.com", "441234")
    assert (lead.title, lead.company, lead.location) == (None, None, None)
    assert repr(lead) == "Lead(lead_id='7', full_name=None, email='ada@example.com', ...)"
