"""The smaller parts of decoding: waits, request ids, salvage, secrets."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async.errors import APIError
from cleanlist_async.http.decode import (
    decode_error,
    holds_error,
    parse_json,
    retry_after_s,
    salvage_workflow_id,
)
from cleanlist_async.redact import Secret
from tests.support.cases import each_case

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def decode(body: object, headers: dict[str, str] | None = None, status: int = 429) -> APIError:
    return decode_error(status, headers or {}, json.dumps(body).encode(), method="GET", path="/p", now=NOW)


@each_case(
    ("text", "seconds"),
    [
        ("2", 2.0),
        (" 2 ", 2.0),
        ("0.5", 0.5),
        ("120", 120.0),
        ("999999999", 999_999_999.0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sunday, 22-Nov-26 12:00:30 GMT", 30.0),
        ("Sun Nov 22 12:00:30 2026", 30.0),
        ("5, 10", 10.0),
        ("10, 5", 10.0),
        ("5, soon", None),
        ("Sun, 22 Nov 2026 12:00:30 -0000", 30.0),
        ("Sun, 22 Nov 2026 14:00:30 +0200", 30.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", None),
        ("Sun, 22 Nov 2026 12:00:00 GMT", None),
        *(
            (text, None)
            for text in ("", "0", "0.0", "-5", "+5", "inf", "nan", "1e400", "1e3", "1_000", "1,000")
        ),
        *(
            (text, None)
            for text in (
                "٣٠",
                "\uff13\uff10",
                "9999999999",
                "2 seconds",
                "soon",
                "0x10",
                "\x00",
                "1.",
            )
        ),
        *((text, None) for text in ("Sun, 99 Nov 2026 12:00:30 GMT", "Sun, 22 Nov 99999 12:00:30 GMT")),
        ("Sun, 22 Nov 2026 12:00:30 +9999999999999999", None),
    ],
)
def test_the_retry_after_header_is_read(text: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": text}, None, NOW) == seconds


def test_a_date_is_measured_by_the_servers_own_clock() -> None:
    headers = {"retry-after": "Sun, 22 Nov 2026 18:00:30 GMT", "date": "Sun, 22 Nov 2026 18:00:00 GMT"}
    assert retry_after_s(headers, None, NOW) == 30.0
    # Without it by ours, which may be wrong: by six hours here.
    assert retry_after_s(headers | {"date": "yesterday"}, None, NOW) == 120.0


@each_case(
    ("milliseconds", "seconds"),
    [
        (2_000, 2.0),
        (1.5, 0.0015),
        ("1500", 1.5),
        (0, None),
        (-1, None),
        (True, None),
        (None, None),
        ("soon", None),
        ("1_000", None),
        ([5], None),
        (10**400, None),
        (-(10**400), None),
        (float("inf"), None),
        (float("nan"), None),
        (10**12, None),
    ],
)
def test_retry_after_ms_is_read(milliseconds: object, seconds: float | None) -> None:
    assert retry_after_s({}, milliseconds, NOW) == seconds  # type: ignore[arg-type]


def test_the_larger_of_the_two_counts() -> None:
    assert retry_after_s({"retry-after": "3"}, 2_001, NOW) == 3.0
    assert retry_after_s({"retry-after": "2"}, 2_500, NOW) == 2.5
    assert retry_after_s({"retry-after": "junk"}, 2_500, NOW) == 2.5


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_header_whatsoever_is_fatal_or_endless(retry_after: str, date: str) -> None:
    wait = retry_after_s({"retry-after": retry_after, "date": date}, None, NOW)
    assert wait is None or 0 < wait < 1e9


@each_case(
    ("headers", "request_id"),
    [
        ({}, None),
        ({"x-request-id": "a"}, "a"),
        ({"request-id": "a"}, "a"),
        ({"X-Correlation-ID": "a"}, "a"),
        ({"x-amzn-requestid": "a"}, "a"),
        ({"x-trace-id": "a"}, "a"),
        ({"cf-ray": "a"}, "a"),
        ({"cf-ray": "gateway", "x-request-id": "api"}, "api"),
        ({"x-request-id": ""}, None),
        ({"x-request-id": " \r\n ", "cf-ray": "b"}, "b"),
        ({"x-client-id": "a", "etag": "b"}, None),
        ({"x-request-id": "a\r\nforged: line"}, "a forged: line"),
        ({"x-request-id": "x" * 500}, "x" * 127 + "…"),
    ],
)
def test_the_request_id_is_found_in_headers_of_any_name(
    headers: dict[str, str], request_id: str | None
) -> None:
    assert decode({"detail": "No."}, headers).request_id == request_id


def test_the_bodys_request_id_comes_first() -> None:
    body = {"error": {"code": "rate_limited", "request_id": "req_body"}}
    assert decode(body, {"x-request-id": "req_header"}).request_id == "req_body"


def test_a_fix_of_ours_stands_in_only_where_the_server_has_none() -> None:
    silent = decode({"error": {"code": "insufficient_credits", "problem": "No."}}, status=400)
    assert "Top up" in str(silent)
    assert decode({"error": {"code": "insufficient_credits", "fix": "Theirs."}}, status=400).fix == "Theirs."
    assert decode({"error": {"code": "brand_new", "problem": "No."}}, status=403).fix is None


@each_case(
    ("answer", "is_error"),
    [
        ({"error": {"code": "internal_error", "problem": "No."}}, True),
        ({"error": {}}, False),
        ({"error": "text"}, False),
        ({"error": None, "valid": True}, False),
        ({"task_id": "t", "status": "failed", "error": {"code": "no_match"}}, False),
        ({"workflow_id": "w", "error": {"code": "late"}}, False),
        ([], False),
        (None, False),
        ("error", False),
    ],
)
def test_an_error_envelope_under_a_200(answer: object, is_error: bool) -> None:  # noqa: FBT001
    assert holds_error(answer) is is_error  # type: ignore[arg-type]


@each_case(
    ("body", "workflow_id"),
    [
        (b'{"workflow_id": "public_bulk_1-2", "status": "proc', "public_bulk_1-2"),
        (b'{"status":"x","workflow_id":"w.1:2"}', "w.1:2"),
        (b'{"workflow_id" :\n "w"', "w"),
        (b'{"workflow_id": "cut_of', None),
        (b'{"workflow_id": ""}', None),
        (b'{"workflow_id": 5}', None),
        (b'{"workflow_id": "a/../b"}', None),
        (b'{"workflow_id": "' + b"x" * 129 + b'"}', None),
        (b"\xff\xfe", None),
        (b"", None),
    ],
)
def test_a_workflow_id_is_salvaged_from_a_broken_body(body: bytes, workflow_id: str | None) -> None:
    assert salvage_workflow_id(body) == workflow_id


@each_case("body", [b"NaN", b'{"a": Infinity}', b"[" * 100_000, b"", b"{", b'"\\ud800"', b"\xff"])
def test_what_is_not_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda s: st.lists(s) | st.dictionaries(st.text(), s),
    )
)
def test_json_of_any_shape_is_a_typed_error(body: object) -> None:
    raw = json.dumps(body).encode()
    for status in (400, 500):
        assert decode_error(status, {}, raw, method="GET", path="/", now=NOW).status == status


KEY = "clapi_CANARY0123456789"


@each_case(
    "body",
    [
        {"detail": f"the key {KEY} is bad"},
        {"detail": f"Authorization: bearer {KEY}"},
        {"error": {"code": KEY, "problem": KEY, "fix": KEY, "details": {KEY: [KEY]}, "request_id": KEY}},
        {"detail": [{"loc": ["header", KEY], "msg": KEY, "type": KEY}]},
        [KEY],
        KEY,
    ],
)
def test_an_echoed_key_does_not_come_through(body: object) -> None:
    for raw in (json.dumps(body), json.dumps(body).replace("_", "\\u005f"), str(body)):
        error = decode_error(422, {"x-request-id": KEY}, raw.encode(), method="GET", path="/", now=NOW)
        assert "CANARY" not in f"{vars(error)} {error!r} {error}"


def test_a_key_in_use_is_blotted_out_whatever_it_looks_like() -> None:
    secret = Secret("no-known-prefix-CANARY")
    error = decode({"detail": f"key={secret.reveal()} is bad"})
    assert error.problem == "key=*** is bad"
    assert error.body == {"detail": "key=*** is bad"}
