"""Every answer survives whatever the server makes of a field: cases made from the specification."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime

import pytest

from cleanlist_async.api.models.rows import Row
from cleanlist_async.errors import CleanlistError
from cleanlist_async.http.calls import Call
from cleanlist_async.http.outcome import read_odd_value, read_value
from cleanlist_async.http.transport import Exchange
from tests.support.cases import each_case
from tests.surface.specification import OURS, SPECIFIED, Field, fields, look, objects, sample

CASES = [
    (name, field) for name, operation in SPECIFIED.items() for field in fields(operation["response_model"])
]
STRAIGHT = [case for case in CASES if case[0] != "list_leads_in_list"]
"""Of answers that are read straight from their bytes; rows are not."""
TEXTS = [case for case in CASES if case[1].rule["type"] == "string"]
NUMBERS = [case for case in CASES if case[1].rule["type"] in ("integer", "number")]
TIME_NAMES = {"created_at", "last_used_at", "expires_at"}
MONEY = ("credits", "cost", "available", "shortfall")


def model_of(name):
    return OURS[name].parse.__self__


def sample_of(name):
    return sample(SPECIFIED[name]["response_model"])


def put(answer, path, value):
    changed = deepcopy(answer)
    look(changed, path[:-1])[path[-1]] = value
    return changed


def read_with(name, field, value):
    """Read the sample with one value changed, and check that nothing else in the answer suffered."""
    answer = OURS[name].parse(put(sample_of(name), field.path, value))
    whole = OURS[name].parse(sample_of(name))
    for neighbour in type(whole).model_fields:
        if neighbour != field.path[0]:
            assert getattr(answer, neighbour) == getattr(whole, neighbour)
    return look(answer, field.path)


def is_the_answer(name, field):
    """Whether there is no answer without this field."""
    model, top = model_of(name), field.path[0]
    return len(field.path) == 1 and (top in model.essential or model.known_by == (top,))


def unknown_fields_of(found):
    """What an answer or a row keeps beside the fields that it has names for."""
    if isinstance(found, Row):
        return {name: value for name, value in found.raw.items() if not hasattr(found, name)}
    return found.model_extra


def is_time(field: Field):
    return field.path[-1] in TIME_NAMES


@each_case("name", SPECIFIED)
def test_every_specified_field_has_a_name_here(name):
    answer = OURS[name].parse(sample_of(name))
    for path in objects(SPECIFIED[name]["response_model"]):
        assert not unknown_fields_of(look(answer, path))
    for field in fields(SPECIFIED[name]["response_model"]):
        given, got = look(sample_of(name), field.path), look(answer, field.path)
        if is_time(field):
            assert isinstance(got, datetime)
            assert got.utcoffset() == UTC.utcoffset(None)
        elif isinstance(field.rule["type"], str):
            assert got == given
        else:
            assert len(got) == len(given) if isinstance(given, list) else got


@each_case("name", SPECIFIED)
def test_unknown_fields_are_kept(name):
    for path in objects(SPECIFIED[name]["response_model"]):
        answer = OURS[name].parse(put(sample_of(name), (*path, "of_the_future"), {"a": [1, None]}))
        assert unknown_fields_of(look(answer, path)) == {"of_the_future": {"a": [1, None]}}


@each_case(("name", "field"), TEXTS)
def test_an_unknown_word_is_kept(name, field):
    kept = None if is_time(field) else "a word of 2031"
    assert read_with(name, field, "a word of 2031") == kept


@each_case(("name", "field"), CASES)
def test_a_field_may_be_missing(name, field):
    answer = sample_of(name)
    del look(answer, field.path[:-1])[field.path[-1]]
    if is_the_answer(name, field):
        with pytest.raises(ValueError, match=r"not a|without"):
            OURS[name].parse(answer)
    else:
        check_claims_nothing(field, look(OURS[name].parse(answer), field.path))


@each_case(("name", "field"), CASES)
def test_a_field_may_be_null(name, field):
    if field.path[-1] in model_of(name).essential and len(field.path) == 1 and field.rule["type"] == "string":
        with pytest.raises(ValueError, match="without"):
            OURS[name].parse(put(sample_of(name), field.path, None))
    else:
        check_claims_nothing(field, read_with(name, field, None))


@each_case(("name", "field"), CASES)
def test_a_field_may_be_of_another_type(name, field):
    wrong = [{"x": 1}] if field.rule["type"] in ("string", "object") else "words"
    if field.rule["type"] == "any":
        assert read_with(name, field, "words") == "words"
    elif len(field.path) == 1 and field.path[0] in model_of(name).essential:
        with pytest.raises(ValueError, match="without"):
            OURS[name].parse(put(sample_of(name), field.path, wrong))
    else:
        check_claims_nothing(field, read_with(name, field, wrong))


def check_claims_nothing(field, value):
    """A value that was not understood is empty; where it counts credits, 0 would be a claim."""
    if any(word in field.path[-1] for word in MONEY) or field.path[-1] == "sufficient":
        assert value is None
    elif field.rule["type"] == {"ref": "CompanyRecord"} and value is not None:
        assert set(value.model_dump().values()) == {None}
    else:
        assert not value


@each_case(("name", "field"), NUMBERS)
@each_case("form", [12, 12.0, "12", 12.75, 0, 10**15])
def test_numbers_come_in_any_form(name, field, form):
    value = read_with(name, field, form)
    if is_time(field):
        seconds = float(form)
        assert value == (None if seconds == 10**15 else datetime.fromtimestamp(seconds, UTC))
        return
    fraction_kept = any(word in field.path[-1] for word in MONEY)
    assert value == (float(form) if fraction_kept else int(float(form)))
    if isinstance(form, int):
        assert isinstance(value, int)


@each_case(("name", "field"), NUMBERS)
@each_case("form", ["NaN", "inf", "-Infinity", "1e999"])
def test_what_is_no_number_is_no_price(name, field, form):
    value = read_with(name, field, form)
    assert value is None or value == 0


@each_case(("name", "field"), TEXTS)
def test_a_number_may_stand_for_a_text(name, field):
    meant = datetime.fromtimestamp(12, UTC) if is_time(field) else "12"
    assert read_with(name, field, 12) == meant


def test_the_three_formats_of_time_and_whatever_else():
    read = OURS["get_list"].parse
    expected = datetime(2026, 5, 12, 9, 31, 44, tzinfo=UTC)
    for form in (
        "2026-05-12 09:31:44",
        "2026-05-12T09:31:44Z",
        "2026-05-12T11:31:44+02:00",
        "2026-05-12T09:31:44.000Z",
        1778578304,
        1778578304000,
    ):
        assert read({"list_id": "l", "created_at": form}).created_at == expected
    assert read({"list_id": "l", "created_at": "2026-05-12T09:31:44.1234567Z"}).created_at > expected
    for form in ("yesterday", "", [], {}, 10**30, -(10**30)):
        assert read({"list_id": "l", "created_at": form}).created_at is None
    assert read({"list_id": "l", "timestamp_ms": 1778578304000}).timestamp == expected
    assert read({"list_id": "l", "timestamp_ms": 10**30}).timestamp is None


def test_one_bad_item_costs_only_itself():
    page = OURS["list_leads_in_list"].parse(
        {
            "list_id": "l",
            "leads": [{"lead_id": "1"}, None, "x", {"lead_id": 2, "email": ["?"]}, 7],
            "total": "2",
        }
    )
    assert [(lead.lead_id, lead.email) for lead in page.leads] == [("1", None), ("2", None)]
    assert page.total == 2


@each_case("name", SPECIFIED)
@each_case("body", [None, [], "text", 5, {}, {"detail": "x"}, {"something": "else"}])
def test_what_is_another_answer_is_none(name, body):
    with pytest.raises(ValueError, match="not a"):
        OURS[name].parse(body)


# -- what was paid for -----------------------------------------------------------------------------

PAID = {
    "enrich_person": "workflow_id",
    "enrich_by_task": "workflow_id",
    "enrich_list": "workflow_id",
    "csv_import": "workflow_id",
    "run_smart_agent": "smart_agent_task_id",
}
ID = "bulk-enrich-6f1c.2:9_A"


def outcome(name, body, failure=None):
    call, exchange = Call(OURS[name]), Exchange(sent=True, status=200, body=body, failure=failure)
    value = read_value(call, exchange)
    return read_odd_value(call, exchange) if value is None else value


def paid_body(name):
    return json.dumps(sample_of(name) | {PAID[name]: ID}).encode()


def test_no_paid_operation_is_missing_here():
    conditional = {name for name, operation in OURS.items() if operation.retry != "safe"}
    assert conditional == {*PAID, "enrich_company"}


@each_case("name", PAID)
def test_the_id_is_recovered_wherever_an_answer_is_torn(name):
    body = paid_body(name)
    end = body.index(ID.encode()) + len(ID) + 1
    for length in range(len(body)):
        value = outcome(name, body[:length], "incomplete")
        if length >= end:
            assert getattr(value, PAID[name]) == ID
        else:
            assert isinstance(value, CleanlistError)  # rather than with half an id


@each_case("name", PAID)
@each_case("field", ["status", "credits_reserved", "task_id", "results", "smart_agent_task_ids"])
@each_case("value", [None, [], {"x": [1]}, "?", -1.5])
def test_the_id_is_recovered_from_odd_answers(name, field, value):
    body = json.dumps({field: value, PAID[name]: ID}).encode()
    assert getattr(outcome(name, body), PAID[name]) == ID


@each_case("name", PAID)
@each_case(
    "body",
    [
        b'{"data": {"%s": "%s"}}',
        b'[{"%s": "%s"}]',
        b'\xef\xbb\xbf{"%s": "%s"}',
        b'{"%s": "%s"}{"error": 1}',
        b'<pre>{"%s" : "%s"}</pre>',
        b'{"x": NaN, "%s":"%s"}',
        b'{"x": "\xff", "%s":\n"%s"}',
        b'HTTP/1.1 200 OK\r\n\r\n{"%s": "%s", ',
    ],
)
def test_the_id_is_recovered_from_what_is_no_answer(name, body):
    found = outcome(name, body % (PAID[name].encode(), ID.encode()))
    assert getattr(found, PAID[name]) == ID


@pytest.mark.parametrize("name", ["enrich_person", "enrich_list"])
def test_the_id_is_recovered_from_the_address_to_poll(name):
    address = f"https://api.cleanlist.ai/api/v1/public/enrichment/status/{ID}"
    body = json.dumps({"poll_url": address, "status": "pending"}).encode()
    assert outcome(name, body).workflow_id == ID
    for length in range(body.index(ID.encode()), body.index(ID.encode()) + len(ID) + 1):
        assert isinstance(outcome(name, body[:length], "incomplete"), CleanlistError)


ODD = ("text", "", 7, 1.5, -1, True, None, [], [None], {}, {"a": 1}, "2026-01-01T00:00:00", 1_790_000_000_000)


@pytest.mark.slow
@each_case(("name", "field"), STRAIGHT)
def test_what_is_read_straight_from_its_bytes_is_what_a_closer_look_would_find(name, field):
    straight = 0
    for value in ODD:
        answer = put(sample_of(name), field.path, value)
        read = OURS[name].parse_bytes(json.dumps(answer).encode())
        if read is not None:
            straight += 1
            assert repr(read) == repr(OURS[name].parse(answer))
    assert OURS[name].parse_bytes(json.dumps(sample_of(name)).encode()) is not None
    assert straight


@each_case("name", SPECIFIED)
def test_what_is_no_answer_is_not_read_from_its_bytes(name):
    read = OURS[name].parse_bytes
    envelope = {"error": {"code": "internal_error"}, **sample_of(name)}
    for body in (b"", b"[]", b"null", b"{", b"{}", b"\xff", json.dumps(envelope).encode()):
        found = read(body)
        assert found is None or (body == b"{}" and not model_of(name).known_by)
