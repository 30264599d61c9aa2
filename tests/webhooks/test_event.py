"""Which bodies are events."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.cases import each_case
from tests.support.examples import examples
from tests.webhooks.couriers import changed
from tests.webhooks.one_submission import EVENT, WORKFLOW, OneSubmission


@each_case(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"\xff\xfe",
        b'{"workflow_id": NaN}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"{}",
        changed(EVENT, workflow_id=None),
        changed(EVENT, workflow_id=""),
        changed(EVENT, workflow_id=7),
        changed(EVENT, workflow_id="x" * 129),
        changed(EVENT, workflow_id=[WORKFLOW]),
        EVENT[:-1],
        EVENT + b"x",
    ],
)
def test_what_is_no_event_is_malformed(body):
    one = OneSubmission()
    assert one.post(body) == 400
    assert not one.believed
    assert not one.is_hint
    assert one.counts(received=0, refused=1)


@settings(max_examples=examples(100))
@given(body=st.binary(max_size=200))
def test_hostile_bytes_never_raise(body):
    assert OneSubmission().post(body) in {204, 400}


def test_a_body_of_too_many_values_is_refused_before_it_is_parsed():
    for values in (b"{},", b"[],", b"1,", b'{"a":1},'):
        rows = values * (200_000 // len(values)) + values[:-1]
        assert OneSubmission().post(b'{"workflow_id": "w", "results": [%b]}' % rows) == 400
    assert OneSubmission().post(b'{"workflow_id": "w", "extra": [%b0]}' % (b"1," * 9_990)) == 204
