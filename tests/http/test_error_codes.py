"""What every error of the API carries: credits, page, fix, status and call. A gateway's answer is none."""

import pytest

from cleanlist_async import errors
from tests.http.test_decode import decode
from tests.support.cases import each_case
from tests.support.clients import ADA, against, always, outcome_of
from tests.support.faulty_server import answer
from tests.support.refusals import DOCUMENTED

sockets = pytest.mark.sockets
CREDITS = {"estimated_cost_credits": 120, "available_credits": 400, "shortfall_credits": 20}


@each_case(
    "code", ["insufficient_credits", "spend_cap_exceeded", "approval_required", "quote_mismatch", "new"]
)
def test_credits_are_attributes_of_every_error_that_names_them(code):
    error = decode(400, {"error": {"code": code, "problem": "No.", **CREDITS}})
    assert {name: getattr(error, name) for name in CREDITS} == CREDITS
    silent = decode(400, {"error": {"code": code, "problem": "No.", "available_credits": "many"}})
    assert all(getattr(silent, name) is None for name in CREDITS)


@each_case(("code", "status"), list(DOCUMENTED.items()))
def test_every_documented_code_has_a_page_and_a_fix_and_a_meaning_where_the_body_has_none(code, status):
    error = decode(status, {"error": {"code": code}})
    page = f"https://docs.cleanlist.ai/errors/{code.replace('_', '-')}"
    assert error.docs_url == page
    assert error.fix
    assert str(error).endswith(f"{error.fix} See {page}")
    assert "without saying why" not in error.problem
    given = decode(status, {"error": {"code": code, "problem": "P.", "fix": "F.", "docs_url": "https://d"}})
    assert given.docs_url == "https://d"
    assert given.fix == ("F." if code != "quote_already_redeemed" else error.fix)


@each_case(
    ("status", "code"),
    [(401, "invalid-token"), (402, "insufficient-credits"), (404, "not-found"), (500, "internal-error")],
)
def test_an_error_of_the_other_form_has_the_page_of_the_code_that_its_status_means(status, code):
    error = decode(status, {"detail": "No."})
    assert error.docs_url == f"https://docs.cleanlist.ai/errors/{code}"
    assert error.fix


@each_case(("status", "body"), [(418, {"detail": "No."}), (400, {"error": {"code": "brand_new"}})])
def test_a_code_that_is_not_documented_has_no_page(status, body):
    assert decode(status, body).docs_url is None


def test_an_error_of_the_server_leads_to_support():
    fix = decode(500, {"detail": "Internal Server Error"}).fix
    assert "support" in fix
    assert "API request log" in fix


@each_case(
    "details",
    [
        {"required": ["enrich:write"], "granted": ["lists:read"]},
        {"required": "enrich:write", "granted": "lists:read"},
        {"required_scopes": ["lists:read", "enrich:write"], "granted_scopes": ["lists:read"]},
    ],
)
def test_a_missing_scope_is_named(details):
    error = decode(403, {"error": {"code": "insufficient_scope", "problem": "No.", "details": details}})
    assert "enrich:write" in str(error)
    assert "lists:read" not in str(error)


@each_case("details", [None, [], {}, {"required": 5}, {"required": []}, {"required": [None]}])
def test_a_missing_scope_that_nobody_names_leaves_the_general_fix(details):
    error = decode(403, {"error": {"code": "insufficient_scope", "problem": "No.", "details": details}})
    assert "scope that this call needs" in error.fix


@each_case(
    "body", [b"<html><h1>Denied</h1></html>", b"", b'{"message": "no"}', b'{"error": "denied"}', b"denied"]
)
@each_case("status", [401, 402, 403, 404, 409, 410, 422, 451, 500, 501, 502, 504, 520])
def test_the_answer_of_a_gateway_never_means_what_an_answer_of_the_api_means(status, body):
    error = decode(status, body)
    assert type(error) is (errors.BadRequestError if status < 500 else errors.InternalServerError)
    assert error.code == f"http_{status}"
    assert error.docs_url is None
    assert "gateway" in error.fix
    assert str(status) in str(error)


@each_case("flag", ["maybe", None, "", "no", 2, [], {}, 0.5])
@each_case(("code", "status", "retryable"), [("internal_error", 500, True), ("not_found", 404, False)])
def test_a_flag_that_is_none_leaves_the_default_of_the_code(code, status, retryable, flag):
    said = {"code": code, "problem": "No.", "retryable": flag}
    assert decode(status, {"error": said}).retryable is retryable


def test_an_error_names_status_code_and_call():
    error = decode(429, {"detail": "Rate limit exceeded"}, {"x-request-id": "req_7"})
    assert str(error).startswith("req_7: Rate limit exceeded (429 rate_limited, POST /p).")


@pytest.mark.anyio
@sockets
async def test_a_page_in_place_of_an_answer_is_said_to_be_a_gateways():
    page = answer(200, b"  <html>Sign in to the hotel's network</html>", {"content-type": "text/html"})
    async with against(always(page), max_retries=0) as (client, _):
        read = await outcome_of(client.public.credits_balance())
        paid = await outcome_of(client.public.submit_bulk([ADA]))
    assert type(read) is errors.MalformedResponseError
    assert type(paid) is errors.UnknownOutcomeError
    for error in (read, paid):
        assert "it came from a gateway or proxy in between" in str(error)
