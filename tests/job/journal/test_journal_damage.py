"""A journal with a flipped byte is refused, or read as it was; one of an old version is upgraded."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from cleanlist_async import Contact
from cleanlist_async.errors import JournalError
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.reader import reading
from tests.job.damage import everything, go_on_flipped, read_flipped, resume_flipped, to_version_1
from tests.job.worlds import Bench, edit, in_world, people, query, states
from tests.support.cases import each_case
from tests.support.examples import examples

GIVEN = [*people(40), people(1)[0], people(3)[2], Contact(first_name="Only")]


@pytest.fixture
def finished(tmp_path):
    async def main(world):
        bench = Bench(world, tmp_path, GIVEN)
        await bench.run()
        return bench.path

    return in_world(main)


def flip(path, text: bytes) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(text) + 1] ^= 1
    path.write_bytes(data)


@pytest.mark.scaled
def test_flipped_bytes_are_noticed_or_change_nothing_that_can_be_read(finished):
    count = examples(300)
    fates = read_flipped(finished, count)
    assert fates["refused"] > count // 10
    assert fates["refused"] + fates["same"] == count, fates


@pytest.mark.scaled
async def test_flipped_bytes_are_noticed_or_change_nothing_of_a_job_that_is_resumed(world, tmp_path):
    bench, count = Bench(world, tmp_path, GIVEN), examples(40)
    await bench.run()
    fates = await resume_flipped(bench, count)
    assert fates["refused"] > count // 14
    assert fates["refused"] + fates["same"] == count, fates


@pytest.mark.scaled
def test_flipped_bytes_of_a_job_that_is_half_done_buy_nothing_twice(tmp_path):
    fates, twice = go_on_flipped(tmp_path, examples(20))
    assert fates["refused"] + fates["same"] == examples(20), fates
    assert twice == 0


async def test_a_flipped_bit_in_a_stored_row_is_an_error_that_names_the_contact(world, tmp_path):
    bench = Bench(world, tmp_path, people(5))
    await bench.run()
    flip(bench.path, b'{"task_id"')
    with pytest.raises(JournalError, match=r"the result of contact #[1-5] is not as it was written"):
        await bench.results()
    with reading(bench.path) as reader, pytest.raises(JournalError, match="adopt"):
        reader.costs()


@each_case(
    "statement",
    [
        "UPDATE results SET status = 'not_found' WHERE place = 3",
        "UPDATE results SET credits_estimated = 0 WHERE place = 3",
        "UPDATE results SET chunk = 2 WHERE place = 3",
        "UPDATE chunks SET state = 'planned' WHERE number = 1",
        "UPDATE chunks SET spent = 0 WHERE number = 1",
        "UPDATE duplicates SET first = 1",
        "UPDATE reasons SET reason = 'x'",
        "UPDATE invalid SET place = 9",
        "UPDATE job SET max_credits = 1000000",
        "UPDATE attempts SET idempotency_key = 'x'",
        "UPDATE tallies SET results = 0",
        "DELETE FROM results WHERE place = 3",
        "DELETE FROM tallies WHERE chunk = 1",
        "DELETE FROM duplicates WHERE place = 41",
        "DELETE FROM invalid",
        "DELETE FROM chunks WHERE number = 1",
        "UPDATE input SET contacts = x'00'",
        "UPDATE input SET first = 500",
    ],
)
def test_a_row_that_was_changed_or_lost_behind_the_journals_back_is_noticed(statement, finished):
    damaged = finished.with_name("damaged.journal")
    shutil.copy(finished, damaged)
    edit(damaged, f"{without_triggers(damaged)}; {statement}")
    with pytest.raises(JournalError, match="damaged"):
        everything(damaged)


def without_triggers(path) -> str:
    names = query(path, "SELECT name FROM sqlite_master WHERE type = 'trigger'")
    return "; ".join(f"DROP TRIGGER {name}" for (name,) in names)


@pytest.mark.parametrize("flipped", [b'"status"', b'"found"', b'"email"', b".example"])
async def test_a_flipped_bit_in_the_cache_of_results_is_an_error(world, flipped, tmp_path):
    cache = tmp_path / "cache"
    bench = Bench(world, tmp_path, people(5), cache=cache)
    await bench.run()
    again = Bench(world, tmp_path, people(5), cache=cache)
    again.path = tmp_path / "again.journal"
    flip(cache, flipped)
    with pytest.raises(JournalError, match="cache is damaged"):
        await again.results()
    assert not world.ledger.duplicates()


# -- version 1 -------------------------------------------------------------------------------------


async def test_a_journal_of_version_1_is_upgraded_and_goes_on(world, tmp_path):
    bench = Bench(world, tmp_path, GIVEN)
    await bench.run(max_credits=20)
    to_version_1(bench.path)
    await bench.run()
    assert set(states(bench.path)) == {"done"}
    assert query(bench.path, "PRAGMA user_version") == [(3,)]
    assert not world.ledger.duplicates()
    flip(bench.path, b'{"task_id"')
    with pytest.raises(JournalError):
        await bench.results()


async def test_an_old_copy_of_version_1_is_refused_after_the_upgrade(world, tmp_path):
    bench = Bench(world, tmp_path, GIVEN)
    await bench.run(max_credits=20)
    to_version_1(bench.path)
    backup = bench.path.read_bytes()
    await bench.run()
    bench.path.write_bytes(backup)
    with pytest.raises(JournalError, match="is older than"):
        await bench.open()


def test_a_journal_of_version_1_is_read_without_being_changed(finished):
    results, *others = everything(finished)
    to_version_1(finished)
    data = finished.read_bytes()
    old_results, *old_others = everything(finished)
    # It has no contacts.
    assert [
        replace(old, contact=new.contact) for old, new in zip(old_results, results, strict=True)
    ] == results
    assert old_others == others
    assert finished.read_bytes() == data


async def test_damage_in_a_journal_of_version_1_is_a_journal_error(world, tmp_path):
    bench = Bench(world, tmp_path, people(5))
    await bench.run()
    to_version_1(bench.path)
    flip(bench.path, b'{"task_id"')
    journal = Journal.open(bench.path, read_only=True)
    with pytest.raises(JournalError, match="result of contact #"):
        journal.results_of(journal.chunk(1), dict(enumerate(people(5))))
    journal.close()
    edit(bench.path, "DROP TRIGGER along_the_arrows; UPDATE chunks SET state = 'donf'")
    with reading(bench.path) as reader, pytest.raises(JournalError, match="damaged"):
        reader.status()


def test_a_table_whose_entry_in_the_schema_is_damaged_is_a_journal_error(finished):
    renamed = "UPDATE sqlite_master SET name = 'Invalid' WHERE name = 'invalid'"
    edit(finished, f"PRAGMA writable_schema = ON; {renamed}")
    with pytest.raises(JournalError, match="damaged"):
        everything(finished)


def test_an_upgrade_that_fails_leaves_the_journal_as_it_was(finished, monkeypatch):
    to_version_1(finished)
    edit(finished, "CREATE TRIGGER picked_added AFTER INSERT ON picked BEGIN SELECT 1; END")
    data = finished.read_bytes()
    with pytest.raises(JournalError, match="picked_added already exists"):
        Journal.open(finished)
    assert finished.read_bytes() == data
