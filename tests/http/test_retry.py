"""Back-off and the retry quota."""

from __future__ import annotations

from random import Random

from cleanlist_async import facts
from cleanlist_async.http.retry import RetryQuota, backoff_s
from cleanlist_async.ratelimit.pause import pause_s
from tests.support.cases import each_case


def test_backoff_doubles_up_to_its_cap_with_jitter() -> None:
    for attempt in range(40):
        step = min(facts.LONGEST_BACKOFF_S, 0.5 * 2**attempt)
        waits = [backoff_s(attempt, Random(seed)) for seed in range(50)]
        assert all(step / 4 <= wait <= step for wait in waits)
        assert len(set(waits)) > 40


def test_jitter_is_added_to_what_the_server_asks_never_taken_off() -> None:
    for seed in range(50):
        assert 7.0 <= backoff_s(3, Random(seed), 7.0) <= 8.0
        assert 7.05 <= pause_s(1, Random(seed), 7.0) <= 7.3


@each_case(("rejections", "seconds"), [(-1, 2), (0, 2), (1, 2), (2, 4), (5, 32), (6, 64), (1_000, 64)])
def test_a_429_without_a_word_pauses_for_a_power_of_two(rejections: int, seconds: int) -> None:
    for seed in range(20):
        assert seconds <= pause_s(rejections, Random(seed), None) <= seconds + 0.5


def test_the_quota_pays_for_100_retries_and_is_earned_back() -> None:
    quota = RetryQuota()
    assert [quota.spend() for _ in range(101)] == [True] * 100 + [False]
    for _ in range(4):
        quota.refund()
    assert not quota.spend()
    quota.refund()
    assert quota.spend()
    for _ in range(10_000):
        quota.refund()
    assert quota.left == facts.RETRY_QUOTA
