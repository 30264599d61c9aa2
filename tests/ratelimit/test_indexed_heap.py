"""An indexed heap answers as a plain dict of numbers would."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async.ratelimit.indexed_heap import IndexedHeap

NUMBERS = st.sampled_from([-math.inf, -1.0, 0.0, 1.0, 2.5, math.inf])


@given(st.lists(st.tuples(st.integers(0, 9), NUMBERS, st.booleans(), st.sets(st.integers(0, 9)))))
def test_it_says_who_is_first_whatever_was_said_before(
    steps: list[tuple[int, float, bool, set[int]]],
) -> None:
    heap: IndexedHeap[int] = IndexedHeap()
    plain: dict[int, float] = {}
    for name, number, takes, but in steps:
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
        ranked = sorted((at, known) for known, at in plain.items() if known not in but)
        assert heap.first(but) == (ranked[0] if ranked else (math.inf, None))
        assert all(heap[known] == plain.get(known, math.inf) for known in range(10))
