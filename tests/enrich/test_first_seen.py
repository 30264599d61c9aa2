"""The index at which each identity was first seen."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanlist_async.enrich.source import FirstSeen
from tests.support.examples import examples

few = st.integers(0, 40).map(lambda number: number.to_bytes(16, "big"))
colliding = st.integers(0, 60).map(lambda number: b"\x00" * 8 + number.to_bytes(8, "little"))
any_identity = st.binary(min_size=16, max_size=16)


@settings(max_examples=examples(150))
@given(st.lists(few | colliding | any_identity, max_size=1_500))
def test_the_first_index_of_an_identity_is_what_a_dict_says(identities: list[bytes]) -> None:
    seen, model = FirstSeen(), dict[bytes, int]()
    for index, identity in enumerate(identities):
        assert seen.setdefault(identity, index) == model.setdefault(identity, index)
        assert len(seen) == len(model)


@pytest.mark.parametrize(("order", "count"), [("little", 20_000), ("big", 700)], ids=["spread", "colliding"])
def test_no_identity_is_forgotten_as_the_table_grows(order: Literal["little", "big"], count: int) -> None:
    seen = FirstSeen()
    identities = [number.to_bytes(16, order) for number in range(count)]
    for _ in range(2):
        assert [seen.setdefault(identity, index) for index, identity in enumerate(identities)] == [
            *range(count)
        ]
    assert len(seen) == count


def test_the_identity_of_all_zeros_and_the_index_zero() -> None:
    seen = FirstSeen()
    assert seen.setdefault(bytes(16), 0) == 0
    assert seen.setdefault(bytes(16), 5) == 0
    assert seen.setdefault(b"\xff" * 16, 2**32 - 2) == 2**32 - 2
    assert seen.setdefault(b"\xff" * 16, 9) == 2**32 - 2
