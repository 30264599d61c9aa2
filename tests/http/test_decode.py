"""From bytes to typed errors: both seed pages, both envelopes, whole and broken."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime

import pytest

from cleanlist_async import errors
from cleanlist_async.errors import APIError, Envelope, InsufficientCreditsError, RequestValidationError
from cleanlist_async.http.decode import decode_error
from tests.support.cases import each_case

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def decode(status: int, body: object, headers: dict[str, str] | None = None) -> APIError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode_error(status, headers or {}, raw, method="POST", path="/p", now=NOW)


# -- docs.cleanlist.ai/mcp-api/errors --------------------------------------------------------------

CREDITS_EXAMPLE = b"""{
  "error": {
    "code": "insufficient_credits",
    "problem": "This enrich_list call requires 110 credits; organization has 40.",
    "cause": null,
    "fix": "Top up at app.cleanlist.ai/billing, or reduce the scope of the call.",
    "retryable": false,
    "retry_after_ms": null,
    "docs_url": "https://docs.cleanlist.ai/errors/insufficient-credits",
    "request_id": "req_4f1c2a9b3d6e7f80",
    "estimated_cost_credits": 110,
    "available_credits": 40,
    "shortfall_credits": 70
  }
}"""

RATE_EXAMPLE = b"""{
  "error": {
    "code": "rate_limited",
    "problem": "Rate limit exceeded.",
    "retryable": true,
    "retry_after_ms": 2000,
    "docs_url": "https://docs.cleanlist.ai/errors/rate-limited",
    "request_id": "req_..."
  }
}"""


def test_the_documented_credits_error_is_decoded() -> None:
    error = decode(400, CREDITS_EXAMPLE)
    assert type(error) is InsufficientCreditsError
    assert (error.estimated_cost_credits, error.available_credits, error.shortfall_credits) == (110, 40, 70)
    assert (error.status, error.code, error.envelope) == (400, "insufficient_credits", "error")
    assert (error.retryable, error.billed, error.safe_to_retry) == (False, "no", True)
    assert (error.cause, error.retry_after_s) == (None, None)
    assert error.docs_url == "https://docs.cleanlist.ai/errors/insufficient-credits"
    assert (error.method, error.path) == ("POST", "/p")
    assert str(error) == (
        "req_4f1c2a9b3d6e7f80: This enrich_list call requires 110 credits; organization has 40"
        " (400 insufficient_credits, POST /p)."
        " Top up at app.cleanlist.ai/billing, or reduce the scope of the call."
        " See https://docs.cleanlist.ai/errors/insufficient-credits"
    )


def test_the_documented_429_is_decoded() -> None:
    error = decode(429, RATE_EXAMPLE, {"retry-after": "2"})
    assert type(error) is errors.RateLimitError
    assert (error.retry_after_s, error.retryable, error.request_id) == (2.0, True, "req_...")


CODES: list[tuple[str, int, bool, type[APIError]]] = [
    ("validation_error", 400, False, errors.RequestValidationError),
    ("insufficient_credits", 400, False, errors.InsufficientCreditsError),
    ("spend_cap_exceeded", 400, False, errors.SpendCapExceededError),
    ("approval_required", 400, False, errors.ApprovalRequiredError),
    ("estimate_token_mismatch", 400, False, errors.EstimateTokenMismatchError),
    ("quote_expired", 400, False, errors.QuoteExpiredError),
    ("quote_invalid", 400, False, errors.QuoteInvalidError),
    ("quote_mismatch", 400, False, errors.QuoteMismatchError),
    ("quote_already_redeemed", 400, False, errors.QuoteAlreadyRedeemedError),
    ("invalid_filter_id", 400, False, errors.InvalidFilterError),
    ("field_mapping_required", 400, False, errors.FieldMappingRequiredError),
    ("invalid_cursor", 400, False, errors.InvalidCursorError),
    ("feature_not_available", 501, False, errors.FeatureNotAvailableError),
    ("not_enabled", 503, False, errors.NotEnabledError),
    ("filters_unavailable", 502, True, errors.FiltersUnavailableError),
    ("provider_not_connected", 400, False, errors.ProviderNotConnectedError),
    ("invalid_token", 401, False, errors.AuthenticationError),
    ("insufficient_scope", 403, False, errors.InsufficientScopeError),
    ("not_found", 404, False, errors.NotFoundError),
    ("list_not_found", 404, False, errors.ListNotFoundError),
    ("task_not_found", 404, False, errors.TaskNotFoundError),
    ("folder_not_found", 404, False, errors.FolderNotFoundError),
    ("rate_limited", 429, True, errors.RateLimitError),
    ("workflow_timeout", 504, True, errors.WorkflowTimeoutError),
    ("version_deprecated", 410, False, errors.VersionDeprecatedError),
    ("internal_error", 500, True, errors.InternalServerError),
    ("internal_error", 502, True, errors.InternalServerError),
]


@each_case(("code", "status", "retryable", "error_class"), CODES)
def test_every_documented_code_has_its_error_class(
    code: str,
    status: int,
    retryable: bool,  # noqa: FBT001
    error_class: type[APIError],
) -> None:
    said = {"code": code, "problem": "No.", "request_id": "req_1"}
    for body in ({"error": said}, {"detail": {"error": said}}):
        error = decode(status, body)
        assert type(error) is error_class
        assert (error.code, error.envelope, error.retryable) == (code, "error", retryable)
        assert decode(status, {"error": said | {"retryable": not retryable}}).retryable is not retryable
    # The code decides, whatever the status.
    assert type(decode(418, {"error": said})) is error_class


@each_case(
    ("code", "error_class"),
    [
        ("quote_required", errors.QuoteRequiredError),
        ("missing_column", errors.MissingColumnError),
        ("feature_gated", errors.PermissionDeniedError),
        ("list_protected", errors.PermissionDeniedError),
        ("list_cap_reached", errors.PermissionDeniedError),
    ],
)
def test_codes_that_other_pages_name(code: str, error_class: type[APIError]) -> None:
    assert type(decode(400, {"error": {"code": code, "problem": "No."}})) is error_class


@each_case(
    ("status", "error_class"),
    [
        (400, errors.BadRequestError),
        (403, errors.PermissionDeniedError),
        (409, errors.ConflictError),
        (418, errors.BadRequestError),
        (503, errors.ServiceUnavailableError),
        (529, errors.InternalServerError),
    ],
)
def test_an_unknown_code_keeps_its_status_class_and_its_code(
    status: int, error_class: type[APIError]
) -> None:
    error = decode(status, {"error": {"code": "brand_new", "problem": "No."}})
    assert (type(error), error.code) == (error_class, "brand_new")


# -- docs.cleanlist.ai/api-reference/errors --------------------------------------------------------

PUBLIC: list[tuple[int, str, type[APIError], str, bool]] = [
    (400, "At least one contact is required.", errors.BadRequestError, "bad_request", False),
    (
        400,
        "Bulk enrichment supports up to 250 contacts per request.",
        errors.BadRequestError,
        "bad_request",
        False,
    ),
    (400, "Provide exactly one of workflow_id or task_id.", errors.BadRequestError, "bad_request", False),
    (401, "Not authenticated", errors.AuthenticationError, "invalid_token", False),
    (402, "Insufficient credits", errors.InsufficientCreditsError, "insufficient_credits", False),
    (403, "Your plan does not include API access", errors.PermissionDeniedError, "permission_denied", False),
    (404, "Not Found", errors.NotFoundError, "not_found", False),
    (429, "Rate limit exceeded", errors.RateLimitError, "rate_limited", True),
    (500, "Internal Server Error", errors.InternalServerError, "internal_error", True),
    (503, "Service Unavailable", errors.ServiceUnavailableError, "service_unavailable", True),
]


@each_case(("status", "detail", "error_class", "code", "retryable"), PUBLIC)
def test_every_documented_status_has_its_error_class(
    status: int,
    detail: str,
    error_class: type[APIError],
    code: str,
    retryable: bool,  # noqa: FBT001
) -> None:
    error = decode(status, {"detail": detail}, {"x-request-id": "req_7"})
    assert type(error) is error_class
    assert (error.problem, error.code, error.envelope) == (detail, code, "detail")
    assert (error.retryable, error.request_id, error.billed) == (retryable, "req_7", "no")
    assert error.retry_after_s is None


@pytest.mark.parametrize(
    ("body", "status", "error_class"),
    [
        (b'{\n  "detail": "Human-readable error message"\n}', 400, errors.BadRequestError),
        (b'{ "detail": "Not authenticated" }', 401, errors.AuthenticationError),
        (b'{ "detail": "Insufficient credits" }', 402, errors.InsufficientCreditsError),
        (b'{ "detail": "Rate limit exceeded" }', 429, errors.RateLimitError),
    ],
)
def test_the_documented_examples_are_decoded_verbatim(
    body: bytes, status: int, error_class: type[APIError]
) -> None:
    error = decode(status, body)
    assert type(error) is error_class
    assert error.problem == json.loads(body)["detail"]
    if status in {401, 402}:
        assert error.fix
        context = f"({status} {error.code}, POST /p)"
        assert str(error) == f"{error.problem} {context}. {error.fix} See {error.docs_url}"


VALIDATION_WITH_INPUT = b"""{
  "detail": [
    {
      "type": "value_error",
      "loc": ["body", "contacts", 0],
      "msg": "Each contact must include linkedin_url OR first_name + last_name + (company_domain or company_name).",
      "input": {"first_name": "John"}
    }
  ]
}"""  # noqa: E501  # verbatim

VALIDATION_OF_ROW_7 = b"""{
  "detail": [
    {
      "type": "value_error",
      "loc": ["body", "contacts", 7],
      "msg": "Each contact must include linkedin_url OR first_name + last_name + (company_domain or company_name)."
    }
  ]
}"""  # noqa: E501  # verbatim


@pytest.mark.parametrize(("body", "index"), [(VALIDATION_WITH_INPUT, 0), (VALIDATION_OF_ROW_7, 7)])
def test_the_422_examples_name_their_contact(body: bytes, index: int) -> None:
    error = decode(422, body)
    assert isinstance(error, RequestValidationError)
    (field,) = error.field_errors
    assert (field.loc, field.contact_index, field.type) == (("body", "contacts", index), index, "value_error")
    assert field.msg.startswith("Each contact must include linkedin_url OR")
    assert error.problem.startswith(f"body.contacts.{index}: Each contact")
    assert "John" not in str(error) + repr(field)


def test_the_same_failure_is_the_same_class_on_both_surfaces() -> None:
    assert type(decode(402, {"detail": "Insufficient credits"})) is type(decode(400, CREDITS_EXAMPLE))
    in_envelope = {
        "code": "validation_error",
        "problem": "No.",
        "details": json.loads(VALIDATION_OF_ROW_7)["detail"],
    }
    for details in (in_envelope["details"], {"scope": ["x"], "errors": in_envelope["details"]}):
        error = decode(400, {"error": in_envelope | {"details": details}})
        assert isinstance(error, RequestValidationError)
        assert [field.contact_index for field in error.field_errors] == [7]


@each_case(
    ("loc", "index"),
    [
        (["body", "contacts", 3, "first_name"], 3),
        (["body", "contacts"], None),
        (["body", "contacts", "first_name"], None),
        (["body", "contacts", True], None),
        (["body", "contacts", -1], None),
        (["contacts", 249], 249),
        (["body", 5], None),
        ([], None),
        ("body.contacts.3", None),
        (None, None),
    ],
)
def test_which_contact_a_location_names(loc: object, index: int | None) -> None:
    error = decode(422, {"detail": [{"loc": loc, "msg": "bad", "type": "t"}]})
    assert isinstance(error, RequestValidationError)
    assert [field.contact_index for field in error.field_errors] == [index]


# -- broken bodies ---------------------------------------------------------------------------------

BROKEN: list[tuple[bytes, Envelope]] = [
    (b"", "none"),
    (b" \r\n\t ", "none"),
    (b"\x00", "none"),
    (b"\xff\xfe\xfd", "none"),
    (b"null", "none"),
    (b"true", "none"),
    (b"42", "none"),
    (b"-1.5e3", "none"),
    (b"1e400", "none"),
    (b"NaN", "none"),
    (b"Infinity", "none"),
    (b'"text"', "none"),
    (b'""', "none"),
    (b"[]", "none"),
    (b'["a", 1, null]', "none"),
    (b"[[[[]]]]", "none"),
    (b"[" * 200_000, "none"),
    (b'{"a":' * 100_000, "none"),
    (b"{}", "none"),
    (b"{", "none"),
    (b'{"detail"', "none"),
    (b'{"detail": "cut of', "none"),
    (b'{"detail": "two"} {"detail": "values"}', "none"),
    (b"{'detail': 'python'}", "none"),
    (b'{"detail": NaN}', "none"),
    (b'{"detail": null}', "none"),
    (b'{"detail": ""}', "detail"),
    (b'{"detail": 5}', "detail"),
    (b'{"detail": false}', "detail"),
    (b'{"detail": []}', "detail"),
    (b'{"detail": [null, 1, "x"]}', "detail"),
    (b'{"detail": [{}]}', "detail"),
    (b'{"detail": [{"loc": {}, "msg": [], "type": null}]}', "detail"),
    (b'{"detail": [[{"loc": ["contacts", 1]}]]}', "detail"),
    (b'{"detail": {}}', "detail"),
    (b'{"detail": {"error": "text"}}', "detail"),
    (b'{"detail": {"error": {}}}', "none"),
    (b'{"detail": {"message": "wrapped"}}', "detail"),
    (b'{"detail": {"detail": {"detail": "deep"}}}', "detail"),
    (b'{"error": null}', "none"),
    (b'{"error": true}', "none"),
    (b'{"error": 503}', "none"),
    (b'{"error": []}', "none"),
    (b'{"error": "a gateway says no"}', "none"),
    (b'{"error": {}}', "none"),
    (b'{"error": {"code": null}}', "none"),
    (b'{"error": {"code": ""}}', "none"),
    (b'{"error": {"code": 403, "message": "cloud gateway"}}', "none"),
    (b'{"error": {"code": ["rate_limited"]}}', "none"),
    (b'{"error": {"code": "x", "problem": 7, "fix": {}, "cause": [], "request_id": 9}}', "error"),
    (b'{"error": {"code": "x", "retryable": "yes"}}', "error"),
    (b'{"error": {"code": "x", "retry_after_ms": "soon"}}', "error"),
    (b'{"error": {"code": "x", "retry_after_ms": ' + b"9" * 400 + b"}}", "error"),
    (b'{"error": {"code": "x", "retry_after_ms": -' + b"9" * 400 + b"}}", "error"),
    (b'{"error": {"code": "x", "retry_after_ms": true}}', "error"),
    (b'{"error": {"code": "x", "details": 5, "suggested_actions": "call us"}}', "error"),
    (b'{"error": {"code": "insufficient_credits", "available_credits": "many"}}', "error"),
    (b'{"error": {"code": "x\\u0000y\\n", "problem": "a\\r\\nb\\u2028c"}}', "error"),
    (b'{"error": {"code": "x"}, "detail": "both"}', "error"),
    (b'{"code": "flat", "problem": "no envelope"}', "none"),
    (b'{"message": "Forbidden"}', "none"),
    (b'{"type": "about:blank", "title": "Unauthorized", "status": 401, "detail": "no token"}', "none"),
    (b'{"title": "Bad Gateway", "detail": "upstream"}', "none"),
    (b'{"msg": "nginx"}', "none"),
    (b"<html><head><title>502 Bad Gateway</title></head></html>", "none"),
    (b"<!DOCTYPE html>" + b"<p>x</p>" * 20_000, "none"),
    (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "none"),
    (b"upstream connect error or disconnect/reset before headers", "none"),
    (b"error code: 1015", "none"),
    ("Zugriff verweigert: Größe".encode("latin-1", "replace"), "none"),
    ('{"detail": "wide"}'.encode("utf-16"), "none"),
    (b'{"detail": "\xc3\x28"}', "detail"),
    (b'{"detail": "\\ud800"}', "none"),
    (b'\xef\xbb\xbf{"detail": "with a BOM"}', "detail"),
    (gzip.compress(b'{"detail": "packed"}', mtime=0), "none"),
    (b'{"detail": "' + b"x" * 1_000_000 + b'"}', "detail"),
    (b"event: error\ndata: {}\n\n", "none"),
    (b"x" * 1_000_000, "none"),
]


@pytest.mark.slow
@each_case("status", [302, 400, 429, 503, 599])
@each_case(("body", "envelope"), BROKEN)
def test_any_body_is_a_typed_error(body: bytes, envelope: Envelope, status: int) -> None:
    error = decode(status, body)
    assert error.envelope == envelope
    assert error.status == status
    assert error.code
    assert error.problem
    assert len(str(error)) < 1_500
    assert str(error).isprintable()
    assert error.retry_after_s is None
    if status == 429 and error.code == "rate_limited":
        assert type(error) is errors.RateLimitError
    if error.code == "http_599":
        assert type(error) is errors.InternalServerError
    if isinstance(error.body, str):
        assert len(error.body) <= 2_000


def test_at_least_60_broken_bodies_are_tried() -> None:
    assert len(BROKEN) >= 60


@each_case(
    ("status", "error_class", "retryable"),
    [
        (301, APIError, False),
        (405, errors.BadRequestError, False),
        (408, errors.BadRequestError, True),
        (409, errors.BadRequestError, False),
        (413, errors.PayloadTooLargeError, False),
        (415, errors.BadRequestError, False),
        (425, errors.BadRequestError, True),
        (501, errors.InternalServerError, False),
        (502, errors.InternalServerError, True),
        (503, errors.ServiceUnavailableError, True),
        (504, errors.InternalServerError, True),
        (520, errors.InternalServerError, True),
    ],
)
def test_the_status_decides_where_the_body_is_silent(
    status: int,
    error_class: type[APIError],
    retryable: bool,  # noqa: FBT001
) -> None:
    error = decode(status, b"")
    assert (type(error), error.retryable, error.body) == (error_class, retryable, None)
    assert str(status) in error.problem
