"""The many cases of one test."""

import pytest

from tests.support.cases import each_case


def test_all_cases_run_and_each_failure_names_its_own():
    ran = []

    @each_case("number", range(5))
    def check(number):
        ran.append(number)
        assert number % 2

    with pytest.raises(BaseExceptionGroup, match="3 of 5 cases failed") as caught:
        check()
    assert ran == [0, 1, 2, 3, 4]
    notes = [failure.__notes__ for failure in caught.value.exceptions]
    assert notes == [["case: number=0"], ["case: number=2"], ["case: number=4"]]


def test_a_single_failure_comes_out_as_it_is():
    @each_case("a, b", [(1, 1), (1, 2)])
    def check(a, b):
        assert a == b

    with pytest.raises(AssertionError) as caught:
        check()
    assert caught.value.__notes__ == ["case: a=1, b=2"]


def test_what_should_have_been_raised_and_was_not_is_a_failure_too():
    @each_case("kind", [KeyError, ValueError])
    def check(kind):
        with pytest.raises(kind):
            raise KeyError

    with pytest.raises(KeyError):
        check()

    @each_case("text", ["1", "x"])
    def refuse(text):
        with pytest.raises(ValueError):
            int(text)

    with pytest.raises(pytest.fail.Exception) as caught:
        refuse()
    assert caught.value.__notes__ == ["case: text='1'"]


@pytest.mark.anyio
@each_case("first", [1, 2])
@each_case("second", [3, 4])
async def test_cases_multiply_and_each_has_a_folder_of_its_own(first, second, tmp_path):
    assert not list(tmp_path.iterdir())
    (tmp_path / "mine").write_text(f"{first} {second}")
    assert (tmp_path.parent.name, tmp_path.name) == (str(first - 1), str(second - 3))
