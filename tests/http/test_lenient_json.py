"""An odd value in an answer loses itself, an odd row itself: never the rows beside it."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async.events import AnswerDrifted
from cleanlist_async.http.lenient_json import read_leniently, whole_objects
from tests.support import virtual_sandbox
from tests.support.cases import each_case
from tests.support.virtual_sandbox import check_against_ledger, open_world, people

MARK = '"odd"'
ODD_VALUES = {
    "half a pair of surrogates": rb'"x\ud83d"',
    "the other half": rb'"\ude00x"',
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "minus Infinity": b"-Infinity",
    "a number of 5,000 digits": b"9" * 5_000,
    "a number out of range": b"1e999",
    "a number with a leading zero": b"007",
    "a raw line break": b'"a\nb"',
    "a raw control character": b'"a\x01\x00b"',
    "a byte of Latin-1": b'"caf\xe9"',
    "a torn UTF-8 sequence": b'"caf\xc3"',
    "an overlong UTF-8 sequence": b'"\xc0\xaf"',
    "an unknown escape": rb'"\x41 \u12"',
    "a Python literal": b"None",
    "undefined": b"undefined",
    "a deep list": b"[" * 300 + b"]" * 300,
    "a very deep list": b"[" * 10_000 + b"]" * 10_000,
    "a very deep object": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
}
TORN_ROWS = {
    "a quote that is not escaped": b'"VP "Sales""',
    "a quote too many": b'"5" pipe"',
    "no value": b",",
    "two values": b'"a" "b"',
}
ROWS = [
    {"task_id": f"t{n}", "email": f"a{n}@x.io", "odd": "odd" if n == 2 else None, "phones": [{"n": 1}]}
    for n in range(5)
]
ANSWER = {"status": "completed", "results": ROWS, "summary": {"total": 5}}


def answer_with(odd: bytes, row: int) -> bytes:
    rows = [{**ROWS[n], "odd": "odd" if n == row else None} for n in range(5)]
    return json.dumps(ANSWER | {"results": rows}).encode().replace(MARK.encode() + b", ", odd + b", ")


@each_case("kind", ODD_VALUES)
@pytest.mark.parametrize("row", [0, 2, 4])
def test_an_odd_value_loses_nothing_but_itself(kind, row):
    read = read_leniently(answer_with(ODD_VALUES[kind], row))
    assert read.lost_rows == 0
    assert [{**found, "odd": None} for found in read.value["results"]] == [
        {**there, "odd": None} for there in ROWS
    ]
    assert read.value["summary"] == {"total": 5}
    json.dumps(read.value, allow_nan=False).encode()  # it can be stored


@each_case("kind", TORN_ROWS)
@pytest.mark.parametrize("row", [0, 2, 4])
def test_a_torn_row_loses_nothing_but_itself(kind, row):
    read = read_leniently(answer_with(TORN_ROWS[kind], row))
    assert read.lost_rows == 1
    assert [found["task_id"] for found in read.value["results"]] == [f"t{n}" for n in range(5) if n != row]
    assert read.value["summary"] == {"total": 5}


def test_several_torn_rows_lose_nothing_but_themselves():
    body = json.dumps(ANSWER).encode()
    for n in (0, 1, 4):
        body = body.replace(b"a%d@x.io" % n, b'a"%d@x.io' % n)
    read = read_leniently(body)
    assert [found["task_id"] for found in read.value["results"]] == ["t2", "t3"]
    assert read.lost_rows == 3


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_byte_order_mark_or_another_unicode_loses_nothing(encoding):
    assert read_leniently(json.dumps(ANSWER).encode(encoding)).value == ANSWER


def test_a_byte_of_another_encoding_is_read_as_it_was_meant():
    read = read_leniently(json.dumps([{"name": "Zoë"}], ensure_ascii=False).encode("latin-1"))
    assert read.value == [{"name": "Zoë"}]


@each_case("added", [b"\n<!-- served by edge-7 -->", b"<script src=x></script>\n", b"<!--"])
def test_what_a_gateway_adds_below_an_answer_is_ignored(added):
    assert read_leniently(json.dumps(ANSWER).encode() + added).value == ANSWER


@each_case(
    "body",
    [
        b"",
        b"<html></html>",
        b"null",
        b"1",
        b"Service Unavailable",
        b"{}{}",
        b"[1] x",
        json.dumps(ANSWER).encode()[:-1],
        json.dumps(ANSWER).encode()[:150],
        b"[" * 1_000,
        b'{"a":' * 1_000,
        b'{"a"',
        b'["a',
    ],
)
def test_what_is_cut_or_is_no_json_is_not_read(body):
    with pytest.raises(ValueError, match=r"."):
        read_leniently(body)


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=10,
        ),
    )
)
def test_what_is_json_reads_as_json(value):
    finite = json.loads(json.dumps(value), parse_constant=lambda _word: None)
    assert read_leniently(json.dumps(value).encode()).value == finite
    assert read_leniently(json.dumps(value, ensure_ascii=False).encode()).value == finite


@given(st.binary(max_size=300))
def test_no_bytes_are_a_surprise(body):
    for whole in (body, b"[" + body + b"]", b'[{"a":1},{"a":' + body + b'},{"a":2}]'):
        try:
            read_leniently(whole)
        except ValueError:
            continue


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch):
    """Replace bytes in the answers to status requests of the sandbox."""
    respond = virtual_sandbox._respond

    def spoil_with(change) -> None:
        async def spoiled(sandbox, request):
            answer = await respond(sandbox, request)
            if request.path.endswith("/enrich/status"):
                answer = virtual_sandbox.ServerResponse(answer.status, change(answer.body), answer.headers)
            return answer

        monkeypatch.setattr(virtual_sandbox, "_respond", spoiled)

    return spoil_with


@pytest.mark.slow
@each_case("kind", ODD_VALUES)
async def test_the_results_of_a_workflow_survive_an_odd_value_in_one_row(kind, spoil):
    events = []
    spoil(lambda body: body.replace(b'"task_id":', b'"odd":' + ODD_VALUES[kind] + b',"task_id":', 3))
    async with open_world(client_options={"on_event": events.append}) as world:
        report = await world.client.enrich(people(30))
    assert not report.pending
    check_against_ledger(world, report.results)
    assert AnswerDrifted("bulk_status", 0) in events or kind == "a number out of range"
    assert not math.isinf(report.summary.credits)


async def test_a_torn_row_is_asked_for_alone_and_its_neighbours_are_delivered(spoil):
    events = []

    def tear(body: bytes) -> bytes:
        return body.replace(b'"first_name":"Ada7"', b'"first_name":"Ada"7"') if len(body) > 2_000 else body

    spoil(tear)
    async with open_world(client_options={"on_event": events.append}) as world:
        report = await world.client.enrich(people(30))
    assert not report.pending
    check_against_ledger(world, report.results)
    assert AnswerDrifted("bulk_status", 1) in events


AROUND = {
    "a warning before": lambda body: b"<br />\n<b>Warning</b>: Undefined array key {0} in x.php\n" + body,
    "a notice before": lambda body: b"Notice: session started\n\n" + body,
    "a comment before": lambda body: b"<!-- edge-7 -->" + body,
    "twice": lambda body: body + body,
    "twice, in lines": lambda body: body + b"\n" + body + b"\n",
    "another's before": lambda body: b'{"workflow_id": "public_bulk_other", "status": "failed"}' + body,
    "a log line before": lambda body: b'{"level": "info", "msg": "ok"}\n' + body,
    "words behind": lambda body: body + b"\nDone in 12 ms",
}


@each_case("kind", AROUND)
async def test_a_status_is_found_among_what_stands_around_it(kind, spoil):
    spoil(AROUND[kind])
    events = []
    async with open_world(client_options={"on_event": events.append}) as world:
        report = await world.client.enrich(people(30))
    assert not report.pending
    check_against_ledger(world, report.results)
    assert AnswerDrifted("bulk_status", 0) in events


async def test_a_submit_among_other_text_is_known_by_its_workflow(monkeypatch):
    respond = virtual_sandbox._respond

    async def doubled(sandbox, request):
        answer = await respond(sandbox, request)
        body = b"Warning: x\n" + answer.body * 2 if request.path.endswith("/enrich/bulk") else answer.body
        return virtual_sandbox.ServerResponse(answer.status, body, answer.headers)

    monkeypatch.setattr(virtual_sandbox, "_respond", doubled)
    async with open_world() as world:
        report = await world.client.enrich(people(30))
        assert len(world.ledger.contacts) == 30
    assert not report.pending
    check_against_ledger(world, report.results)


@each_case(
    "body",
    [
        b'{"workflow_id": "w", "results": [{"workflow_id": "w", "status": "completed"}',
        b'{"results": [1, {"workflow_id": "w"}, {"workflow_id": "w"}',
        b'x {"data": {"workflow_id": "w"}',
        b'[{"workflow_id": "w"}]x',
        b"{" * 5_000,
        b"x{" * 5_000,
    ],
)
def test_a_part_of_a_torn_answer_is_no_answer(body):
    assert list(whole_objects(body)) == []
