"""Events of submits that another worker made."""

import anyio
import pytest

from cleanlist_async import FileMailbox, facts
from tests.webhooks.couriers import MemoryStore, changed
from tests.webhooks.one_submission import EVENT, OneSubmission


@pytest.fixture
def store_of_workers(tmp_path):
    return FileMailbox(tmp_path / "limits.db")


def largest_event(number):
    event = changed(EVENT, number=number, pad="")
    return event[:-2] + b"x" * (facts.MAX_WEBHOOK_BYTES - len(event)) + event[-2:]


def test_another_worker_recognises_the_token_and_leaves_the_event_in_the_store():
    store = MemoryStore()
    owner, other = OneSubmission(mailbox=store), OneSubmission(mailbox=store)
    assert other.post(token=owner.token) == 204
    assert not owner.believed
    assert other.counts(received=1, passed_on=1)
    [(id_, [body])] = anyio.run(store.take, [owner.id, "somebody"]).items()
    assert anyio.run(store.take, [owner.id]) == {}
    owner.receiver.take_over(id_, body)
    assert owner.believed


def test_without_a_store_it_is_acknowledged_and_dropped():
    owner, other = OneSubmission(), OneSubmission()
    assert other.post(token=owner.token) == 204
    assert other.counts(received=1, dropped=1)


def test_a_store_that_fails_is_not_acknowledged():
    class Broken(MemoryStore):
        async def put(self, submission_id, event):
            raise OSError("disk full")

    owner, other = OneSubmission(), OneSubmission(mailbox=Broken())
    assert other.post(token=owner.token) == 503
    assert other.counts(received=0, refused=1)


def test_the_store_takes_no_junk():
    store = MemoryStore()
    owner, other = OneSubmission(mailbox=store), OneSubmission(mailbox=store)
    for body in (b"{", b"[]", b"x" * 5_000_000):
        assert other.post(body, token=owner.token) in {400, 413}
    assert anyio.run(store.take, [owner.id]) == {}
    owner.receiver.take_over(owner.id, b"{")
    owner.receiver.take_over("0" * 32, EVENT)
    assert not owner.believed


def test_more_events_than_a_submit_has_are_refused_while_its_worker_does_not_take_them(store_of_workers):
    owner, other = OneSubmission(mailbox=store_of_workers), OneSubmission(mailbox=store_of_workers)
    events = [changed(EVENT, number=number) for number in range(6)]
    assert [other.post(event, token=owner.token) for event in events] == [204] * 4 + [429] * 2
    assert other.post(events[0], token=owner.token) == 204, "that one is kept"
    assert other.counts(passed_on=5, refused=2)
    assert anyio.run(store_of_workers.take, [owner.id]) == {owner.id: events[:4]}


@pytest.mark.slow
def test_fifty_of_the_largest_events_leave_two_of_them(store_of_workers):
    owner, other = OneSubmission(mailbox=store_of_workers), OneSubmission(mailbox=store_of_workers)
    answers = {other.post(largest_event(number), token=owner.token) for number in range(50)}
    assert answers == {204, 429}
    [events] = anyio.run(store_of_workers.take, [owner.id]).values()
    assert sum(map(len, events)) <= facts.MAX_WAITING_BYTES


def test_a_store_that_says_nothing_has_kept_it():
    class Silent(MemoryStore):
        async def put(self, submission_id, event):
            await super().put(submission_id, event)

    assert OneSubmission(mailbox=Silent()).post(token=OneSubmission().token) == 204
