"""An input that is not as its job began with: what changed is named, and the job goes on without it."""

from __future__ import annotations

import pytest

from cleanlist_async import ConfigurationError, Contact, InputChangedError
from tests.job.damage import to_version_1
from tests.job.worlds import Bench, mixed, people, query
from tests.support.cases import each_case

GIVEN = [*people(8), people(1)[0], Contact(first_name="Only", key="k")]
NEW = people(2, start=90)
CHANGES = {
    "a change": ([*GIVEN[:2], NEW[0], *GIVEN[3:]], ([2], [], []), "contact 3 changed"),
    "two": ([*NEW, *GIVEN[2:]], ([0, 1], [], []), "contacts 1 and 2 changed"),
    "a key": ([*GIVEN[:9], Contact(first_name="Only")], ([9], [], []), "contact 10 changed"),
    "no longer invalid": ([*GIVEN[:9], NEW[0]], ([9], [], []), "contact 10 changed"),
    "one less": (GIVEN[:4] + GIVEN[5:], ([], [], [4]), "contact 5 is gone"),
    "one more": ([*GIVEN[:4], NEW[0], *GIVEN[4:]], ([], [4], []), "contact 5 is new"),
    "at the end": ([*GIVEN, *NEW], ([], [10, 11], []), "contacts 11 and 12 are new"),
    "a copy more": ([*GIVEN, GIVEN[3]], ([], [10], []), "contact 11 is new"),
    "order": ([GIVEN[1], GIVEN[0], *GIVEN[2:]], ([], [], []), "its contacts are in another order"),
    "nobody": ([], ([], [], list(range(10))), r"contacts 1, 2, 3, 4, 5, 6, 7, 8, 9 and 10 are gone"),
    "many": ([*GIVEN, *people(14, start=90)], ([], list(range(10, 24)), []), "19, 20 and 4 more are new"),
}


@pytest.mark.world(with_store=True)
@each_case("change", CHANGES)
async def test_what_changed_is_named_by_a_journal_and_by_a_store_alike(world, change, tmp_path):
    given, places, words = CHANGES[change]
    for name in (tmp_path / f"{change}.journal", change):
        await (await world.client.job(name, GIVEN)).aclose()
        with pytest.raises(InputChangedError, match=words) as refused:
            await world.client.job(name, given)
        assert (refused.value.changed, refused.value.added, refused.value.removed) == tuple(
            map(tuple, places)
        )
        assert refused.value.is_about_contacts
        await (await world.client.job(name, [*GIVEN])).aclose()
    assert not world.ledger.contacts


@pytest.mark.world(with_store=True)
@each_case("change", CHANGES)
async def test_a_finished_job_takes_any_input_and_sends_nothing(world, change, tmp_path):
    for name in (tmp_path / f"{change}.journal", change):
        async with await world.client.job(name, GIVEN) as job:
            before = [result async for result in job]
        submits = world.submits()
        async with await world.client.job(name, CHANGES[change][0]) as job:
            assert (await job.run()).status.state == "complete"
            after = [result async for result in job]
        assert sorted(one.index for one in after) == sorted(one.index for one in before)
        assert world.submits() == submits


async def test_a_journal_goes_on_without_its_input_from_any_place(world, tmp_path):
    bench = Bench(world, tmp_path, mixed(60), max_credits=20)
    await bench.run()
    bench.contacts = None
    report = await bench.run(max_credits=None)
    assert report.status.state == "paused"  # without an input the limit stays
    assert (await bench.run(max_credits=1_000)).status.state == "complete"
    results = sorted(await bench.results(), key=lambda result: result.index)
    assert [result.contact for result in results] == mixed(60)
    bench.contacts = mixed(60)
    bench.check(unknown_at_most=0)


@pytest.mark.parametrize("mode", ["plain", "exact"])
async def test_an_input_that_changes_while_a_job_runs_changes_nothing(world, mode, tmp_path):
    given = people(30)
    bench = Bench(world, tmp_path, given, submit_mode=mode)
    async with await bench.open() as job:
        given[7:] = people(40, start=100)
        results = [result async for result in job]
    assert sorted(result.index for result in results) == list(range(30))
    bench.contacts = people(30)
    bench.check(unknown_at_most=0)


async def test_an_invalid_contact_stays_what_it_was(world, tmp_path):
    valid_but_for_foo = {"first_name": "Ada", "last_name": "L", "company_name": "E", "foo": "1"}
    odd = [valid_but_for_foo, {"first_name": "\ud800", "last_name": "L", "company_name": "E"}, *people(3)]
    bench = Bench(world, tmp_path, odd, extra="forbid")
    with_input = {(result.index, result.status, result.error) for result in await bench.results()}
    bench.contacts = None
    assert {(result.index, result.status, result.error) for result in await bench.results()} == with_input
    assert sorted(status for _, status, _ in with_input)[-2:] == ["invalid", "invalid"]
    assert len(world.ledger.contacts) == 3


async def test_a_journal_of_an_earlier_version_takes_a_copy_once_it_is_resumed(world, tmp_path):
    bench = Bench(world, tmp_path, GIVEN, max_credits=4)
    await bench.run()
    to_version_1(bench.path)
    bench.contacts = None
    with pytest.raises(ConfigurationError, match="needs its input"):
        await bench.open()
    bench.contacts = [*GIVEN[:5], *NEW]
    with pytest.raises(InputChangedError, match="Restore the old input"):
        await bench.open()
    assert query(bench.path, "SELECT count(*) FROM input") == [(0,)]
    bench.contacts = GIVEN
    await (await bench.open()).aclose()
    bench.contacts = None
    assert (await bench.run(max_credits=100)).status.state == "complete"
    bench.contacts = GIVEN
    bench.check(unknown_at_most=0)
