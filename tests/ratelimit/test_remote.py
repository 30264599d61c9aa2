"""What a backend on a server keeps to, whichever server it is: also when that may have lost something."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings

from cleanlist_async.ratelimit import RateLimits
from cleanlist_async.ratelimit.shared.backend import Process, SyncRequest, TokenRequest
from cleanlist_async.testing import StrictServer
from tests.ratelimit.test_pool import ANY, LIMITS, STEPS, Actor, actor, never_too_many
from tests.support.examples import examples
from tests.support.forks import check_that_a_fork_inherits_no_token
from tests.support.limited_wire import INTERACTIVE, KEY, ROUTE, STATUS, SUBMIT, LimitedWire
from tests.support.remote_limits import BlockingBackend
from tests.support.remote_stores import RemoteStore
from tests.support.shared_stores import finish, shared_limiter

pytestmark = pytest.mark.sockets

CAUTION_S = 120.0
"""A lease and a window."""


def visited(who: Actor, times: int = 1) -> list[bool]:
    return [who.sync(ANY) is not None for _ in range(times)]


@given(STEPS)
@settings(max_examples=examples(10), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_order_of_events_lets_too_many_into_a_window(
    remote: RemoteStore, steps: list[tuple[str, int, int, float]]
) -> None:
    remote.clock.now += 10_000  # what earlier steps sent is past
    never_too_many(steps, remote.open(LIMITS), remote.clock)
    remote.close()


@pytest.mark.slow
async def test_stores_on_one_server_keep_the_limit_together(remote: RemoteStore) -> None:
    rng = Random(1)
    server = StrictServer(keys={KEY: "org_test"}, rows=False)
    clock = asyncio.get_running_loop().time

    async def process() -> None:
        limiter = shared_limiter(remote.open(RateLimits(), ours=clock, servers=clock), clock)
        wire = LimitedWire(limiter, server, latency=lambda: rng.uniform(0.02, 0.4))
        await asyncio.gather(
            *(wire.call(ROUTE, rng.choice((INTERACTIVE, SUBMIT, STATUS))) for _ in range(25))
        )

    await asyncio.gather(*(process() for _ in range(3)))
    assert server.rejections == []
    assert len(server.grants()) == 75


def test_a_pool_that_was_deleted_begins_anew_a_lease_and_a_window_later(remote: RemoteStore) -> None:
    one, two = actor(remote.open(), remote.clock), actor(remote.open(), remote.clock, "two")
    assert visited(one, 2) == [True, True]
    assert visited(two) == [False]
    remote.forget()
    assert visited(two) == [False]
    remote.clock.now += CAUTION_S - 1
    assert visited(two) == [False]
    remote.clock.now += 1.1
    assert visited(two) == [True]


def test_those_who_come_later_do_not_prolong_the_caution(remote: RemoteStore) -> None:
    one, two = actor(remote.open(), remote.clock), actor(remote.open(), remote.clock, "two")
    visited(one)
    visited(two)
    remote.forget()
    visited(one)
    remote.clock.now += CAUTION_S - 20
    visited(two)
    remote.clock.now += 20.1
    assert visited(two) == [True]


def test_who_was_there_notices_that_a_newcomer_found_nothing(remote: RemoteStore) -> None:
    one, newcomer = actor(remote.open(), remote.clock), actor(remote.open(), remote.clock, "newcomer")
    assert visited(one, 2) == [True, True]
    remote.forget()
    assert visited(newcomer) == [True]
    assert visited(one) == [False]
    assert visited(newcomer) == [False]
    remote.clock.now += CAUTION_S + 0.1
    assert visited(one) == [True]


def test_an_organization_that_nobody_used_for_long_is_not_waited_for(remote: RemoteStore) -> None:
    one = actor(remote.open(), remote.clock)
    visited(one)
    one.settle(next(iter(one.held)), "unsent")
    visited(one, 0)
    remote.clock.now += 7_200
    remote.forget()
    assert visited(one) == [True]


@pytest.mark.parametrize("jump_s", [30.0, 90_000.0, -30.0, -90_000.0])
def test_the_servers_clock_may_be_set(remote: RemoteStore, jump_s: float) -> None:
    set_by = [0.0]
    backends = [remote.open(servers=lambda: remote.clock.now + set_by[0]) for _ in range(2)]
    one, two = actor(backends[0], remote.clock), actor(backends[1], remote.clock, "two")
    assert visited(one, 2) == [True, True]
    for lease in list(one.held):
        one.settle(lease, "answered")
    one.sync()
    visited(two)
    remote.clock.now += 50
    visited(two)
    set_by[0] = jump_s
    remote.clock.now += 9
    assert visited(two) == [False]
    remote.clock.now += CAUTION_S + 0.2
    assert visited(two) == [True]


def test_our_own_clock_may_show_any_time_and_run_a_little_wrong(remote: RemoteStore) -> None:
    one = actor(remote.open(ours=lambda: 5 + remote.clock.now * 0.97), remote.clock)
    two = actor(remote.open(ours=lambda: 1e9 + remote.clock.now * 1.03), remote.clock, "two")
    assert visited(one, 2) == [True, True]
    for lease in list(one.held):
        one.settle(lease, "answered")
    one.sync()
    for _ in range(60):
        assert visited(two) == [False]
        remote.clock.now += 1
    remote.clock.now += 0.1
    assert visited(two) == [True]


def test_organizations_are_apart_and_names_that_are_one_together(remote: RemoteStore) -> None:
    def granted(backend: BlockingBackend, organization: str, lease: str, key: str) -> bool:
        wanted = TokenRequest((key,), SUBMIT)
        request = SyncRequest(Process(lease, 1, "elsewhere"), organization, lease, wanted=(wanted,))
        return finish(backend.sync(request)).granted is not None

    one, two = remote.open(), remote.open()
    assert granted(one, "acme", "1", "a")
    assert granted(two, "org_acme", "2", "b")
    assert granted(two, "else", "3", "c")
    finish(one.join("acme", "org_acme"))
    assert not granted(two, "org_acme", "4", "b")
    assert not granted(two, "org_acme", "5", "d")
    assert granted(two, "else", "6", "c")
    remote.forget()  # what one has told, it goes on to know
    granted(one, "acme", "7", "a")
    assert finish(two.sync(SyncRequest(Process("x", 1, "there"), "org_acme", "8"))).pool["visitors"]


def test_the_names_of_one_key_lead_to_one_organization(remote: RemoteStore) -> None:
    one, two = remote.open(), remote.open()
    wanted = TokenRequest(("a",), SUBMIT)
    assert finish(one.sync(SyncRequest(Process("1", 1, "x"), "of a", "1", wanted=(wanted,)))).granted
    assert finish(two.sync(SyncRequest(Process("2", 1, "x"), "acme", "2", wanted=(wanted,)))).granted
    assert not finish(two.sync(SyncRequest(Process("3", 1, "x"), "acme", "3", wanted=(wanted,)))).granted


def test_a_key_whose_tokens_are_back_takes_no_room(remote: RemoteStore) -> None:
    backend = remote.open(RateLimits(org=1_000, key=2))

    def use(key: str) -> int:
        request = SyncRequest(Process(key, 1, "x"), "org", key, wanted=(TokenRequest((key,), SUBMIT),))
        finish(backend.sync(request))
        return len(finish(backend.sync(SyncRequest(request.process, "org", f"{key}-2"))).pool["keys"])

    assert max(use(f"k{number}") for number in range(50)) <= 2


def test_while_processes_have_other_limits_all_keep_to_the_smaller(remote: RemoteStore) -> None:
    one, two = remote.open(RateLimits(org=3, key=2)), remote.open(RateLimits(org=5, key=4))
    both = [actor(one, remote.clock), actor(two, remote.clock, "two")]
    assert [visited(who) for who in both] == [[True], [True]]
    assert visited(both[1], 2) == [True, False]
    remote.clock.now += 121  # the first is gone, and all that it sent is past
    assert visited(both[1]) == [True]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_fork_opens_a_connection_of_its_own_and_inherits_no_token(
    remote: RemoteStore, wait_for_workers: Callable[[], None]
) -> None:
    limiter = remote.limiter(RateLimits(org=3, key=3, window_s=1.2))
    check_that_a_fork_inherits_no_token(limiter, patience_s=0.4)
    limiter.store.worker.reset()  # type: ignore[attr-defined]  # this process holds them to its end
    wait_for_workers()


# -- what is said ------------------------------------------------------------------------------------


def test_a_pause_after_a_loss_is_said_once_with_its_length(
    remote: RemoteStore, caplog: pytest.LogCaptureFixture
) -> None:
    one = actor(remote.open(), remote.clock)
    visited(one)
    remote.forget()
    visited(one, 3)
    said = [record.message for record in caplog.records]
    assert len(said) == 1
    assert "may have lost what was sent lately: requests wait for 120 s" in said[0]


@pytest.mark.parametrize(("rate", "word"), [(0.97, "faster"), (1.08, "slower"), (1.0005, None)])
def test_a_clock_that_drifts_is_said_once(
    remote: RemoteStore, caplog: pytest.LogCaptureFixture, rate: float, word: str | None
) -> None:
    one = actor(remote.open(ours=lambda: remote.clock.now * rate), remote.clock)
    for _ in range(25):
        visited(one)
        remote.clock.now += 1
    said = [record.message for record in caplog.records if "clock" in record.message]
    assert len(said) == (word is not None)
    assert word is None or f"% {word} than this machine's" in said[0]
