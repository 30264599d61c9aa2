"""What a receiver answers, and what it believes."""

from __future__ import annotations

import json
import random

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanlist_async import FileMailbox, facts
from cleanlist_async.webhooks.receiver import WebhookReceiver
from cleanlist_async.webhooks.store import MemoryEventStore
from tests.support.cases import each_case
from tests.webhooks.couriers import JSON_TYPE, PUBLIC_URL, changed, token_in

SECRET = "a-secret-of-all-workers"
WORKFLOW = "public_bulk_1"
IDS = ("t1", "t2")

FLAT = {
    "event": "enrichment.completed",
    "workflow_id": WORKFLOW,
    "lead_list_id": "11111111-1111-1111-1111-111111111111",
    "enrichment_type": "partial",
    "status": "completed",
    "summary": {"total": 2, "successful": 1, "failed": 1, "emails_found": 1, "phones_found": 0},
    "results": [
        {
            "task_id": "t1",
            "status": "completed",
            "primary_email": "ada@c.example",
            "primary_email_status": "reliable",
            "personal_phone_numbers": ["+1 555 0100"],
            "prospect": {"first_name": "Ada", "last_name": "Lovelace", "full_name": "Ada Lovelace"},
            "company": {"name": "C", "domain": "c.example"},
        },
        {"task_id": "t2", "status": "failed", "primary_email": None, "personal_phone_numbers": []},
    ],
    "results_limit": 250,
    "results_truncated": 0,
    "results_endpoint": f"/api/v1/public/enrich/status?workflow_id={WORKFLOW}",
    "completed_at": "2026-04-06T15:00:42Z",
}
NESTED = FLAT | {
    "results": [
        {
            "task_id": "t1",
            "status": "success",
            "prospect_id": "p1",
            "lead_id": "l1",
            "result": {
                "email": "ada@c.example",
                "email_status": "reliable",
                "other_emails": [],
                "phones": ["+1 555 0100"],
                "linkedin_url": "https://linkedin.com/in/ada",
                "provider": "x",
            },
            "input": {"first_name": "Ada"},
        },
        {"task_id": "t2", "status": "failed", "result": None, "error": "nothing found"},
    ]
}
EVENT = json.dumps(FLAT).encode()


def rows(*changes):
    return [row | change for row, change in zip(FLAT["results"], changes, strict=False)]


class Desk:
    """A receiver and one submission of it."""

    def __init__(self, *, accepted=True, **options) -> None:
        self.receiver = WebhookReceiver(PUBLIC_URL, secret=SECRET, **options)
        self.id, self.submission = self.receiver.begin()
        self.token = token_in(self.submission.webhook_url)
        if accepted:
            self.submission.accepted(WORKFLOW, IDS)

    def post(self, body=EVENT, *, token=None, content_type=JSON_TYPE) -> int:
        async def post():
            return await self.receiver.receive(self.token if token is None else token, content_type, body)

        return anyio.run(post).status

    @property
    def believed(self) -> bool:
        return self.submission.signal.answer is not None

    @property
    def is_hint(self) -> bool:
        return self.submission.signal.is_hint

    def counts(self, **more) -> bool:
        said = self.receiver.statistics()
        return all(getattr(said, name) == count for name, count in more.items())


@pytest.mark.parametrize("payload", [FLAT, NESTED], ids=["flat", "nested"])
def test_both_shapes_of_rows_are_believed(payload):
    desk = Desk()
    assert desk.post(json.dumps(payload).encode()) == 204
    answer = desk.submission.signal.answer
    assert [row.task_id for row in answer.rows] == ["t1", "t2"]
    assert answer.rows[0].email == "ada@c.example"
    assert answer.rows[0].phones == ("+1 555 0100",)
    assert not answer.rows[1].has_findings
    assert answer.is_final
    assert answer.workflow_id == WORKFLOW
    assert desk.counts(received=1, believed=1, confirmed=0, refused=0)


