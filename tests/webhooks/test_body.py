"""How much of a post is read, and of what type it is."""

import anyio
import pytest

from tests.support.cases import each_case
from tests.webhooks.couriers import JSON_TYPE, token_in
from tests.webhooks.one_submission import EVENT, OneSubmission


async def chunks(body):
    yield body


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
def test_only_json_is_accepted(content_type, status):
    one = OneSubmission()
    assert one.post(content_type=content_type) == status
    assert one.believed == (status == 204)


def test_a_body_in_chunks_is_read_no_further_than_the_limit():
    one = OneSubmission(max_body_bytes=1_000)
    read = 0

    async def endless():
        nonlocal read
        while True:
            read += 100
            yield b"x" * 100

    assert one.post(endless()) == 413
    assert read == 1_100
    assert one.post(b"x" * 1_001) == 413
    assert one.post(b"x" * 1_000) == 400


def test_the_limit_holds_no_matter_how_it_is_cut():
    async def cut(size):
        for start in range(0, len(EVENT), size):
            yield EVENT[start : start + size]

    for size in (1, 7, len(EVENT)):
        assert OneSubmission(max_body_bytes=len(EVENT)).post(cut(size)) == 204
        assert OneSubmission(max_body_bytes=len(EVENT) - 1).post(cut(size)) == 413


def test_nothing_is_read_for_a_token_or_type_that_is_refused():
    async def never():
        raise AssertionError
        yield b""

    assert OneSubmission().post(never(), token="0" * 64) == 404
    assert OneSubmission().post(never(), content_type="text/html") == 415


def test_a_sender_that_hangs_up_is_no_error_of_ours():
    async def torn():
        yield EVENT[:10]
        raise ConnectionError

    one = OneSubmission()
    assert one.post(torn()) == 400
    assert not one.believed


@pytest.mark.anyio
async def test_few_bodies_are_read_at_once_for_one_address():
    one, answers = OneSubmission(), []
    _, other = one.receiver.begin()

    go_on = anyio.Event()

    async def slow():
        yield EVENT[:10]
        await go_on.wait()
        yield EVENT[10:]

    async def post():
        answers.append((await one.receiver.receive(one.token, JSON_TYPE, slow())).status)

    async with anyio.create_task_group() as group:
        for _ in range(9):
            group.start_soon(post)
        await anyio.wait_all_tasks_blocked()
        assert answers == [429] * 5
        token = token_in(other.webhook_url)
        assert (await one.receiver.receive(token, JSON_TYPE, chunks(EVENT))).status == 204
        go_on.set()
    assert answers[5:] == [204] * 4
    assert (await one.receiver.receive(one.token, JSON_TYPE, chunks(EVENT))).status == 204
