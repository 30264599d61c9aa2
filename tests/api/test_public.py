"""The five operations: what is sent, what is refused before it is sent, and what comes back."""

import itertools
import json

import pytest

from cleanlist_async import Contact, errors
from cleanlist_async.facts import ENRICHMENT_TYPES
from tests.support.cases import each_case
from tests.support.clients import ACCEPTED, ADA, ANSWERS, GRACE, Served, outcome_of, respond, virtually


def call(use, content=None):
    """The outcome of one call, and the requests it took."""
    served = Served(lambda request, number: respond(ACCEPTED if content is None else content))

    async def main(client):
        return await outcome_of(use(client.public))

    return virtually(main, served), served.requests


def test_a_submit_carries_the_contacts_in_order_and_never_their_keys():
    contacts = [
        Contact(**ADA, key="crm-1"),
        {**GRACE, "key": "crm-2"},
        Contact(linkedin_url="https://linkedin.com/in/x"),
    ]
    submission, (request,) = call(
        lambda public: public.submit_bulk(iter(contacts), "full", "https://hooks.example/x")
    )
    assert json.loads(request.body) == {
        "contacts": [ADA, GRACE, {"linkedin_url": "https://linkedin.com/in/x"}],
        "enrichment_type": "full",
        "webhook_url": "https://hooks.example/x",
    }
    assert request.headers["content-type"] == "application/json"
    assert (submission.workflow_id, submission.task_ids, submission.total_contacts) == ("wf_1", ("t_1",), 1)


def test_without_a_webhook_none_is_sent():
    _, (request,) = call(lambda public: public.submit_bulk([ADA]))
    assert set(json.loads(request.body)) == {"contacts", "enrichment_type"}
    assert json.loads(request.body)["enrichment_type"] == "partial"


@each_case("enrichment_type", ENRICHMENT_TYPES)
def test_every_documented_type_is_sent(enrichment_type):
    _, (request,) = call(lambda public: public.submit_bulk([ADA], enrichment_type))
    assert json.loads(request.body)["enrichment_type"] == enrichment_type


@pytest.mark.parametrize("count", [1, 250])
def test_up_to_250_contacts_are_sent(count):
    _, (request,) = call(lambda public: public.submit_bulk([ADA] * count))
    assert len(json.loads(request.body)["contacts"]) == count


@each_case(
    "contacts",
    [[], (), iter(()), [ADA] * 251, itertools.repeat(ADA)],
)
def test_none_and_more_than_250_are_refused_unsent(contacts):
    error, requests = call(lambda public: public.submit_bulk(contacts))
    assert type(error) is errors.BadRequestError
    assert (error.status, error.billed, error.code, requests) == (None, "no", "bad_request", [])


def test_invalid_contacts_are_named_unsent():
    contacts = [ADA, {}, {"first_name": "Ada"}, GRACE, {"frist_name": "x"}, 7]
    error, requests = call(lambda public: public.submit_bulk(contacts))
    assert type(error) is errors.RequestValidationError
    assert [field.contact_index for field in error.field_errors] == [1, 2, 4, 5]
    assert all(field.loc == ("body", "contacts", field.contact_index) for field in error.field_errors)
    assert str(error).startswith("contacts[1] ")
    assert "and 3 more" in str(error)
    assert requests == []


@each_case("contacts", [ADA, Contact(**ADA), "text", b"bytes", 5, None])
def test_what_is_no_list_of_contacts_is_refused(contacts):
    error, requests = call(lambda public: public.submit_bulk(contacts))
    assert type(error) is errors.ConfigurationError
    assert "pass a list of one" in str(error)
    assert requests == []


@pytest.mark.parametrize(
    "url",
    ["https://hooks.example/x?y=1", "http://localhost:8000/hook", "http://127.0.0.1/x", "http://[::1]:5/x"],
)
def test_webhook_addresses(url):
    _, (request,) = call(lambda public: public.submit_bulk([ADA], webhook_url=url))
    assert json.loads(request.body)["webhook_url"] == url


