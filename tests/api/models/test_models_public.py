"""Answers of the Public API are read whatever else they hold."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cleanlist_async.api.models.public import (
    BulkStatus,
    BulkSubmission,
    CreditsBalance,
    KeyValidation,
    WebhookDeliveries,
    WebhookPayload,
)
from cleanlist_async.types import JSON
from tests.support.cases import each_case

FLAT_PAYLOAD = {
    "event": "enrichment.completed",
    "workflow_id": "public_bulk_1",
    "lead_list_id": "list_1",
    "enrichment_type": "partial",
    "status": "completed",
    "summary": {"total": 3, "successful": 2, "failed": 1, "emails_found": 2, "phones_found": 0},
    "results": [
        {
            "task_id": "t1",
            "status": "completed",
            "primary_email": "a@b.c",
            "primary_email_status": "reliable",
            "personal_phone_numbers": [],
            "prospect": {"first_name": "A", "last_name": "B", "full_name": "A B"},
            "company": {"name": "B Corp", "domain": "b.c"},
        }
    ],
    "results_limit": 250,
    "results_truncated": 0,
    "results_endpoint": "/api/v1/public/enrich/status?workflow_id=public_bulk_1",
    "completed_at": "2026-04-06T15:00:42Z",
}
NESTED_ROW = {
    "task_id": "t2",
    "status": "success",
    "prospect_id": "p",
    "result": {
        "email": "n@b.c",
        "email_status": "risky",
        "other_emails": [],
        "phones": ["+1"],
        "linkedin_url": "https://linkedin.com/in/n",
        "provider": "x",
    },
    "input": {"first_name": "N"},
    "error": None,
}


def test_key_and_balance() -> None:
    key = KeyValidation.model_validate({"valid": True, "user_id": "u", "organization_id": "o", "new": [1]})
    assert (key.valid, key.user_id, key.organization_id, key.model_extra) == (True, "u", "o", {"new": [1]})
    assert (
        KeyValidation.model_validate({"valid": False, "user_id": None, "organization_id": 5}).organization_id
        is None
    )
    assert CreditsBalance.read({"credits": 1234.5}).credits == 1234.5
    balance = CreditsBalance.read({"credits": 1249, "organization_id": "org_123", "timestamp_ms": 1})
    assert isinstance(balance.credits, int)


@each_case("raw", [None, [], "x", 5, {}])
def test_a_balance_that_is_none(raw: JSON) -> None:
    with pytest.raises(ValueError, match="not a CreditsBalance"):
        CreditsBalance.read(raw)


@pytest.mark.parametrize("credits_", [None, "many", [1]])
def test_a_balance_that_says_nothing(credits_: JSON) -> None:
    assert CreditsBalance.read({"credits": credits_}).credits is None


SUBMISSION = {
    "workflow_id": "public_bulk_1",
    "status": "processing",
    "message": "Bulk enrichment started",
    "task_ids": ["t1", "t2"],
    "total_contacts": 2,
}


def test_the_documented_submission() -> None:
    submission = BulkSubmission.model_validate(SUBMISSION)
    assert submission.task_ids == ("t1", "t2")
    assert (submission.workflow_id, submission.status, submission.total_contacts) == (
        "public_bulk_1",
        "processing",
        2,
    )


@each_case(
    ("ids", "read"),
    [
        (None, ()),
        ("t1", ()),
        ({"a": 1}, ()),
        ([], ()),
        ([1, 2], ("1", "2")),
        ([{"task_id": "a"}, {"id": "b"}, {"x": 1}], ("a", "b")),
        (["a", None, True, ["b"], 1.5], ("a",)),
    ],
)
def test_task_ids_of_other_shapes_do_not_lose_a_paid_workflow(ids: object, read: tuple[str, ...]) -> None:
    raw = {**SUBMISSION, "task_ids": ids, "status": 5, "total_contacts": "two", "message": {}}
    submission = BulkSubmission.model_validate(raw)
    assert submission.task_ids == read
    assert submission.workflow_id == "public_bulk_1"
    assert (submission.status, submission.total_contacts) == (None, None)


@each_case("workflow_id", [None, "", 5, [], {}])
def test_a_submission_without_a_workflow_is_none(workflow_id: object) -> None:
    with pytest.raises(ValidationError):
        BulkSubmission.model_validate({**SUBMISSION, "workflow_id": workflow_id})


def test_both_documented_row_shapes() -> None:
    payload = WebhookPayload.model_validate(
        {**FLAT_PAYLOAD, "results": [*FLAT_PAYLOAD["results"], NESTED_ROW]}
    )
    flat, nested = payload.rows
    assert (flat.email, flat.email_status, flat.phones, flat.full_name, flat.company_domain) == (
        "a@b.c", "reliable", (), "A B", "b.c",
    )  # fmt: skip
    assert (nested.email, nested.email_status, nested.phones) == ("n@b.c", "risky", ("+1",))
    assert (nested.linkedin_url, nested.input) == ("https://linkedin.com/in/n", {"first_name": "N"})
    assert (payload.event, payload.results_limit, payload.is_complete, payload.is_final) == (
        "enrichment.completed", 250, True, True,
    )  # fmt: skip
    assert payload.summary == FLAT_PAYLOAD["summary"]


ROW = {"task_id": "t", "status": "completed", "primary_email": "a@b.c"}


@each_case(
    "answer",
    [
        {"results": [ROW]},
        {"tasks": [ROW]},
        {"data": [ROW]},
        {"rows": [ROW]},
        {"result": [ROW]},
        {"data": {"results": [ROW]}},
        {"results": [], "tasks": [ROW]},
        {"tasks": ["id-1", "id-2"], "results": [ROW]},
        {"tasks": ["id-1"], "data": {"results": [ROW]}},
        {"results": None, "data": [None, 5, "x", ROW]},
        {"data": ROW},
        ROW,
        {"task_id": "t", "status": "completed", "result": {"email": "a@b.c"}},
        {"result": {"email": "a@b.c"}},
    ],
)
def test_rows_are_found_wherever_they_are(answer: dict[str, object]) -> None:
    (row,) = BulkStatus.model_validate({"workflow_id": "w", "status": "completed", **answer}).rows
    assert row.email == "a@b.c"


@each_case(
    "answer",
    [{}, {"results": []}, {"results": {}}, {"data": {"data": {}}}, {"tasks": ["id"]}, {"results": "text"}],
)
def test_an_answer_without_rows(answer: dict[str, object]) -> None:
    status = BulkStatus.model_validate({"workflow_id": "w", "status": "completed", **answer})
    assert status.rows == ()


@each_case(
    ("word", "final", "failed"),
    [
        ("processing", False, False),
        ("pending", False, False),
        ("brand_new", False, False),
        ("", False, False),
        (None, False, False),
        (5, False, False),
        ("completed", True, False),
        ("COMPLETED", True, False),
        ("completed_with_errors", True, False),
        ("success", True, False),
        ("failed", True, True),
        ("cancelled", True, True),
        ("canceled", True, True),
        ("terminated", True, True),
        ("timed_out", True, True),
    ],
)
def test_status_words(word: object, final: bool, failed: bool) -> None:  # noqa: FBT001
    status = BulkStatus.model_validate({"status": word})
    assert (status.is_final, status.failed) == (final, failed)


@pytest.mark.parametrize(("truncated", "complete"), [(0, True), (3, False), (None, True), ("3", True)])
def test_rows_left_out(truncated: object, complete: bool) -> None:  # noqa: FBT001
    assert BulkStatus.model_validate({"results_truncated": truncated}).is_complete is complete


@each_case("name", ["deliveries", "results", "data", "items", None])
def test_the_delivery_log_under_any_name(name: str | None) -> None:
    rows = [
        {"status": "failed", "status_code": 500, "error": "boom", "attempt_number": 2, "x": 1},
        "junk",
        None,
    ]
    log = WebhookDeliveries.model_validate(rows if name is None else {name: rows, "workflow_id": "w"})
    (row,) = log.deliveries
    assert (row.status, row.response_code, row.error_message, row.attempt) == ("failed", 500, "boom", 2)
    assert row.model_extra
    assert row.model_extra["x"] == 1


@pytest.mark.parametrize("raw", [{}, [], {"deliveries": None}, {"deliveries": {}}])
def test_an_empty_delivery_log(raw: object) -> None:
    assert WebhookDeliveries.model_validate(raw).deliveries == ()


def test_models_are_frozen_and_can_be_pickled() -> None:
    payload = WebhookPayload.model_validate(FLAT_PAYLOAD)
    assert pickle.loads(pickle.dumps(payload)) == payload
    with pytest.raises(ValidationError):
        payload.event = "x"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["task_id", "status", "result", "results", "data", "email", "phones", "company", "prospect"]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["results", "tasks", "data", "status", "summary", "task_id", "result"]), anything
    )
)
def test_no_status_body_is_fatal(body: dict[str, object]) -> None:
    for model in (BulkStatus, WebhookPayload, WebhookDeliveries):
        model.model_validate(json.loads(json.dumps(body)))