NOT_BELIEVED = {
    "another workflow": {"workflow_id": "public_bulk_2"},
    "a task of another": {"results": rows({"task_id": "t9"}, {})},
    "one task too few": {"results": rows({})},
    "one task too many": {"results": [*rows({}, {}), {"task_id": "t3", "status": "completed"}]},
    "a task twice": {"results": [*rows({}, {}), rows({})[0]]},
    "no task ids": {"results": rows({"task_id": None}, {"task_id": None})},
    "no rows": {"results": []},
    "rows left out": {"results_truncated": 1},
    "not finished": {"status": "processing"},
    "no status": {"status": None},
    "a row not finished": {"results": rows({"status": "processing"}, {})},
    "a failed workflow": {"status": "failed"},
    "ids in another case": {"results": rows({"task_id": "T1"}, {})},
    "ids that are no text": {"results": rows({"task_id": ["t1"]}, {})},
}


@each_case("fields", NOT_BELIEVED.values())
def test_what_is_not_all_ours_is_only_a_hint(fields):
    desk = Desk()
    assert desk.post(changed(EVENT, **fields)) == 204
    assert not desk.believed
    assert desk.is_hint
    assert desk.counts(received=1, believed=0, confirmed=1)


def test_a_submission_without_ids_believes_nothing():
    desk = Desk(accepted=False)
    desk.submission.accepted(WORKFLOW, ())
    desk.post()
    desk.post(changed(EVENT, results=[]))
    assert not desk.believed


def test_confirm_always_believes_nothing():
    desk = Desk(confirm="always")
    assert desk.post() == 204
    assert not desk.believed
    assert desk.is_hint
    assert desk.counts(received=1, believed=0, confirmed=1)


def test_the_token_of_one_submission_says_nothing_of_another():
    desk = Desk()
    _, other = desk.receiver.begin()
    other.accepted("public_bulk_2", ("u1", "u2"))
    assert desk.post(token=token_in(other.webhook_url)) == 204
    assert other.signal.answer is None
    assert not desk.believed


# -- time ------------------------------------------------------------------------------------------


def test_an_early_event_is_kept_until_the_submit_is_answered():
    desk = Desk(accepted=False)
    assert desk.post() == 204
    assert not desk.believed
    assert not desk.is_hint
    desk.submission.accepted(WORKFLOW, IDS)
    assert desk.believed


def test_an_early_event_of_another_workflow_is_a_hint_once_that_is_known():
    desk = Desk(accepted=False)
    desk.post(changed(EVENT, workflow_id="public_bulk_2"))
    desk.post()
    desk.submission.accepted(WORKFLOW, IDS)
    assert desk.believed
    assert desk.is_hint


def test_replays_change_nothing():
    desk = Desk()
    for _ in range(5):
        assert desk.post() == 204
    first = desk.submission.signal.answer
    desk.post(changed(EVENT, results=rows({"primary_email": "mallory@evil.example"}, {})))
    assert desk.submission.signal.answer is first
    assert desk.counts(received=6, believed=1, repeated=5)


def test_a_hint_is_given_once_for_each_workflow_named_and_for_four_of_them():
    desk = Desk()
    hints = 0

    def count():
        nonlocal hints
        hints += 1

    desk.submission.signal.wake = count
    for n in range(20):
        assert desk.post(changed(EVENT, workflow_id=f"public_bulk_{n % 10}", results=[])) == 204
    assert hints == 4
    assert not desk.believed


def test_an_event_that_can_be_believed_is_not_lost_behind_one_that_cannot():
    desk = Desk()
    desk.post(changed(EVENT, results=[]))
    assert not desk.believed
    desk.post()
    assert desk.believed


def test_a_late_event_is_taken_and_dropped():
    desk = Desk(store=MemoryEventStore())
    desk.submission.close()
    assert desk.post() == 204
    assert not desk.believed
    assert desk.counts(received=1, dropped=1, passed_on=0)


# -- refusals --------------------------------------------------------------------------------------


def test_ten_thousand_forged_tokens_reach_nobody():
    rng = random.Random(3)
    desk = Desk()

    async def post_all():
        answers = set()
        for _ in range(10_000):
            token = "".join(rng.choices("0123456789abcdef", k=64))
            answers.add((await desk.receiver.receive(token, JSON_TYPE, EVENT)).status)
        return answers

    assert anyio.run(post_all) == {404}
    assert not desk.believed
    assert not desk.is_hint
    assert desk.counts(received=0, refused=10_000)


