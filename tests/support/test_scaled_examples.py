"""How much a test tries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.examples import examples, some


@pytest.fixture
def profile(request: pytest.FixtureRequest) -> Iterator[None]:
    before = "whole" if examples(100) == 100 else "part"
    settings.load_profile(request.param)
    yield
    settings.load_profile(before)


@pytest.mark.parametrize(
    ("profile", "number", "cases"),
    [("part", 60, [0, 5, 10]), ("whole", 300, [*range(12)])],
    indirect=["profile"],
)
@pytest.mark.usefixtures("profile")
def test_a_profile_decides_how_much_is_tried(number: int, cases: list[int]) -> None:
    assert examples(300) == number
    assert some(range(12)) == cases


@pytest.mark.slow
def test_the_slow_tests_try_everything() -> None:
    assert examples(300) == 300


@pytest.mark.scaled
def test_what_is_scaled_runs_with_the_slow_tests_too(request: pytest.FixtureRequest) -> None:
    is_slow = request.node.get_closest_marker("slow") is not None
    assert is_slow == (examples(300) == 300)
