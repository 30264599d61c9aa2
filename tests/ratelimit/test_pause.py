"""How long a 429 stops a bucket."""

from __future__ import annotations

from random import Random

from cleanlist_async.ratelimit.limits import pause_s
from tests.support.cases import each_case


def test_a_pause_is_never_shorter_than_the_server_asks() -> None:
    for seed in range(50):
        assert 7.05 <= pause_s(1, Random(seed), 7.0) <= 7.3


@each_case(("rejections", "seconds"), [(-1, 2), (0, 2), (1, 2), (2, 4), (5, 32), (6, 64), (1_000, 64)])
def test_a_429_without_a_word_pauses_for_a_power_of_two(rejections: int, seconds: int) -> None:
    for seed in range(20):
        assert seconds <= pause_s(rejections, Random(seed), None) <= seconds + 0.5