@each_case(
    ("content_type", "status"),
    [
        ("application/json", 204),
        ("application/json; charset=utf-8", 204),
        ("Application/JSON", 204),
        ("application/vnd.cleanlist+json", 204),
        (None, 415),
        ("", 415),
        ("text/plain", 415),
        ("text/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=application/json", 415),
        ("application/jsonp", 415),
    ],
)
def test_json_only(content_type, status):
    desk = Desk()
    assert desk.post(content_type=content_type) == status
    assert desk.believed == (status == 204)


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
    desk = Desk()
    assert desk.post(body) == 400
    assert not desk.believed
    assert not desk.is_hint
    assert desk.counts(received=0, refused=1)


def test_a_body_in_chunks_is_read_no_further_than_the_limit():
    desk = Desk(max_body_bytes=1_000)
    read = 0

    async def endless():
        nonlocal read
        while True:
            read += 100
            yield b"x" * 100

    assert desk.post(endless()) == 413
    assert read == 1_100
    assert desk.post(b"x" * 1_001) == 413
    assert desk.post(b"x" * 1_000) == 400


def test_the_limit_holds_no_matter_how_it_is_cut():
    async def cut(size):
        for start in range(0, len(EVENT), size):
            yield EVENT[start : start + size]

    for size in (1, 7, len(EVENT)):
        assert Desk(max_body_bytes=len(EVENT)).post(cut(size)) == 204
        assert Desk(max_body_bytes=len(EVENT) - 1).post(cut(size)) == 413


def test_nothing_is_read_for_a_token_or_type_that_is_refused():
    async def never():
        raise AssertionError
        yield b""

    assert Desk().post(never(), token="0" * 64) == 404
    assert Desk().post(never(), content_type="text/html") == 415


def test_a_sender_that_hangs_up_is_no_error_of_ours():
    async def torn():
        yield EVENT[:10]
        raise ConnectionError

    desk = Desk()
    assert desk.post(torn()) == 400
    assert not desk.believed


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


@settings(max_examples=100, deadline=None)
@given(
    fields=st.dictionaries(st.sampled_from([*FLAT, "tasks", "data", "rows", "task_id"]), JSON_VALUES),
    token=st.none() | st.text(max_size=80),
    content_type=st.sampled_from([JSON_TYPE, "text/plain", None]),
)
def test_hostile_input_never_raises_and_is_never_believed_for_others(fields, token, content_type):
    desk = Desk()
    body = json.dumps({**FLAT, **fields}, allow_nan=False).encode()
    assert desk.post(body, token=token, content_type=content_type) in {204, 400, 404, 413, 415}
    if desk.believed:
        answer = desk.submission.signal.answer
        assert answer.workflow_id == WORKFLOW
        assert {row.task_id for row in answer.rows} == set(IDS)
        assert token is None


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=200))
def test_hostile_bytes_never_raise(body):
    assert Desk().post(body) in {204, 400}


# -- several workers -------------------------------------------------------------------------------


def test_another_worker_recognises_the_token_and_leaves_the_event_in_the_store():
    store = MemoryEventStore()
    owner, other = Desk(store=store), Desk(store=store)
    assert other.post(token=owner.token) == 204
    assert not owner.believed
    assert other.counts(received=1, passed_on=1)
    [(id_, [body])] = anyio.run(store.take, [owner.id, "somebody"]).items()
    assert anyio.run(store.take, [owner.id]) == {}
    owner.receiver.take_over(id_, body)
    assert owner.believed


def test_without_a_store_it_is_acknowledged_and_dropped():
    owner, other = Desk(), Desk()
    assert other.post(token=owner.token) == 204
    assert other.counts(received=1, dropped=1)


def test_a_store_that_fails_is_not_acknowledged():
    class Broken(MemoryEventStore):
        async def put(self, submission_id, event):
            raise OSError("disk full")

    owner, other = Desk(), Desk(store=Broken())
    assert other.post(token=owner.token) == 503
    assert other.counts(received=0, refused=1)


def test_the_store_takes_no_junk():
    store = MemoryEventStore()
    owner, other = Desk(store=store), Desk(store=store)
    for body in (b"{", b"[]", b"x" * 5_000_000):
        assert other.post(body, token=owner.token) in {400, 413}
    assert anyio.run(store.take, [owner.id]) == {}
    owner.receiver.take_over(owner.id, b"{")
    owner.receiver.take_over("0" * 32, EVENT)
    assert not owner.believed


