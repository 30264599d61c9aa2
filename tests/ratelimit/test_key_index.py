"""The freest of many keys is found without asking all of them, and is the one that asking all would find."""

from __future__ import annotations

import random

import pytest

from cleanlist_async.ratelimit import RateLimits, Route
from cleanlist_async.ratelimit.buckets import Lease, NamedBucket, Rejection
from cleanlist_async.ratelimit.key_index import KeyIndex, scan_keys
from cleanlist_async.ratelimit.memory import FEW_KEYS, MemoryStore
from tests.support.cases import each_case
from tests.support.examples import examples

KEYS = tuple(f"key {number}" for number in range(FEW_KEYS + 4))
ROUTE = Route(KEYS, "organization")


@pytest.mark.scaled
@pytest.mark.parametrize("limit", [1, 2, 30])
def test_the_index_finds_the_key_that_a_scan_finds(limit: int) -> None:
    for seed in range(examples(50)):
        rng = random.Random(seed)
        limits = RateLimits(org=1_000, key=limit)
        buckets = [NamedBucket(limits.key_window(), name=name) for name in KEYS]
        freest, out, now = KeyIndex(buckets), list[tuple[NamedBucket, bool]](), 0.0
        for _ in range(300):
            now += rng.choice((0.0, rng.expovariate(1.0)))
            busy = set(rng.sample(KEYS, rng.choice((0, 0, 3, len(KEYS)))))
            found, opens = freest.find(now, busy)
            expected, expected_opens = scan_keys(buckets, now, 0, busy)
            assert opens == pytest.approx(expected_opens)
            if found is not None:
                assert found is expected
                out.append((found, found.window.take(now)))
                freest.touch(found.name)
            if out and rng.random() < 0.5:
                bucket, probe = out.pop(rng.randrange(len(out)))
                bucket.settle(rng.choice(("answered", "lost")), now, probe=probe)
                if rng.random() < 0.05:
                    bucket.window.pause(now + 5)
                freest.touch(bucket.name)
            elif out and rng.random() < 0.2:
                bucket, probe = out.pop()
                bucket.settle("unsent", now, probe=probe)
                freest.touch(bucket.name)


def test_a_key_that_is_paused_is_passed_over_at_once() -> None:
    store = MemoryStore(RateLimits(org=1_000, key=2))

    def take(now: float) -> Lease | float:
        return store.take(ROUTE, now)

    first, second = take(0.0), take(0.0)
    assert isinstance(first, Lease)
    assert isinstance(second, Lease)
    store.settle(first, "rejected", 0.0, rejection=Rejection(30.0, "key", random.Random(0)))
    rest = [take(0.0) for _ in range(2 * len(KEYS) - 3)]
    assert all(isinstance(lease, Lease) and lease.key != first.key for lease in rest)
    opens = take(0.0)
    assert isinstance(opens, float)
    assert 30 <= opens <= 31


def test_choices_of_keys_that_are_past_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    store, rng, touched = MemoryStore(RateLimits(org=10_000, key=1_000)), random.Random(0), list[str]()
    touch = KeyIndex.touch
    monkeypatch.setattr(KeyIndex, "touch", lambda self, name: (touched.append(name), touch(self, name))[1])

    def ask(route: Route) -> int:
        """Return how much was noted for one request."""
        touched.clear()
        lease = store.take(route, 0.0)
        assert isinstance(lease, Lease)
        store.settle(lease, "answered", 0.0)
        return len(touched)

    for _ in range(500):
        ask(Route(tuple(rng.sample(KEYS, len(KEYS))), "organization"))
    ask(ROUTE)
    assert ask(ROUTE) <= 2 * 16


@each_case("count", [2, 3, 16, 17, 40])
def test_keys_with_as_many_tokens_take_turns(count: int) -> None:
    store = MemoryStore(RateLimits(org=1_000))
    route = Route(tuple(f"key {number:02}" for number in range(count)), "organization")
    given: list[str | None] = []
    for _ in range(3 * count):
        lease = store.take(route, 0.0)
        assert isinstance(lease, Lease)
        given.append(lease.key)
        store.settle(lease, "unsent", 0.0)  # so that all have as many again
    assert given == 3 * list(route.keys)
