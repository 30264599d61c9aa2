"""What a sync means, whatever happens between syncs: the rules that every backend keeps to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanlist_async.ratelimit import RateLimits, RequestClass
from cleanlist_async.ratelimit.shared.backend import (
    Backend,
    Granted,
    PoolState,
    Process,
    Report,
    SyncAnswer,
    SyncRequest,
    TokenRequest,
    lease_s,
    poll_s,
)
from cleanlist_async.ratelimit.shared.pool import Pool
from cleanlist_async.ratelimit.sqlite import LimitsFile
from tests.support.examples import examples
from tests.support.hand_clock import HandClock
from tests.support.shared_stores import PoolBackend, finish

INTERACTIVE, SUBMIT, STATUS = RequestClass
LIMITS = RateLimits(org=4, key=3)
WINDOW_S, GRACE_S = LIMITS.window_s, LIMITS.grace_s
LEASE_S = lease_s(LIMITS)


class PlainBackend(PoolBackend):
    """Keeps its pools as text, as a file does."""

    async def sync(self, request: SyncRequest) -> SyncAnswer:
        answer = await super().sync(request)
        pool = self._pool(request.organization)
        twin = Pool.of(json.loads(json.dumps(answer.pool)))
        self.pools = {name: twin if known is pool else known for name, known in self.pools.items()}
        return answer


@dataclass
class Actor:
    """One process, at the edge of what its sync worker allows."""

    backend: Backend
    clock: Callable[[], float]
    name: str
    number: int = 0
    held: dict[str, float] = field(default_factory=dict)
    good_until: dict[str, float] = field(default_factory=dict)
    reports: list[tuple[Report, float]] = field(default_factory=list)
    known_keys: dict[str, str | None] = field(default_factory=dict)

    def sync(self, *wanted: TokenRequest, reply_is_lost: bool = False) -> Granted | None:
        self.number += 1
        started = self.clock()
        request = SyncRequest(
            Process(self.name, 1, "here"),
            "org",
            f"{self.name}-{self.number}",
            tuple(self.held),
            tuple(replace(report, age_s=started - at) for report, at in self.reports),
            wanted,
        )
        answer = finish(self.backend.sync(request))
        if reply_is_lost:
            return None
        self.reports.clear()
        for lease in self.held:
            if lease in answer.pool["holdings"]:  # else it is void, but was good until then
                self.good_until[lease] = started + LEASE_S
        if answer.granted is not None:
            self.held[request.lease] = started
            self.good_until[request.lease] = started + LEASE_S
            self.known_keys[request.lease] = answer.granted.key
        self.retry_in_s = answer.retry_in_s
        return answer.granted

    def last_moment(self, lease: str) -> float:
        """Return when the request of a lease may have been sent at the latest, until now."""
        return max(self.held[lease], min(self.clock(), self.good_until[lease]))

    def settle(self, lease: str, outcome: str) -> None:
        del self.held[lease]
        self.reports.append((Report(lease, outcome), self.clock()))


def actor(backend: Backend, clock: Callable[[], float], name: str = "one") -> Actor:
    return Actor(backend, clock, name)


def most_in_a_window(arrivals: list[float]) -> int:
    arrivals = sorted(arrivals)
    return max(
        (sum(at - 1e-6 <= other < at + WINDOW_S - 1e-6 for other in arrivals) for at in arrivals), default=0
    )


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["visit", "visit", "visit", "reply lost", "answer", "lose", "unsend", "crash"]),
        st.integers(0, 2),
        st.integers(0, 7),
        st.sampled_from([0.0, 0.0, 0.1, 2.0, 29.0, 59.0, 60.05, 70.0, 131.0]),
    ),
    min_size=20,
    max_size=90,
)


def never_too_many(  # noqa: C901
    steps: list[tuple[str, int, int, float]], backend: Backend, clock: HandClock
) -> None:
    actors = [actor(backend, clock, f"p{number}") for number in range(3)]
    arrivals: list[float] = []
    of_key: dict[str, list[float]] = {}
    generation = 3

    def arrive(who: Actor, lease: str, at: float) -> None:
        arrivals.append(at)
        if (key := who.known_keys[lease]) is not None:
            of_key.setdefault(key, []).append(at)

    for step, which, choice, pause_s in steps:
        clock.now += pause_s
        who = actors[which]
        lease = sorted(who.held)[choice % len(who.held)] if who.held else None
        if step in {"visit", "reply lost"}:
            keys = [("a",), ("b",), ("a", "b"), ()][choice % 4]
            wanted = TokenRequest(keys, (INTERACTIVE, SUBMIT, STATUS)[choice % 3], more=bool(choice % 2))
            who.sync(wanted, reply_is_lost=step == "reply lost")
        elif step == "crash":
            for held in who.held:  # whatever it held may have been sent, and be late
                arrive(who, held, who.last_moment(held) + GRACE_S * (choice % 2))
            actors[which] = actor(backend, clock, f"p{generation}")
            generation += 1
        elif lease is not None:
            if step == "answer":
                arrive(who, lease, who.last_moment(lease) if choice % 2 else who.held[lease])
            elif step == "lose":
                arrive(who, lease, who.last_moment(lease) + GRACE_S * (choice % 2))
            who.settle(lease, {"answer": "answered", "lose": "lost", "unsend": "unsent"}[step])
    assert most_in_a_window(arrivals) <= LIMITS.org
    for log in of_key.values():
        assert most_in_a_window(log) <= LIMITS.key
    everything_comes_back(backend, clock)


def everything_comes_back(backend: Backend, clock: HandClock) -> None:
    """After a lease, a grace and a window of silence, a newcomer gets all there is."""
    newcomer = actor(backend, clock, "newcomer")
    clock.now += LEASE_S + poll_s(LIMITS) * 4
    newcomer.sync(TokenRequest((), INTERACTIVE, more=True))
    for lease in list(newcomer.held):
        newcomer.settle(lease, "unsent")
    newcomer.sync()
    clock.now += WINDOW_S + GRACE_S + 1
    for _ in range(LIMITS.org):
        assert newcomer.sync(TokenRequest((), INTERACTIVE)) is not None
    assert newcomer.sync(TokenRequest((), INTERACTIVE)) is None


@given(STEPS)
@settings(max_examples=examples(100))
def test_no_order_of_events_lets_too_many_into_a_window(steps: list[tuple[str, int, int, float]]) -> None:
    clock = HandClock()
    never_too_many(steps, PlainBackend(LIMITS, clock), clock)


@given(STEPS)
@settings(max_examples=examples(20))
def test_no_order_of_events_lets_too_many_into_a_window_of_a_file(
    steps: list[tuple[str, int, int, float]],
) -> None:
    with TemporaryDirectory() as directory:
        clock = HandClock()
        never_too_many(steps, LimitsFile(Path(directory) / "limits.db", LIMITS, clock), clock)


# -- one rule each -----------------------------------------------------------------------------------


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def backend(clock: HandClock) -> PoolBackend:
    return PoolBackend(RateLimits(org=2, key=2), clock)


ANY = TokenRequest(("a",), SUBMIT, more=True)


def test_a_token_returns_one_window_after_the_answer_whenever_that_is_told(
    backend: PoolBackend, clock: HandClock
) -> None:
    one, two = actor(backend, clock), actor(backend, clock, "two")
    one.sync(ANY)
    one.sync(ANY)
    answered_at = clock.now + 3
    clock.now = answered_at
    for lease in list(one.held):
        one.settle(lease, "answered")
    clock.now += 20  # told late
    one.sync()
    clock.now = answered_at + 60
    assert two.sync(ANY) is None
    clock.now = answered_at + 60.06
    assert two.sync(ANY) is not None


def test_a_lease_whose_holder_never_heard_of_it_is_free(backend: PoolBackend, clock: HandClock) -> None:
    one = actor(backend, clock)
    one.sync(ANY, reply_is_lost=True)
    assert one.sync(ANY) is not None
    assert one.sync(ANY) is not None
    assert one.sync(ANY) is None


def test_what_a_silent_holder_had_returns_a_grace_and_a_window_after_that_was_noticed(
    backend: PoolBackend, clock: HandClock
) -> None:
    one, two = actor(backend, clock), actor(backend, clock, "two")
    one.sync(ANY)
    one.sync(ANY)
    clock.now += 59
    assert two.sync(ANY) is None
    clock.now += 10_000  # the machine slept, and `one` may wake with us
    assert two.sync(ANY) is None
    noticed_at = clock.now
    clock.now = noticed_at + 65
    assert two.sync(ANY) is None
    clock.now = noticed_at + 65.06
    assert two.sync(ANY) is not None


def test_the_dead_do_not_keep_the_living_waiting(backend: PoolBackend, clock: HandClock) -> None:
    pool = backend._pool("org")
    request = SyncRequest(Process("dead", 7, "here"), "org", "dead-1", wanted=(ANY,))
    assert pool.sync(request, clock()).granted
    seeker = SyncRequest(Process("two", 8, "here"), "org", "two-1", wanted=(ANY,))
    clock.now += 1
    pool.sync(seeker, clock(), is_dead=lambda process: process.pid == 7)
    assert pool.organization.window.in_flight == 1
    assert pool.records.keys() == {"two org"}


def test_processes_take_turns(backend: PoolBackend, clock: HandClock) -> None:
    backend.limits = RateLimits(org=60, key=60)
    crowd = [actor(backend, clock, f"p{number}") for number in range(4)]
    for _ in range(60):
        crowd[0].sync(ANY)  # one burst takes all there is
    for lease in list(crowd[0].held):
        crowd[0].settle(lease, "answered")
    for who in (*crowd, crowd[0]):
        clock.now += 0.001
        assert who.sync(ANY) is None
    served = dict.fromkeys(range(4), 0)
    clock.now += 60.1
    for _ in range(10):
        for number, who in enumerate(crowd):
            clock.now += 0.001
            served[number] += who.sync(ANY) is not None
    assert max(served.values()) - min(served.values()) <= 1


def test_a_crowd_of_submits_does_not_keep_an_interactive_call_waiting(
    backend: PoolBackend, clock: HandClock
) -> None:
    crowd, caller = [actor(backend, clock, f"p{n}") for n in range(8)], actor(backend, clock, "caller")
    first = actor(backend, clock, "first")
    first.sync(ANY)
    first.sync(ANY)
    for who in crowd:
        assert who.sync(ANY) is None
    clock.now += 1
    assert caller.sync(TokenRequest(("a",), INTERACTIVE)) is None
    first.settle(next(iter(first.held)), "unsent")
    first.sync()
    for who in crowd:
        assert who.sync(ANY) is None  # it is not theirs
    assert caller.sync(TokenRequest(("a",), INTERACTIVE)) is not None


def test_no_age_lets_a_submit_overtake_an_interactive_call(backend: PoolBackend, clock: HandClock) -> None:
    submit, caller, first = (actor(backend, clock, name) for name in ("submit", "caller", "first"))
    first.sync(ANY)
    first.sync(ANY)
    for _ in range(200):
        assert submit.sync(ANY) is None
        first.sync()
        clock.now += 1
    assert caller.sync(TokenRequest(("a",), INTERACTIVE)) is None
    first.settle(next(iter(first.held)), "unsent")
    first.sync()
    assert submit.sync(ANY) is None
    assert caller.sync(TokenRequest(("a",), INTERACTIVE)) is not None


def test_beside_interactive_calls_submits_get_at_least_half(clock: HandClock) -> None:
    backend = PoolBackend(RateLimits(org=10, key=10), clock)
    submit, caller = actor(backend, clock, "submit"), actor(backend, clock, "caller")
    granted = {"submit": 0, "caller": 0}
    for _ in range(1_200):
        clock.now += 1
        for who, kind in ((caller, INTERACTIVE), (submit, SUBMIT)):
            if who.sync(TokenRequest(("a",), kind, more=True)) is not None:
                granted[who.name] += 1
                who.settle(next(iter(who.held)), "answered")
    assert granted["submit"] >= 0.45 * sum(granted.values())
    assert sum(granted.values()) > 180


def test_whoever_stops_asking_loses_its_place(backend: PoolBackend, clock: HandClock) -> None:
    gone, next_, first = (actor(backend, clock, name) for name in ("gone", "next", "first"))
    first.sync(ANY)
    first.sync(ANY)
    assert gone.sync(ANY) is None
    assert next_.sync(ANY) is None
    first.settle(next(iter(first.held)), "unsent")
    first.sync()
    assert next_.sync(ANY) is None
    clock.now += 3.1
    assert next_.sync(ANY) is not None


def test_those_behind_are_told_to_come_later(clock: HandClock) -> None:
    backend = PoolBackend(RateLimits(org=3, key=3, margin_s=0.0), clock)
    first = actor(backend, clock, "first")
    for _ in range(3):
        first.sync(ANY)
    start = clock.now
    for number, lease in enumerate(list(first.held)):
        first.settle(lease, "answered")
        clock.now = start + (number + 1) / 10
    first.sync()
    clock.now = start + 59.9
    first.sync()
    one, two = actor(backend, clock, "a"), actor(backend, clock, "b")
    one.sync(TokenRequest((), SUBMIT))
    two.sync(TokenRequest((), SUBMIT))
    assert one.retry_in_s == pytest.approx(0.1)
    assert two.retry_in_s == pytest.approx(0.2)


@pytest.mark.parametrize("began_at", [0.0, None])
def test_a_clock_that_reads_less_than_before_frees_nothing_too_early(
    clock: HandClock, began_at: float | None
) -> None:
    """A machine that was started anew (its clock began at 0), and a clock that was set back."""
    pool = Pool(RateLimits(org=1, key=1, margin_s=0.0))
    before = 5_000.0
    one = SyncRequest(Process("one", 1, "here"), "org", "one-1", wanted=(ANY,))
    assert pool.sync(one, before).granted
    told = SyncRequest(Process("one", 1, "here"), "org", "one-2", reports=(Report("one-1", "answered"),))
    pool.sync(told, before)
    now = 10.0
    returns_at = 60.0 if began_at == 0 else now + 60
    two = SyncRequest(Process("two", 2, "here"), "org", "two-1", wanted=(ANY,))
    assert pool.sync(two, now, clock_began_at=began_at).granted is None
    assert pool.sync(replace(two, lease="two-2"), returns_at - 0.1, clock_began_at=began_at).granted is None
    assert pool.sync(replace(two, lease="two-3"), returns_at + 0.1, clock_began_at=began_at).granted


def test_a_429_pauses_all_who_share_the_pool(backend: PoolBackend, clock: HandClock) -> None:
    backend.limits = RateLimits(org=6, key=6)
    one, two = actor(backend, clock), actor(backend, clock, "two")
    one.sync(ANY)
    lease = next(iter(one.held))
    del one.held[lease]
    one.reports.append((Report(lease, "rejected", pauses={"organization": 30.0}, asked_s=30.0), clock.now))
    one.sync()
    clock.now += 29
    assert two.sync(TokenRequest((), INTERACTIVE)) is None
    clock.now += 1.1
    assert two.sync(TokenRequest((), INTERACTIVE)) is not None


def test_two_names_of_one_organization_become_one_pool(backend: PoolBackend, clock: HandClock) -> None:
    one = SyncRequest(Process("one", 1, "here"), "acme", "one-1", wanted=(TokenRequest((), SUBMIT),))
    two = SyncRequest(Process("two", 2, "here"), "other", "two-1", wanted=(TokenRequest((), SUBMIT),))
    assert finish(backend.sync(one)).granted
    assert finish(backend.sync(two)).granted
    finish(backend.join("acme", "other"))
    late = SyncRequest(Process("late", 3, "here"), "other", "late-1", wanted=(TokenRequest((), SUBMIT),))
    assert finish(backend.sync(late)).granted is None
    renewed = replace(one, lease="one-2", held=("one-1",), wanted=())
    assert len(finish(backend.sync(renewed)).pool["holdings"]) == 2


def test_a_pool_is_read_and_written_alike() -> None:
    """Processes of two versions share a store while a new one is rolled out: no field may be renamed."""
    allowance = {
        "rejected_at": 3.0,
        "cycle_at": 2.0,
        "learned": 2.0,
        "known": 3.0,
    }
    allowance |= {"accepted": 1.0, "is_trial": 0.0, "is_first_series": 1.0, "opens_at": 12.0}
    allowance |= {"awaits_cycle": 0.0, "counts_refused": 1.0, "is_guess": 1.0, "window_held": 5.0}
    window = {"in_flight": 1, "returning": [70.0], "allowance": allowance, "paused_until": 12.0}
    window["sent"] = [9.0]
    ticket = {"keys": ["a"], "kind": 1, "since": 9.0, "more": True, "paced": False}
    process = {"process": "p", "pid": 7, "place": "here", "seen_at": 9.5, "tickets": [ticket]}
    stored = {
        "now": 10.0,
        "limits": [4, 3, 60.0, 1.0, 5.0],
        "declared": [[4, 3, 60.0, 1.0, 5.0, 9.5], [6, 3, 60.0, 1.0, 5.0, 8.0]],
        "organization": {"window": window, "rejections": 1, "interactive": [2.0]},
        "keys": {"a": {"window": window, "rejections": 0, "interactive": []}},
        "holdings": {"p-1": {"visitor": "p org", "since": 9.0, "key": "a"}},
        "visitors": {"p org": process},
    }
    assert Pool.of(cast("PoolState", stored)).state() == stored


def test_a_pool_that_an_older_version_stored_is_read() -> None:
    """It knew nothing of what a 429 teaches, and had a probe after each burst."""
    window = {"in_flight": 1, "returning": [70.0], "capacity": 4.0, "burst_spent": False, "tried": 0}
    window |= {"probing": 0, "paused_until": 12.0}
    stored = {
        "now": 10.0,
        "limits": [4, 3, 60.0, 1.0, 5.0],
        "organization": {"window": window, "rejections": 1, "interactive_at": 2.0},
        "keys": {"a": {"window": window, "rejections": 0}},
        "holdings": {"p-1": {"visitor": "p org", "since": 9.0, "key": "a", "probes": [False, False]}},
        "visitors": {},
    }
    pool = Pool.of(cast("PoolState", stored))
    assert pool.organization.window.available(13.0) == 2
    assert Pool.of(pool.state()).state() == pool.state()