@each_case(
    "url",
    [
        "",
        "hooks.example",
        "http://hooks.example",
        "ftp://localhost/x",
        "https://",
        "http://[::1",
        7,
        b"https://x",
        "https:///x",
    ],
)
def test_webhook_addresses_that_cannot_work_are_refused_unsent(url):
    error, requests = call(lambda public: public.submit_bulk([ADA], webhook_url=url))
    assert type(error) is errors.ConfigurationError
    assert requests == []


# -- ids -------------------------------------------------------------------------------------------

IDS = [
    "wf_1",
    "public_bulk_0f8b-00",
    "cl-task_x.y:z",
    "A" * 256,
    "../credits/balance",
    "a?b",
    "a&task_id=b",
    "a%2e",
    "é",
]
NO_IDS = [
    "",
    ".",
    "..",
    "a b",
    "a\n",
    "a\ud800",
    'a"b',
    "a\\b",
    "A" * 257,
    7,
    b"wf",
    None,
]


@pytest.mark.parametrize("identifier", IDS)
def test_ids_are_sent_as_they_are(identifier):
    _, (request,) = call(lambda public: public.bulk_status(workflow_id=identifier), {"status": "processing"})
    assert request.query == {"workflow_id": identifier}
    _, (request,) = call(lambda public: public.bulk_status(task_id=identifier), {"status": "processing"})
    assert request.query == {"task_id": identifier}
    _, (request,) = call(lambda public: public.webhook_deliveries(identifier), {"deliveries": []})
    assert request.query == {"workflow_id": identifier}


@each_case("identifier", NO_IDS)
def test_what_is_no_id_is_never_sent(identifier):
    for use in (
        lambda public: public.bulk_status(workflow_id=identifier),
        lambda public: public.bulk_status(task_id=identifier),
        lambda public: public.webhook_deliveries(identifier),
    ):
        error, requests = call(use)
        assert type(error) is errors.ConfigurationError
        assert requests == []


@pytest.mark.parametrize("ids", [{}, {"workflow_id": "a", "task_id": "b"}])
def test_a_status_is_of_exactly_one_thing(ids):
    error, requests = call(lambda public: public.bulk_status(**ids))
    assert type(error) is errors.ConfigurationError
    assert "exactly one" in str(error)
    assert requests == []


# -- answers ---------------------------------------------------------------------------------------


def test_the_documented_answers():
    key, _ = call(lambda public: public.validate_key(), {**ANSWERS["validate_key"], "user_id": "u", "new": 1})
    assert (key.valid, key.user_id, key.organization_id, key.model_extra) == (True, "u", "org", {"new": 1})
    balance, _ = call(lambda public: public.credits_balance(), {"credits": 1234.5, "organization_id": "org"})
    assert balance.credits == 1234.5
    status, _ = call(lambda public: public.bulk_status(workflow_id="wf_1"), ANSWERS["bulk_status"])
    assert (status.workflow_id, status.is_final, status.rows) == ("wf_1", True, ())
    log, _ = call(
        lambda public: public.webhook_deliveries("wf_1"),
        {"deliveries": [{"status": "failed", "attempt": 2, "status_code": 500, "error": "x"}]},
    )
    assert [(one.status, one.attempt, one.response_code) for one in log.deliveries] == [("failed", 2, 500)]


def test_a_key_that_is_not_good_is_a_value_or_an_error():
    key, _ = call(lambda public: public.validate_key(), {"valid": False})
    assert key.valid is False


@each_case("body", [{}, {"credits": 5}, {"valid": True}, {"message": "hello"}, {"results": []}])
def test_what_is_no_status_is_not_taken_for_one(body):
    error, requests = call(lambda public: public.bulk_status(workflow_id="wf_1"), body)
    assert type(error) is errors.MalformedResponseError
    assert len(requests) == 5


@each_case(
    "body",
    [
        {"status": "running"},
        {"workflow_id": "wf_1"},
        {"summary": {"completed": 1}},
        {"results": [{"task_id": "t"}]},
        {"tasks": [{"id": "t"}]},
    ],
)
def test_statuses_are_read_leniently(body):
    status, _ = call(lambda public: public.bulk_status(workflow_id="wf_1"), body)
    assert not isinstance(status, Exception)
