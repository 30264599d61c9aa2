"""What a receiver answers, and what it believes."""

from __future__ import annotations

import json

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanlist_async import WebhookReceiver
from tests.support.examples import examples
from tests.webhooks.couriers import JSON_TYPE, MemoryStore, token_in
from tests.webhooks.one_submission import EVENT, FLAT, IDS, WORKFLOW, OneSubmission


def test_the_token_of_one_submission_says_nothing_of_another():
    one = OneSubmission()
    _, other = one.receiver.begin()
    other.accepted("public_bulk_2", ("u1", "u2"))
    assert one.post(token=token_in(other.webhook_url)) == 204
    assert other.signal.answer is None
    assert not one.believed


def test_a_late_event_is_taken_and_dropped():
    one = OneSubmission(mailbox=MemoryStore())
    one.submission.close()
    assert one.post() == 204
    assert not one.believed
    assert one.counts(received=1, dropped=1, passed_on=0)


def test_an_event_for_an_address_of_another_secret_is_warned_of_once(caplog):
    one = OneSubmission()
    _, theirs = WebhookReceiver(one.receiver.public_url, secret="another-secret-of-a-worker").begin()
    for _ in range(3):
        assert one.post(token=token_in(theirs.webhook_url)) == 404
    assert one.post(token="no token at all") == 404
    (record,) = [record for record in caplog.records if record.name == "cleanlist_async"]
    assert "do all workers of" in record.getMessage()
    assert token_in(theirs.webhook_url) not in record.getMessage()


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["task_id", "status", "result", "results", "email", "phones", "summary", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=examples(100))
@given(
    fields=st.dictionaries(st.sampled_from([*FLAT, "tasks", "data", "rows", "task_id"]), JSON_VALUES),
    token=st.none() | st.text(max_size=80),
    content_type=st.sampled_from([JSON_TYPE, "text/plain", None]),
)
def test_hostile_input_never_raises_and_is_never_believed_for_others(fields, token, content_type):
    one = OneSubmission()
    body = json.dumps({**FLAT, **fields}, allow_nan=False).encode()
    assert one.post(body, token=token, content_type=content_type) in {204, 400, 404, 413, 415}
    if one.believed:
        answer = one.submission.signal.answer
        assert answer.workflow_id == WORKFLOW
        assert {row.task_id for row in answer.rows} == set(IDS)
        assert token is None


class Owner:
    def __init__(self, token=None, error=None) -> None:
        self.token, self.error, self.taken = token, error, []

    def knows(self, token):
        if self.error:
            raise self.error
        return token == self.token

    def receive(self, token, payload):
        self.taken.append((token, payload))
        return True


def test_tokens_of_owners_go_to_them_alone():
    one, first, second = OneSubmission(), Owner("first"), Owner("second")
    for owner in (first, second):
        one.receiver.attach(owner)
    assert one.post(token="second") == 204
    assert (first.taken, second.taken) == ([], [("second", EVENT)])
    assert one.post(b"{", token="second") == 400
    assert one.post(token="third") == 404
    one.receiver.detach(second)
    assert one.post(token="second") == 404
    assert len(second.taken) == 1


def test_a_token_of_an_owner_elsewhere_goes_to_the_store():
    store = MemoryStore()
    one = OneSubmission(mailbox=store)
    token = OneSubmission().receiver.new_token()
    one.receiver.attach(Owner("another"))
    assert one.post(token=token) == 204
    assert one.counts(received=1, passed_on=1)
    assert anyio.run(store.take, [token[:32]]) == {token[:32]: [EVENT]}
    assert one.post(b"{", token=token) == 400
    assert one.post(token=token[:32] + "0" * 32) == 404
    owner = Owner(token)
    one.receiver.attach(owner)
    assert one.post(token=token) == 204
    assert owner.taken == [(token, EVENT)]
    assert anyio.run(store.take, [token[:32]]) == {}


def test_without_a_store_a_token_of_an_owner_elsewhere_is_left_to_the_next_worker():
    assert OneSubmission().post(token=OneSubmission().receiver.new_token()) == 404


@pytest.mark.parametrize("has_store", [True, False])
def test_a_broken_owner_denies_nothing_that_the_store_can_keep(has_store):
    one = OneSubmission(mailbox=MemoryStore() if has_store else None)
    one.receiver.attach(Owner(error=RuntimeError()))
    assert one.post(token=one.receiver.new_token()) == (204 if has_store else 503)
    assert one.post(token=one.receiver.new_token()[:32] + "0" * 32) == 503
    assert one.post(token="") == 503
    assert one.post(token="\udc80") == 404


def test_an_owner_that_is_broken_hides_no_other():
    one, sound = OneSubmission(), Owner("sound")
    one.receiver.attach(Owner(error=RuntimeError()))
    one.receiver.attach(sound)
    assert one.post(token="sound") == 204
    assert one.post(token="nobody's") == 503
    assert one.post() == 204
    assert one.believed


def warnings_of(caplog):
    ours = (record for record in caplog.records if record.name == "cleanlist_async")
    return [record for record in ours if record.levelname in {"WARNING", "ERROR"}]


def test_a_failure_that_every_post_repeats_is_logged_once_until_it_has_passed(caplog):
    class Failing(MemoryStore):
        fails = True

        async def put(self, submission_id, event):
            if self.fails:
                raise OSError("disk full")
            return await super().put(submission_id, event)

    store = Failing()
    one, owner = OneSubmission(mailbox=store), Owner("a job's", error=RuntimeError())
    one.receiver.attach(owner)
    for _ in range(50):
        assert one.post(token=OneSubmission().token) == 503
        assert one.post(token="f" * 64) == 503
    assert len(warnings_of(caplog)) == 2
    store.fails, owner.error = False, None
    assert one.post(token=OneSubmission().token) == 204
    assert one.post(token="unknown") == 404
    store.fails = True
    assert one.post(token=OneSubmission().token) == 503
    assert len(warnings_of(caplog)) == 3
