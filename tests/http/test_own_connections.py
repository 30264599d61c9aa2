"""Which reads need a connection of their own."""

from cleanlist_async.api.models.public import BulkStatus
from cleanlist_async.api.public import BULK_STATUS, status_call
from cleanlist_async.http.answers import OwnConnections
from cleanlist_async.http.transport import Request

ALONE, KEPT = (
    Request("GET", BULK_STATUS.path, {}, None, paid=False, own_connection=own) for own in (True, False)
)
CALL = status_call(workflow_id="wf_1")


def answer(workflow_id):
    return BulkStatus(workflow_id=workflow_id, status="processing")


def test_the_first_question_has_one():
    assert OwnConnections().needed_for(BULK_STATUS)


def test_once_an_answer_names_its_workflow_kept_connections_serve():
    own = OwnConnections()
    assert own.is_believed(CALL, answer("wf_1"), ALONE)
    assert not own.needed_for(BULK_STATUS)
    assert own.is_believed(CALL, answer("wf_1"), KEPT)


def test_on_a_kept_connection_an_answer_that_names_nothing_is_not_believed():
    own = OwnConnections()
    own.is_believed(CALL, answer("wf_1"), ALONE)
    assert not own.is_believed(CALL, answer(None), KEPT)
    assert own.is_believed(CALL, answer(None), ALONE)


def test_after_an_answer_that_names_nothing_none_comes_on_a_kept_connection_again():
    own = OwnConnections()
    for workflow_id in ("wf_1", None, "wf_1"):
        own.is_believed(CALL, answer(workflow_id), ALONE)
    assert own.needed_for(BULK_STATUS)


def test_the_answer_of_another_workflow_is_never_believed():
    own = OwnConnections()
    assert not own.is_believed(CALL, answer("wf_2"), ALONE)
    assert own.needed_for(BULK_STATUS)
