"""What is handed out of contacts that are not sent: duplicates, invalid ones, those refused by name."""

from __future__ import annotations

import pytest

from cleanlist_async.sandbox import Fault
from tests.job.worlds import SUBMIT, Bench, in_world, mixed, people, states


def test_duplicates_are_bought_once_and_invalid_ones_not_at_all(tmp_path):
    async def main(here):
        bench = Bench(here, tmp_path, mixed(40))
        results = {result.index: result for result in await bench.results()}
        assert sorted(results) == list(range(40))
        for i in range(8, 40, 10):
            assert results[i].duplicate_of == i - 5
            assert (results[i].email, results[i].credits) == (results[i - 5].email, 0)
            assert results[i + 1].status == "invalid"
        assert len(here.ledger.contacts) == 32
        bench.check(unknown_at_most=0)

    in_world(main)


def test_contacts_that_a_422_names_are_set_aside_and_the_others_sent(tmp_path):
    wrong = {
        "detail": [{"loc": ["body", "contacts", i, "first_name"], "msg": "no", "type": "x"} for i in (1, 3)]
    }

    async def main(here):
        bench = Bench(here, tmp_path, people(10))
        here.sandbox.add_fault(Fault(SUBMIT, status=422, body=wrong))
        results = {result.index: result for result in await bench.results()}
        assert [i for i in results if results[i].status == "invalid"] == [1, 3]
        assert len(here.ledger.contacts) == 8
        assert sorted(r.index for r in await bench.results()) == list(range(10))
        bench.check(unknown_at_most=0)

    in_world(main)


def test_a_422_that_names_no_contact_is_a_refusal(tmp_path):
    async def main(here):
        bench = Bench(here, tmp_path, people(10))
        here.sandbox.add_fault(Fault(SUBMIT, status=422, body={"detail": [{"loc": ["body"], "msg": "no"}]}))
        await bench.run()
        assert states(bench.path) == ["refused", "done"]

    in_world(main)


@pytest.mark.parametrize("times", [1, 2])
def test_a_413_in_the_middle_splits_and_no_contact_changes_its_chunk(times, tmp_path):
    async def main(here):
        bench = Bench(here, tmp_path, people(24), chunk=8)
        here.sandbox.add_fault(Fault(SUBMIT, status=413, nth=2, times=times))
        report = await bench.run()
        assert report.status.state == "complete"
        assert len(states(bench.path)) == 3 + times
        assert sorted(r.index for r in await bench.results()) == list(range(24))
        bench.check(unknown_at_most=0)

    in_world(main)