def test_a_store_in_memory_does_not_grow_for_ever():
    store = MemoryEventStore()

    async def fill():
        for n in range(3_000):
            await store.put(f"{n}", b"{}")
        return await store.take([f"{n}" for n in range(3_000)])

    assert len(anyio.run(fill)) == 1_000


def test_a_store_in_memory_keeps_no_replays_and_few_events_of_one_submission():
    async def fill(events):
        store = MemoryEventStore()
        for event in events:
            await store.put("it", event)
        return (await store.take(["it"]))["it"]

    assert anyio.run(fill, [EVENT] * 1_000) == [EVENT]
    assert anyio.run(fill, [b"%d" % n for n in range(1_000)]) == [b"0", b"1", b"2", b"3"]


# -- tokens of others ------------------------------------------------------------------------------


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
    desk, first, second = Desk(), Owner("first"), Owner("second")
    for owner in (first, second):
        desk.receiver.attach(owner)
    assert desk.post(token="second") == 204
    assert (first.taken, second.taken) == ([], [("second", EVENT)])
    assert desk.post(b"{", token="second") == 400
    assert desk.post(token="third") == 404
    desk.receiver.detach(second)
    assert desk.post(token="second") == 404
    assert len(second.taken) == 1


def test_a_token_of_an_owner_elsewhere_goes_to_the_store():
    store = MemoryEventStore()
    desk = Desk(store=store)
    token = Desk().receiver.new_token()
    desk.receiver.attach(Owner("another"))
    assert desk.post(token=token) == 204
    assert desk.counts(received=1, passed_on=1)
    assert anyio.run(store.take, [token[:32]]) == {token[:32]: [EVENT]}
    assert desk.post(b"{", token=token) == 400
    assert desk.post(token=token[:32] + "0" * 32) == 404
    owner = Owner(token)
    desk.receiver.attach(owner)
    assert desk.post(token=token) == 204
    assert owner.taken == [(token, EVENT)]
    assert anyio.run(store.take, [token[:32]]) == {}


def test_without_a_store_a_token_of_an_owner_elsewhere_is_left_to_the_next_worker():
    assert Desk().post(token=Desk().receiver.new_token()) == 404


@pytest.mark.parametrize("has_store", [True, False])
def test_a_broken_owner_denies_nothing_that_the_store_can_keep(has_store):
    desk = Desk(store=MemoryEventStore() if has_store else None)
    desk.receiver.attach(Owner(error=RuntimeError()))
    assert desk.post(token=desk.receiver.new_token()) == (204 if has_store else 503)
    assert desk.post(token=desk.receiver.new_token()[:32] + "0" * 32) == 503
    assert desk.post(token="") == 503
    assert desk.post(token="\udc80") == 404


def test_an_owner_that_is_broken_hides_no_other():
    desk, sound = Desk(), Owner("sound")
    desk.receiver.attach(Owner(error=RuntimeError()))
    desk.receiver.attach(sound)
    assert desk.post(token="sound") == 204
    assert desk.post(token="nobody's") == 503
    assert desk.post() == 204
    assert desk.believed


# -- what one address can make grow ----------------------------------------------------------------


def test_more_events_than_a_submit_has_are_refused_while_its_worker_does_not_take_them(store_of_workers):
    owner, other = Desk(store=store_of_workers), Desk(store=store_of_workers)
    events = [changed(EVENT, number=number) for number in range(6)]
    assert [other.post(event, token=owner.token) for event in events] == [204] * 4 + [429] * 2
    assert other.post(events[0], token=owner.token) == 204, "that one is kept"
    assert other.counts(passed_on=5, refused=2)
    assert anyio.run(store_of_workers.take, [owner.id]) == {owner.id: events[:4]}


def test_fifty_of_the_largest_events_leave_two_of_them(store_of_workers):
    owner, other = Desk(store=store_of_workers), Desk(store=store_of_workers)
    answers = {other.post(largest_event(number), token=owner.token) for number in range(50)}
    assert answers == {204, 429}
    [events] = anyio.run(store_of_workers.take, [owner.id]).values()
    assert sum(map(len, events)) <= facts.MAX_WAITING_BYTES


@pytest.fixture(params=["memory", "file"])
def store_of_workers(request, tmp_path):
    return MemoryEventStore() if request.param == "memory" else FileMailbox(tmp_path / "limits.db")


