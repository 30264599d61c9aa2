"""An indexed heap answers as a plain dict of numbers would."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async.ratelimit.wait_queues import IndexedHeap

NAMES = "abcdefghij"
NUMBERS = st.sampled_from([-math.inf, -1.0, 0.0, 1.0, 2.5, math.inf])


@given(st.lists(st.tuples(st.sampled_from(NAMES), NUMBERS, st.booleans())))
def test_it_says_who_is_first_whatever_was_said_before(
    steps: list[tuple[str, float, bool]],
) -> None:
    heap = IndexedHeap()
    plain: dict[str, float] = {}
    for name, number, takes in steps:
        if takes:
            taken = sorted((at, known) for known, at in plain.items() if at <= number)
            assert heap.take_until(number) == [known for _, known in taken]
            for _, known in taken:
                del plain[known]
        elif number == math.inf:
            heap[name] = number
            plain.pop(name, None)
        else:
            heap[name] = plain[name] = number
        assert heap.first() == min(((at, known) for known, at in plain.items()), default=(math.inf, None))
        assert all(heap[known] == plain.get(known, math.inf) for known in NAMES)
