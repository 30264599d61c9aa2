"""Which events a submission believes, and which it only takes for a hint."""

import json

import pytest

from tests.support.cases import each_case
from tests.webhooks.couriers import changed
from tests.webhooks.one_submission import EVENT, FLAT, IDS, NESTED, WORKFLOW, OneSubmission, rows

NOT_BELIEVED = {
    "another workflow": {"workflow_id": "public_bulk_2"},
    "a task of another": {"results": rows({"task_id": "t9"}, {})},
    "one task too few": {"results": rows({})},
    "one task too many": {"results": [*rows({}, {}), {"task_id": "t3", "status": "completed"}]},
    "a task twice": {"results": [*rows({}, {}), rows({})[0]]},
    "no task ids": {"results": rows({"task_id": None}, {"task_id": None})},
    "no rows": {"results": []},
    "rows left out": {"results_truncated": 1},
    "not finished": {"status": "processing"},
    "no status": {"status": None},
    "a row not finished": {"results": rows({"status": "processing"}, {})},
    "a failed workflow": {"status": "failed"},
    "ids in another case": {"results": rows({"task_id": "T1"}, {})},
    "ids that are no text": {"results": rows({"task_id": ["t1"]}, {})},
}


@pytest.mark.parametrize("payload", [FLAT, NESTED], ids=["flat", "nested"])
def test_both_shapes_of_rows_are_believed(payload):
    one = OneSubmission()
    assert one.post(json.dumps(payload).encode()) == 204
    answer = one.submission.signal.answer
    assert [row.task_id for row in answer.rows] == ["t1", "t2"]
    assert answer.rows[0].email == "ada@c.example"
    assert answer.rows[0].phones == ("+1 555 0100",)
    assert not answer.rows[1].has_findings
    assert answer.is_final
    assert answer.workflow_id == WORKFLOW
    assert one.counts(received=1, believed=1, confirmed=0, refused=0)


@each_case("fields", NOT_BELIEVED.values())
def test_what_is_not_all_ours_is_only_a_hint(fields):
    one = OneSubmission()
    assert one.post(changed(EVENT, **fields)) == 204
    assert not one.believed
    assert one.is_hint
    assert one.counts(received=1, believed=0, confirmed=1)


def test_a_submission_without_ids_believes_nothing():
    one = OneSubmission(accepted=False)
    one.submission.accepted(WORKFLOW, ())
    one.post()
    one.post(changed(EVENT, results=[]))
    assert not one.believed


def test_confirm_always_believes_nothing():
    one = OneSubmission(confirm="always")
    assert one.post() == 204
    assert not one.believed
    assert one.is_hint
    assert one.counts(received=1, believed=0, confirmed=1)


def test_an_early_event_is_kept_until_the_submit_is_answered():
    one = OneSubmission(accepted=False)
    assert one.post() == 204
    assert not one.believed
    assert not one.is_hint
    one.submission.accepted(WORKFLOW, IDS)
    assert one.believed


def test_an_early_event_of_another_workflow_is_a_hint_once_that_is_known():
    one = OneSubmission(accepted=False)
    one.post(changed(EVENT, workflow_id="public_bulk_2"))
    one.post()
    one.submission.accepted(WORKFLOW, IDS)
    assert one.believed
    assert one.is_hint


def test_replays_change_nothing():
    one = OneSubmission()
    for _ in range(5):
        assert one.post() == 204
    first = one.submission.signal.answer
    one.post(changed(EVENT, results=rows({"primary_email": "mallory@evil.example"}, {})))
    assert one.submission.signal.answer is first
    assert one.counts(received=6, believed=1, repeated=5)


def test_a_hint_is_given_once_for_each_workflow_named_and_for_four_of_them():
    one = OneSubmission()
    hints = 0

    def count():
        nonlocal hints
        hints += 1

    one.submission.signal.wake = count
    for n in range(20):
        assert one.post(changed(EVENT, workflow_id=f"public_bulk_{n % 10}", results=[])) == 204
    assert hints == 4
    assert not one.believed


def test_an_event_that_can_be_believed_is_not_lost_behind_one_that_cannot():
    one = OneSubmission()
    one.post(changed(EVENT, results=[]))
    assert not one.believed
    one.post()
    assert one.believed


@pytest.mark.parametrize("ids", [("t1", None), (None, None)])
def test_while_a_contact_has_no_id_nothing_is_believed(ids):
    one = OneSubmission(accepted=False)
    one.submission.accepted(WORKFLOW, ids)
    known = [id_ for id_ in ids if id_]
    one.post(changed(EVENT, results=[{"task_id": id_, "status": "completed"} for id_ in known or [None]]))
    one.post()
    assert not one.believed
    assert one.is_hint


def test_a_single_contact_without_an_id_is_not_completed_by_a_row_without_one():
    one = OneSubmission(accepted=False)
    one.submission.accepted(WORKFLOW, (None,))
    one.post(changed(EVENT, results=[{"status": "completed", "primary_email": "mallory@evil.example"}]))
    assert not one.believed
