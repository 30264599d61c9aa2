"""Async tests run in virtual time, and in a world with the options of their marker."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.cases import each_case
from tests.support.virtual_sandbox import people


async def test_an_async_test_runs_in_virtual_time_that_starts_at_0():
    await anyio.sleep(86_400)
    assert anyio.current_time() == 86_400.0


@pytest.mark.xfail(raises=AssertionError, reason="shows that what an async test asserts counts")
async def test_an_async_test_fails_where_its_assert_does():
    await anyio.sleep(1)
    assert anyio.current_time() == 0.0


@pytest.mark.slow
@pytest.mark.world(workflow_s=500.0, credits=3)
async def test_a_world_has_the_options_of_its_marker(world):
    await world.client.enrich(people(1))
    assert anyio.current_time() >= 500.0
    assert (await world.client.public.credits_balance()).credits == 2


@pytest.mark.slow
@pytest.mark.world(hit_rate=0.0, workflow_s=500.0)
@pytest.mark.world(hit_rate=1.0, with_store=True)
async def test_the_markers_of_a_world_add_up_and_the_closest_counts(world, store_path):
    report = await world.client.enrich(people(1))
    assert anyio.current_time() >= 500.0
    assert report.results[0].status == "found"
    assert store_path.exists()


@pytest.mark.parametrize("count", [1, 2])
async def test_a_world_is_new_for_each_case_and_stands_beside_other_fixtures(world, count, tmp_path):
    assert not world.ledger.requests
    async with await world.client.job(tmp_path / "journal", people(count)) as job:
        await job.run()
    assert len(world.ledger.contacts) == count


@each_case("first_s", [1, 2])
@each_case("second_s", [3, 4])
async def test_each_case_has_a_time_and_a_folder_of_its_own(first_s, second_s, tmp_path):
    assert anyio.current_time() == 0.0
    assert not list(tmp_path.iterdir())
    (tmp_path / "mine").touch()
    await anyio.sleep(first_s + second_s)
    assert anyio.current_time() == first_s + second_s


@given(st.floats(0, 1_000))
async def test_each_example_of_a_property_has_a_time_of_its_own(seconds):
    assert anyio.current_time() == 0.0
    await anyio.sleep(seconds)


@pytest.mark.xfail(raises=AssertionError, reason="shows that what an async property asserts counts")
@given(st.just(1))
async def test_an_async_property_fails_where_its_assert_does(seconds):
    await anyio.sleep(seconds)
    assert anyio.current_time() == 0.0
