"""The worker of shared limits: whatever happens to it, no caller waits for ever."""

import sys
import threading
from types import SimpleNamespace

import anyio
import pytest

from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.ratelimit import RateLimiter, RateLimits
from tests.support.limited_wire import INTERACTIVE, ROUTE

pytestmark = pytest.mark.sockets


@pytest.fixture
def limiter(tmp_path):
    return RateLimiter.sqlite(tmp_path / "limits.db", RateLimits(window_s=2))


async def acquired(limiter):
    with anyio.fail_after(20):
        permit = await limiter.acquire(ROUTE, INTERACTIVE)
    permit.unsent()
    return permit


def outcome(limiter):
    async def main():
        try:
            return await acquired(limiter)
        except CleanlistError as error:
            return error

    return anyio.run(main)


def test_a_thread_that_cannot_start_is_an_error_and_the_next_call_tries_again(limiter, monkeypatch):
    start = threading.Thread.start

    def refuse(thread):
        if thread.name == "cleanlist-limits":
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        error = outcome(limiter)
    assert type(error) is ConfigurationError
    assert "can't start new thread" in str(error)
    assert outcome(limiter).key


@pytest.mark.slow  # the worker rests for a second before its thread ends
@pytest.mark.parametrize("part", ["_join_all", "_next", "_prepare", "_plan", "_confirm_flush"])
def test_a_worker_that_fails_anywhere_tells_whoever_waits_and_is_started_anew(limiter, monkeypatch, part):
    def fail(*_arguments):
        raise LookupError(part)

    with monkeypatch.context() as patch:
        patch.setattr(limiter.store.worker, part, fail)
        error = outcome(limiter)
        for thread in threading.enumerate():  # those that the first failure was followed by
            if thread.name == "cleanlist-limits":
                thread.join(20)
    if part not in {"_plan", "_confirm_flush"}:  # the token is delivered nevertheless
        assert type(error) is ConfigurationError
        assert part in str(error)
    assert outcome(limiter).key


def test_a_process_that_gevent_has_patched_is_refused_in_a_sentence(tmp_path, monkeypatch):
    patched = SimpleNamespace(is_module_patched=lambda name: name == "threading")
    monkeypatch.setitem(sys.modules, "gevent.monkey", patched)
    with pytest.raises(ConfigurationError, match="gevent"):
        RateLimiter.sqlite(tmp_path / "limits.db")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("decode_responses=True", "decode_responses"),
        ("no_such_option=1", "no_such_option"),
        ("max_connections=1", "max_connections"),
        ("retry_on_timeout=yes", "retry_on_timeout"),
    ],
)
def test_an_option_in_the_address_of_a_redis_is_refused_when_the_limiter_is_made(query, says):
    pytest.importorskip("redis")
    with pytest.raises(ConfigurationError, match=says) as caught:
        RateLimiter.redis(f"redis://user:hunter2@127.0.0.1:9/0?{query}")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("query", ["client_name=x", "health_check_interval=5", "protocol=3", "db=2"])
def test_an_option_that_changes_no_answer_is_taken(query):
    pytest.importorskip("redis")
    RateLimiter.redis(f"redis://127.0.0.1:9?{query}")


def test_a_node_of_a_redis_cluster_is_refused_in_a_sentence():
    exceptions = pytest.importorskip("redis.exceptions")
    from cleanlist_async.storage.redis_connection import SharedRedis

    async def moved():
        raise exceptions.MovedError("3999 127.0.0.1:6381")

    async def main():
        await SharedRedis("redis://127.0.0.1:9").run(moved)

    with pytest.raises(ConfigurationError, match="cluster"):
        anyio.run(main)
