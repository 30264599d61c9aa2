"""A journal that is old, emptied, copied or linked is refused until it is adopted."""

from __future__ import annotations

import json
import logging
import os
import shutil
import stat
from pathlib import Path

import pytest

from cleanlist_async.errors import JournalError
from cleanlist_async.job.reader import deciding, discard_unsent, reading
from cleanlist_async.sandbox import Fault
from tests.job.worlds import SUBMIT, Bench, edit, people, query, states
from tests.support.examples import some

OLD, COPY, REPLACED, LINKED = "is older than", "is a copy of", "Another journal was at", "hard links"


def records() -> list[Path]:
    folder = Path(os.environ["XDG_STATE_HOME"]) / "cleanlist-async" / "journals"
    return sorted(folder.glob("*")) if folder.exists() else []


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def backup_of(bench: Bench) -> Path:
    return Path(shutil.copy(bench.path, bench.path.with_suffix(".backup")))


async def half_run(bench: Bench) -> Path:
    """Run a job until its credits are spent; return a backup from before its last submits."""
    async with await bench.open(max_credits=5):
        pass
    backup = backup_of(bench)
    await bench.run(max_credits=10)
    return backup


async def refused(bench: Bench, words: str, **options) -> None:
    bought = len(bench.world.ledger.contacts)
    with pytest.raises(JournalError, match=words) as caught:
        await bench.open(**options)
    assert len(bench.world.ledger.contacts) == bought
    assert "cleanlist-async usage" in str(caught.value) or words == LINKED


# -- old -------------------------------------------------------------------------------------------


async def test_a_backup_from_before_the_last_run_is_refused(world, tmp_path):
    bench = Bench(world, tmp_path, people(15))
    backup = await half_run(bench)
    backup.replace(bench.path)
    await refused(bench, OLD)
    await refused(bench, OLD)


@pytest.mark.parametrize("when", ["while it runs", "after a crash"])
async def test_a_backup_from_the_middle_of_a_run_is_refused(world, when, tmp_path):
    bench = Bench(world, tmp_path, people(15))
    job = await bench.open()
    backups = []
    job.on_progress = lambda _: backups.append(bench.path.read_bytes())
    await job.run()
    await (job.aclose() if when == "while it runs" else bench.crash(job))
    sent = [backup for backup in backups if backup != bench.path.read_bytes()]
    bench.path.write_bytes(sent[0])
    await refused(bench, OLD)


async def test_an_adopted_backup_goes_on_and_the_later_copy_is_refused_from_then_on(world, tmp_path):
    bench = Bench(world, tmp_path, people(15))
    backup = await half_run(bench)
    later = bench.path.rename(tmp_path / "later.journal")
    backup.rename(bench.path)
    await refused(bench, OLD)
    assert (await bench.run(adopt=True)).status.state == "complete"
    assert (await bench.run()).status.state == "complete"
    later.replace(bench.path)
    await refused(bench, OLD)


# -- emptied ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["no bytes", "removed", "a database without tables"])
async def test_a_journal_that_was_emptied_is_refused_and_left_as_it_is(world, how, tmp_path):
    bench = Bench(world, tmp_path, people(15))
    await bench.run(max_credits=10)
    bench.path.unlink()
    if how != "removed":
        bench.path.touch()
    if how == "a database without tables":
        edit(bench.path, "CREATE TABLE x (y); DROP TABLE x")
    await refused(bench, REPLACED)
    assert bench.path.exists() == (how != "removed")
    assert (await bench.run(adopt=True)).status.state == "complete"
    assert (await bench.run()).status.state == "complete"


async def test_an_adopted_backup_from_before_the_first_submit_is_still_missed_when_it_is_emptied(
    world, tmp_path
):
    bench = Bench(world, tmp_path, people(5))
    await (await bench.open()).aclose()
    backup = backup_of(bench)
    await bench.run()
    backup.replace(bench.path)
    await (await bench.open(adopt=True)).aclose()
    bench.path.write_bytes(b"")
    await refused(bench, REPLACED)


async def test_a_job_that_sent_nothing_may_be_removed_and_begun_again(world, tmp_path):
    bench = Bench(world, tmp_path, people(5))
    await (await bench.open()).aclose()
    bench.path.unlink()
    assert (await bench.run()).status.state == "complete"


async def test_an_unsent_journal_that_is_discarded_leaves_no_record(world, tmp_path):
    bench = Bench(world, tmp_path, people(5))
    await (await bench.open()).aclose()
    assert len(records()) == 1
    assert discard_unsent(bench.path)
    assert records() == []


async def test_an_unsent_backup_of_a_job_that_sent_is_not_discarded(world, tmp_path):
    bench = Bench(world, tmp_path, people(5))
    await (await bench.open()).aclose()
    backup = backup_of(bench)
    await bench.run()
    backup.replace(bench.path)
    assert not discard_unsent(bench.path)
    await refused(bench, OLD)


# -- copied, moved, linked -------------------------------------------------------------------------


async def test_a_copy_is_refused_while_the_journal_is_where_it_was(world, tmp_path):
    bench = Bench(world, tmp_path, people(15))
    await (await bench.open()).aclose()
    first, bench.path = bench.path, Path(shutil.copy(bench.path, tmp_path / "copy.journal"))
    await refused(bench, COPY)
    assert (await bench.run(adopt=True)).status.state == "complete"
    bench.path = first
    await refused(bench, OLD)
    assert not world.ledger.duplicates()


async def test_of_two_copies_the_second_is_refused_after_the_first_ran(world, tmp_path):
    bench = Bench(world, tmp_path, people(15))
    await (await bench.open()).aclose()
    copy = Path(shutil.copy(bench.path, tmp_path / "copy.journal"))
    await bench.run()
    bench.path = copy
    await refused(bench, OLD)
    bench.path = bench.path.rename(tmp_path / "run.journal")
    await refused(bench, OLD)


