"""Back-off and the retry quota."""

from __future__ import annotations

from random import Random

from cleanlist_async import facts
from cleanlist_async.http.options import RetryQuota, backoff_s


def test_backoff_doubles_up_to_its_cap_with_jitter() -> None:
    for attempt in range(40):
        step = min(facts.LONGEST_BACKOFF_S, 0.5 * 2**attempt)
        waits = [backoff_s(attempt, Random(seed)) for seed in range(50)]
        assert all(step / 4 <= wait <= step for wait in waits)
        assert len(set(waits)) > 40


def test_jitter_is_added_to_what_the_server_asks_never_taken_off() -> None:
    for seed in range(50):
        assert 7.0 <= backoff_s(3, Random(seed), 7.0) <= 8.0


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