def largest_event(number):
    event = changed(EVENT, number=number, pad="")
    return event[:-2] + b"x" * (facts.MAX_WEBHOOK_BYTES - len(event)) + event[-2:]


def test_a_store_that_says_nothing_has_kept_it():
    class Silent(MemoryEventStore):
        async def put(self, submission_id, event):
            await super().put(submission_id, event)

    assert Desk(store=Silent()).post(token=Desk().token) == 204


def test_a_store_in_memory_is_bounded_in_bytes_and_a_flood_at_one_evicts_no_other():
    async def fill():
        store = MemoryEventStore()
        await store.put("other", b"theirs")
        for number in range(1_000):
            await store.put("one", b"%d" % number + b"x" * facts.MAX_WEBHOOK_BYTES)
        assert await store.take(["other"]) == {"other": [b"theirs"]}
        names = [f"{number}" for number in range(200)]
        for name in names:
            await store.put(name, b"x" * facts.MAX_WAITING_BYTES)
        kept = await store.take(names)
        assert await store.put("1", b"x")
        return list(kept), names

    kept, names = anyio.run(fill)
    assert kept == names[-len(kept) :]
    assert len(kept) == 64


def test_a_body_of_too_many_values_is_refused_before_it_is_parsed():
    for values in (b"{},", b"[],", b"1,", b'{"a":1},'):
        rows = values * (200_000 // len(values)) + values[:-1]
        assert Desk().post(b'{"workflow_id": "w", "results": [%b]}' % rows) == 400
    assert Desk().post(b'{"workflow_id": "w", "extra": [%b0]}' % (b"1," * 9_990)) == 204


def test_few_bodies_are_read_at_once_for_one_address():
    desk, answers = Desk(), []
    _, other = desk.receiver.begin()

    async def main():
        go_on = anyio.Event()

        async def slow():
            yield EVENT[:10]
            await go_on.wait()
            yield EVENT[10:]

        async def post():
            answers.append((await desk.receiver.receive(desk.token, JSON_TYPE, slow())).status)

        async with anyio.create_task_group() as group:
            for _ in range(9):
                group.start_soon(post)
            await anyio.wait_all_tasks_blocked()
            assert answers == [429] * 5
            token = token_in(other.webhook_url)
            assert (await desk.receiver.receive(token, JSON_TYPE, chunks(EVENT))).status == 204
            go_on.set()
        assert answers[5:] == [204] * 4
        assert (await desk.receiver.receive(desk.token, JSON_TYPE, chunks(EVENT))).status == 204

    anyio.run(main)


async def chunks(body):
    yield body


def test_a_failure_that_every_post_repeats_is_logged_once_until_it_has_passed(caplog):
    class Failing(MemoryEventStore):
        fails = True

        async def put(self, submission_id, event):
            if self.fails:
                raise OSError("disk full")
            return await super().put(submission_id, event)

    store = Failing()
    desk, owner = Desk(store=store), Owner("a job's", error=RuntimeError())
    desk.receiver.attach(owner)
    for _ in range(50):
        assert desk.post(token=Desk().token) == 503
        assert desk.post(token="f" * 64) == 503
    assert len(caplog.records) == 2
    store.fails, owner.error = False, None
    assert desk.post(token=Desk().token) == 204
    assert desk.post(token="f" * 64) == 404
    store.fails = True
    assert desk.post(token=Desk().token) == 503
    assert len(caplog.records) == 3


@pytest.mark.parametrize("ids", [("t1", None), (None, None)])
def test_while_a_contact_has_no_id_nothing_is_believed(ids):
    desk = Desk(accepted=False)
    desk.submission.accepted(WORKFLOW, ids)
    known = [id_ for id_ in ids if id_]
    desk.post(changed(EVENT, results=[{"task_id": id_, "status": "completed"} for id_ in known or [None]]))
    desk.post()
    assert not desk.believed
    assert desk.is_hint


def test_a_single_contact_without_an_id_is_not_completed_by_a_row_without_one():
    desk = Desk(accepted=False)
    desk.submission.accepted(WORKFLOW, (None,))
    desk.post(changed(EVENT, results=[{"status": "completed", "primary_email": "mallory@evil.example"}]))
    assert not desk.believed