@pytest.mark.parametrize("what", ["nothing", "another job"])
async def test_a_moved_journal_goes_on(world, what, tmp_path):
    bench = Bench(world, tmp_path, people(15))
    await bench.run(max_credits=10)
    first, bench.path = bench.path, tmp_path / "other" / "moved.journal"
    bench.path.parent.mkdir()
    shutil.copy(first, bench.path)  # as a move to another disk does
    first.unlink()
    if what == "another job":
        async with await world.client.job(first, people(3), adopt=True):
            pass
    assert (await bench.run()).status.state == "complete"
    assert not world.ledger.duplicates()
    assert sum(str(bench.path) in record.read_text() for record in records()) == 1


async def test_a_journal_with_a_second_name_is_refused_under_both_also_when_adopted(world, tmp_path):
    bench = Bench(world, tmp_path, people(5))
    await (await bench.open()).aclose()
    linked = tmp_path / "linked.journal"
    linked.hardlink_to(bench.path)
    for path in (linked, bench.path):
        bench.path = path
        await refused(bench, LINKED)
        await refused(bench, LINKED, adopt=True)
        with pytest.raises(JournalError, match=LINKED), deciding(path):
            pass
        with reading(path) as reader:
            assert reader.status().state == "planned"
    linked.unlink()
    bench.path = tmp_path / "run.journal"
    assert (await bench.run()).status.state == "complete"


async def test_a_run_whose_journal_is_overwritten_by_a_backup_sends_nothing_more(world, tmp_path):
    bench = Bench(world, tmp_path, people(15))
    await (await bench.open()).aclose()
    backup = bench.path.read_bytes()
    async with await bench.open() as job:
        bench.path.write_bytes(backup)
        report = await job.run()
    assert isinstance(report.stopped_by, JournalError)
    assert "was replaced" in str(report.stopped_by)
    assert not world.ledger.contacts


async def test_a_run_whose_journal_was_moved_and_opened_again_sends_nothing_more(world, tmp_path):
    bench = Bench(world, tmp_path, people(15))
    first = await bench.open()
    bench.path = bench.path.rename(tmp_path / "moved.journal")
    second = await bench.open()
    report = await first.run()
    assert isinstance(report.stopped_by, JournalError)
    assert not world.ledger.contacts
    assert (await second.run()).status.state == "complete"
    await first.aclose()
    await second.aclose()
    assert not world.ledger.duplicates()


# -- without records -------------------------------------------------------------------------------


async def test_a_journal_without_a_record_is_warned_of_once_and_goes_on(world, tmp_path, caplog):
    bench = Bench(world, tmp_path, people(15))
    await bench.run(max_credits=10)
    assert "no record" not in caplog.text
    shutil.rmtree(os.environ["XDG_STATE_HOME"])
    await bench.run()
    await bench.run()
    assert set(states(bench.path)) == {"done"}
    assert caplog.text.count("no record of earlier runs of run.journal") == 1


@pytest.mark.parametrize("why", ["a file in its place", "no home"])
async def test_where_no_record_can_be_kept_a_job_says_so_and_runs(world, why, tmp_path, caplog, monkeypatch):
    if why == "no home":
        monkeypatch.delenv("XDG_STATE_HOME")
        monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    else:
        (tmp_path / "state").write_text("")
    bench = Bench(world, tmp_path, people(15))
    await bench.run()
    await bench.run()
    assert states(bench.path) == ["done"] * 3
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert sum("an old copy of it will not be noticed" in message for message in told) == 2


NO_NUMBERS = ("Infinity", "1e999", "-1", "0.5", "true", "9" * 15 + "0" * 9, str(2**63 - 1), str(2**63))
DAMAGED = [f'{{"generation": {number}, "path": "x", "sent": true}}' for number in NO_NUMBERS]


@pytest.mark.scaled
@pytest.mark.parametrize(
    "damage",
    some(["", "{", "[]", '{"generation": "1"}', '{"path": 1}', "\0" * 20, "\udc80", "[" * 99_999, *DAMAGED]),
    ids=lambda damage: ascii(damage[:20]),
)
async def test_a_damaged_record_counts_as_none(world, damage, tmp_path, caplog):
    bench = Bench(world, tmp_path, people(15))
    await bench.run(max_credits=10)
    (record,) = records()
    record.write_bytes(damage.encode("utf-8", "surrogateescape"))
    assert (await bench.run()).status.state == "complete"
    assert json.loads(record.read_bytes())["sent"] is True
    assert "no record of earlier runs" in caplog.text


async def test_a_record_is_for_its_owner_alone_and_says_nothing_of_the_job_but_where_it_is(world, tmp_path):
    bench = Bench(world, tmp_path, people(15))
    await bench.run()
    (record,) = records()
    ((generation,),) = query(bench.path, "SELECT generation FROM job")
    assert json.loads(record.read_text()) == {
        "generation": generation,
        "path": str(bench.path),
        "sent": True,
    }
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert stat.S_IMODE(record.parent.stat().st_mode) == 0o700


# -- only looked at --------------------------------------------------------------------------------


async def test_looking_at_an_old_journal_is_not_refused_and_deciding_changes_no_record(world, tmp_path):
    bench = Bench(world, tmp_path, people(15))
    world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
    backup = await half_run(bench)
    (record,) = records()
    before = record.read_bytes()
    with reading(backup) as reader:
        assert reader.status().contacts == 15
    with deciding(bench.path) as (journal, _):
        journal.purge()
    assert record.read_bytes() == before
    world.sandbox.clear_faults()
    assert (await bench.run(max_credits=10)).status.chunks["unknown"] == 1
