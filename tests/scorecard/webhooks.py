"""Webhooks: what the holder of one address can make grow or lose, and what a forged event is believed."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import anyio

from cleanlist_async import FileMailbox, RedisMailbox, WebhookReceiver, facts
from cleanlist_async.webhooks.event import EventStore
from cleanlist_async.webhooks.submission import Submission
from tests.scorecard.figure import Figure
from tests.support.redis_server import redis_server
from tests.webhooks.couriers import JSON_TYPE, PUBLIC_URL, token_in

MIB = 1 << 20
WORKFLOW = "public_bulk_1"
IDS = tuple(f"task_{number}" for number in range(5))
POSTS = 50
OTHERS = 20


def figures(*, long: bool) -> Iterator[Figure]:
    """Measure both mailboxes, then one receiver."""
    flood = 10_001 if long else 2_000
    for name in ("a file", "Redis"):
        with mailbox_in(name) as place:
            anyio.run(post_largest, place.store)
            most = (
                3 * facts.MAX_WAITING_BYTES / MIB
            )  # the write-ahead log of a file holds all of it once more
            stored = place.stored_bytes() / MIB
            yield Figure(f"stored in {name} by {POSTS} posts of the largest event", stored, most, "MiB")
        with mailbox_in(name) as place:
            lost, kept = anyio.run(post_flood, place.store, flood)
            yield Figure(
                f"others' events lost in {name} by {flood:,} posts to one address", lost, 0, of=OTHERS
            )
            yield Figure("events of that address kept", kept, facts.MAX_WAITING_EVENTS)
    forged = 10_000 if long else 2_000
    yield Figure("forged webhooks believed", anyio.run(believed, forged), 0, of=forged)
    yield Figure("events believed with fewer tasks than contacts", anyio.run(believed_with_fewer), 0, of=5)
    yield Figure("the event loop stands still for the costliest post", anyio.run(standstill_ms), 50, "ms")
    yield Figure("log lines of 1,000 posts while the mailbox fails", log_lines_of_failures(1_000), 1)


@dataclass
class Place:
    """A mailbox, and how many bytes are in it beyond those of an empty one."""

    store: FileMailbox | RedisMailbox
    used: object
    empty: int = field(init=False)

    def __post_init__(self) -> None:
        self.empty = self.used()  # type: ignore[operator]

    def stored_bytes(self) -> int:
        return self.used() - self.empty  # type: ignore[operator,no-any-return]


@contextmanager
def mailbox_in(name: str) -> Iterator[Place]:
    if name == "Redis":
        with redis_server() as server, server.client() as client:
            yield Place(RedisMailbox(server.url), lambda: int(client.info("memory")["used_memory"]))  # type: ignore[index,arg-type]
        return
    with TemporaryDirectory() as folder:
        files = Path(folder)
        yield Place(
            FileMailbox(files / "limits.db"), lambda: sum(file.stat().st_size for file in files.iterdir())
        )


def worker(store: EventStore | None = None) -> WebhookReceiver:
    return WebhookReceiver(PUBLIC_URL, secret="a-secret-of-all-workers", mailbox=store)


def begun(receiver: WebhookReceiver) -> tuple[str, Submission, str]:
    """A submission of a worker: its id, itself, and its token."""
    id_, submission = receiver.begin()
    return id_, submission, token_in(submission.webhook_url)


def event(**fields: object) -> bytes:
    return json.dumps({"workflow_id": WORKFLOW, "status": "completed", **fields}).encode()


async def post_largest(store: EventStore) -> None:
    _, _, token = begun(worker(store))
    another = worker(store)
    for number in range(POSTS):
        body = event(number=number, pad="")
        body = body[:-2] + b"x" * (facts.MAX_WEBHOOK_BYTES - len(body)) + body[-2:]
        await another.receive(token, JSON_TYPE, body)


async def post_flood(store: EventStore, posts: int) -> tuple[int, int]:
    """Return how many events of others were lost, and how many of the flood were kept."""
    owner, another = worker(store), worker(store)
    others = [begun(owner) for _ in range(OTHERS)]
    for _, _, token in others:
        await another.receive(token, JSON_TYPE, event())
    flooded, _, token = begun(owner)
    for number in range(posts):
        await another.receive(token, JSON_TYPE, event(number=number))
    taken = await store.take([id_ for id_, _, _ in others])
    return OTHERS - sum(map(len, taken.values())), len((await store.take([flooded]))[flooded])


async def believed(posts: int) -> int:
    """Post with forged tokens what is all true, and with the true one what is not."""
    random, receiver = Random(11), worker()
    _, submission, token = begun(receiver)
    submission.accepted(WORKFLOW, IDS)
    rows = [{"task_id": id_, "status": "completed", "primary_email": "m@evil.example"} for id_ in IDS]
    forgeries = [
        lambda: ("".join(random.choices("0123456789abcdef", k=64)), event(results=rows)),
        lambda: (token[:32] + "".join(random.choices("0123456789abcdef", k=32)), event(results=rows)),
        lambda: (token[: random.randrange(64)], event(results=rows)),
        lambda: (token.upper() + "0", event(results=rows)),
        lambda: (token, event(results=random.sample(rows, random.randrange(5)))),
        lambda: (token, event(results=[{**row, "task_id": f"task_{random.random()}"} for row in rows])),
        lambda: (token, event(results=[{**row, "task_id": None} for row in rows])),
        lambda: (token, event(workflow_id=f"public_bulk_{random.randrange(2, 99)}", results=rows)),
        lambda: (token, event(results=rows, results_truncated=1)),
    ]
    for _ in range(posts):
        forged, body = random.choice(forgeries)()
        await receiver.receive(forged, JSON_TYPE, body)
    return receiver.statistics().believed + (submission.signal.answer is not None)


async def believed_with_fewer() -> int:
    """Post events that have every task that the answer to the submit named, which were too few."""
    receiver = worker()
    for missing in range(1, 6):
        _, submission, token = begun(receiver)
        named = IDS[: 5 - missing]
        submission.accepted(WORKFLOW, [*named, *[None] * missing])
        rows = [{"task_id": id_, "status": "completed"} for id_ in named or [None]]
        await receiver.receive(token, JSON_TYPE, event(results=rows))
    return receiver.statistics().believed


async def standstill_ms() -> float:
    """Return how long the costliest posts take: of the most bytes, and of the most values."""
    receiver = worker()
    _, _, token = begun(receiver)
    costliest = 0.0
    most = facts.MAX_WEBHOOK_VALUES
    for value in (b"{}", b'{"a":1}', b"[]", b'"%b"' % (b"a" * 30)):
        kinds = value.count(b"{") + value.count(b"[") + 1
        for count in (facts.MAX_WEBHOOK_BYTES // (len(value) + 1) - 50, most // kinds - 50):
            body = b'{"workflow_id":"w","results":[%b0]}' % ((value + b",") * count)
            costliest = max(costliest, await quickest_s(receiver, token, body))
    return costliest * 1_000


async def quickest_s(receiver: WebhookReceiver, token: str, body: bytes) -> float:
    """Return the seconds that a post takes, where nobody else is at work."""
    tries: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        await receiver.receive(token, JSON_TYPE, body)
        tries.append(time.perf_counter() - began)
    return min(tries)


class FullDisk:
    """A store that keeps nothing."""

    async def put(self, _id: str, _event: bytes, /) -> bool:
        raise OSError(28, "No space left on device")

    async def take(self, _ids: object, /) -> dict[str, list[bytes]]:
        return {}


def log_lines_of_failures(posts: int) -> int:
    lines: list[logging.LogRecord] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lines.append  # type: ignore[method-assign]
    log = logging.getLogger("cleanlist_async")
    log.addHandler(handler)
    is_propagated, log.propagate = log.propagate, False

    async def post() -> None:
        _, _, token = begun(worker())
        another = worker(FullDisk())
        for _ in range(posts):
            await another.receive(token, JSON_TYPE, event())

    try:
        anyio.run(post)
    finally:
        log.removeHandler(handler)
        log.propagate = is_propagated
    return len(lines)
