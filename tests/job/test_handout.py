"""What is handed out of contacts that are not sent: duplicates, invalid ones, those refused by name."""

import pytest

from cleanlist_async.sandbox import Fault
from tests.job.worlds import SUBMIT, Bench, mixed, people, states


async def test_duplicates_are_bought_once_and_invalid_ones_not_at_all(world, tmp_path):
    bench = Bench(world, tmp_path, mixed(40))
    results = {result.index: result for result in await bench.results()}
    assert sorted(results) == list(range(40))
    for i in range(8, 40, 10):
        assert results[i].duplicate_of == i - 5
        assert (results[i].email, results[i].credits) == (results[i - 5].email, 0)
        assert results[i + 1].status == "invalid"
    assert len(world.ledger.contacts) == 32
    bench.check(unknown_at_most=0)


async def test_contacts_that_a_422_names_are_set_aside_and_the_others_sent(world, tmp_path):
    wrong = {
        "detail": [{"loc": ["body", "contacts", i, "first_name"], "msg": "no", "type": "x"} for i in (1, 3)]
    }
    bench = Bench(world, tmp_path, people(10))
    world.sandbox.add_fault(Fault(SUBMIT, status=422, body=wrong))
    results = {result.index: result for result in await bench.results()}
    assert [i for i in results if results[i].status == "invalid"] == [1, 3]
    assert len(world.ledger.contacts) == 8
    assert sorted(r.index for r in await bench.results()) == list(range(10))
    bench.check(unknown_at_most=0)


async def test_a_422_that_names_no_contact_is_a_refusal(world, tmp_path):
    bench = Bench(world, tmp_path, people(10))
    world.sandbox.add_fault(Fault(SUBMIT, status=422, body={"detail": [{"loc": ["body"], "msg": "no"}]}))
    await bench.run()
    assert states(bench.path) == ["refused", "done"]


@pytest.mark.parametrize("times", [1, 2])
async def test_a_413_in_the_middle_splits_and_no_contact_changes_its_chunk(world, times, tmp_path):
    bench = Bench(world, tmp_path, people(24), chunk=8)
    world.sandbox.add_fault(Fault(SUBMIT, status=413, nth=2, times=times))
    report = await bench.run()
    assert report.status.state == "complete"
    assert len(states(bench.path)) == 3 + times
    assert sorted(r.index for r in await bench.results()) == list(range(24))
    bench.check(unknown_at_most=0)
