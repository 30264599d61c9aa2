"""The files of a job: private, locked, and whatever becomes of the disk, nothing is sent without them."""

from __future__ import annotations

import multiprocessing
import os
import resource
import stat

import pytest

from cleanlist_async import (
    ConfigurationError,
    Contact,
    InputChangedError,
    JournalError,
    JournalLockedError,
)
from cleanlist_async.job.cache import forget_all
from cleanlist_async.job.journal.lock import JournalLock
from cleanlist_async.job.reader import reading
from cleanlist_async.sandbox import Fault
from cleanlist_async.storage import filesystem
from tests.job.worlds import SUBMIT, Bench, open_world, people, query, states
from tests.support.cases import each_case
from tests.support.virtual_sandbox import KEY

CANARY = "Zanzibar"


def files_of(folder):
    return {path.name: path for path in folder.iterdir() if path.is_file()}


# -- contact data ----------------------------------------------------------------------------------


def canaries():
    return [
        Contact(first_name=f"{CANARY}{i}", last_name=CANARY, company_domain=f"{CANARY.lower()}{i}.example")
        for i in range(15)
    ]


async def test_a_purge_leaves_neither_contacts_nor_results_in_the_journal(world, tmp_path):
    bench = Bench(world, tmp_path, canaries())
    world.sandbox.add_fault(
        Fault(SUBMIT, status=422, body={"detail": [{"loc": ["body"], "msg": CANARY, "input": CANARY}]})
    )
    world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True, nth=2))
    job = await bench.open()
    assert query(bench.path, "SELECT count(*) FROM input") == [(1,)]
    results = [result async for result in job]
    emails = [r.email for r in results if r.email]
    assert any(email.encode() in bench.path.read_bytes() for email in emails)
    await job.purge()
    assert query(bench.path, "SELECT count(*) FROM input") == [(0,)]  # it is packed: no search would find it
    assert await job.verify() == []
    assert sum([1 async for _ in job.receipts()]) == 15
    await job.aclose()
    for path in files_of(tmp_path).values():
        data = path.read_bytes()
        assert CANARY.lower().encode() not in data.lower(), path
        assert not [email for email in emails if email.encode() in data]
        assert KEY.encode() not in data
    report = await bench.run()
    assert report.status.state == "complete_with_unknown"


async def test_files_are_their_owners_alone_whatever_the_umask(world, tmp_path):
    old = os.umask(0)
    try:
        bench = Bench(world, tmp_path, people(10), cache=tmp_path / "cache")
        seen = set()
        async with await bench.open() as job:
            job.on_progress = lambda _status: seen.update(files_of(tmp_path))
            await job.run()
        assert {"run.journal", "run.journal.lock", "cache"} <= seen
        for name, path in files_of(tmp_path).items():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, name
    finally:
        os.umask(old)


# -- locks -----------------------------------------------------------------------------------------


def _try_lock(path, answers):
    try:
        JournalLock(path).take()
    except JournalLockedError as error:
        answers.put(str(error))
    else:
        answers.put("taken")


@pytest.mark.sockets  # a process
async def test_a_second_process_is_refused_with_the_id_of_the_first(world, tmp_path):
    context = multiprocessing.get_context("fork")
    answers = context.Queue()

    def ask(path):
        process = context.Process(target=_try_lock, args=(path, answers))
        process.start()
        said = answers.get(timeout=60)
        process.join(20)
        return said

    bench = Bench(world, tmp_path, people(5))
    async with await bench.open():
        pass
    path = bench.path
    lock = JournalLock(path)
    lock.take()
    assert f"process {os.getpid()}" in ask(path)
    lock.give_back()
    assert ask(path) == "taken"
    with JournalLock(path):  # its process is gone, and its lock with it
        pass


async def test_a_second_job_of_the_same_process_is_refused_too(world, tmp_path):
    bench = Bench(world, tmp_path, people(5))
    async with await bench.open() as job:
        with pytest.raises(JournalLockedError):
            await bench.open()
        assert (await job.run()).status.state == "complete"
    await (await bench.open()).aclose()


async def test_a_job_that_did_not_open_holds_no_lock(world, tmp_path):
    bench = Bench(world, tmp_path, people(5))
    await (await bench.open()).aclose()
    bench.contacts = people(6)
    with pytest.raises(InputChangedError):
        await bench.open()
    bench.contacts = people(5)
    await (await bench.open()).aclose()


# -- the disk --------------------------------------------------------------------------------------


class _Limit:
    """Files of this process can grow no further."""

    def __init__(self, size):
        self.size = size

    def __enter__(self):
        import signal

        self.handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        self.old = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.old[1]))

    def __exit__(self, *_):
        import signal

        resource.setrlimit(resource.RLIMIT_FSIZE, self.old)
        signal.signal(signal.SIGXFSZ, self.handler)


@pytest.mark.slow
@pytest.mark.sockets  # limits the whole process
@each_case("mode", ["plain", "exact"])
@each_case("left", [0, 512, 4_096, 8_192, 16_384])
async def test_on_a_full_disk_nothing_is_sent(mode, left, tmp_path):
    async with open_world() as world:
        bench = Bench(world, tmp_path, people(200), chunk=10, submit_mode=mode)
        async with await bench.open() as job:
            with _Limit(bench.path.stat().st_size + left):
                report = await job.run()
            assert isinstance(report.stopped_by, JournalError)
        open_ones = {"sending", "unknown"}
        on_disk = sum(state not in {"planned", *open_ones} for state in states(bench.path))
        workflows = len({accepted.workflow_id for accepted in world.ledger.contacts})
        assert on_disk <= workflows <= on_disk + sum(state in open_ones for state in states(bench.path))
        assert (await bench.run()).stopped_by is None
        bench.check(unknown_at_most=1)
        assert not world.ledger.duplicates()


async def test_a_journal_that_cannot_be_written_sends_nothing(world, tmp_path, monkeypatch):
    bench = Bench(world, tmp_path, people(20))
    async with await bench.open() as job:
        job._journal._db._connection.execute("PRAGMA query_only = ON")
        report = await job.run()
        assert isinstance(report.stopped_by, JournalError)
        with pytest.raises(JournalError):
            _ = [result async for result in job]
    assert not world.ledger.requests_of(SUBMIT)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where it likes")
async def test_a_read_only_file_is_refused(world, tmp_path):
    bench = Bench(world, tmp_path, people(20))
    await (await bench.open()).aclose()
    bench.path.chmod(0o400)
    with pytest.raises(JournalError):
        await bench.run()
    assert not world.ledger.requests


async def test_no_folder_no_job(world, tmp_path):
    with pytest.raises(JournalError):
        await world.client.job(tmp_path / "missing" / "run.journal", people(1))
    assert not world.ledger.requests


# -- what is no source -----------------------------------------------------------------------------


@pytest.mark.slow
@each_case("given", [iter([]), (c for c in ()), 5, b"x", {}, [], {"a": 1}])
async def test_what_is_no_source_is_refused_and_leaves_no_plan(given, tmp_path):
    async with open_world() as world:
        with pytest.raises(ConfigurationError):
            await world.client.job(tmp_path / "run.journal", given)
        async with await world.client.job(tmp_path / "run.journal", people(2)) as job:
            assert (await job.run()).status.state == "complete"


# -- clients and keys ------------------------------------------------------------------------------


@pytest.mark.slow
async def test_two_jobs_share_one_client(world, tmp_path):
    import anyio

    benches = []
    for number, start in ((1, 0), (2, 100)):
        folder = tmp_path / str(number)
        folder.mkdir()
        benches.append(Bench(world, folder, people(40, start)))
    async with anyio.create_task_group() as group:
        for bench in benches:
            group.start_soon(bench.run)
    for bench in benches:
        assert set(states(bench.path)) == {"done"}
    assert len(world.ledger.contacts) == 80
    assert not world.ledger.duplicates()
    assert world.ledger.count(429) == 0


@pytest.mark.world(api_keys=(KEY, KEY + "2"))
async def test_a_jobs_workflows_are_asked_about_with_the_key_that_submitted_them(world, tmp_path):
    bench = Bench(world, tmp_path, people(60))
    async with await bench.open() as job:
        import anyio

        with anyio.move_on_after(3):
            await job.run()
    assert (await bench.run()).status.state == "complete"
    assert len({r.key_id for r in world.ledger.requests_of(SUBMIT)}) == 2
    assert world.ledger.count(404) == 0
    bench.check(unknown_at_most=0)


JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize("mode", ["plain", "exact"])
@pytest.mark.world(jwts=(JWT,))
async def test_a_session_token_will_do(world, mode, tmp_path):
    from cleanlist_async.testing.virtual_client import VirtualCleanlist

    async with VirtualCleanlist(world.network, JWT) as client:
        world.client = client
        bench = Bench(world, tmp_path, people(20), submit_mode=mode)
        assert (await bench.run()).status.state == "complete"
        bench.check(unknown_at_most=0)


async def test_a_client_that_is_closed_stops_its_job_and_the_journal_goes_on(world, tmp_path):
    import anyio

    from cleanlist_async.testing.virtual_client import VirtualCleanlist

    bench = Bench(world, tmp_path, people(60))
    limiter = world.client._runtime.pipeline.limiter
    async with VirtualCleanlist(world.network, KEY, limiter=limiter) as other:
        first = Bench(type("W", (), {"client": other})(), tmp_path, people(60))
        job = await first.open()
        async with anyio.create_task_group() as group:
            group.start_soon(job.run)
            await anyio.sleep(3)
            await other.aclose()
        await job.aclose()
    assert (await bench.run()).status.state == "complete"
    bench.check(unknown_at_most=0)


# -- where it may lie ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "ext4", "overlay", "tmpfs"])
async def test_a_journal_does_not_lie_on_another_machine(world, kind, tmp_path, monkeypatch):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 0:21 / / rw - ext4 /dev/vda rw\n23 22 0:22 / {tmp_path} rw - {kind} x rw\n")
    monkeypatch.setattr(filesystem, "_MOUNTS", mounts)
    bench = Bench(world, tmp_path, people(5))
    if kind in {"ext4", "overlay", "tmpfs"}:
        await bench.run()
        return
    with pytest.raises(JournalError, match=f"network file system .{kind}."):
        await bench.open()
    assert set(files_of(tmp_path)) == {"mountinfo"}


async def test_where_the_system_does_not_say_what_is_mounted_nothing_is_refused(world, tmp_path, monkeypatch):
    monkeypatch.setattr(filesystem, "_MOUNTS", tmp_path / "not here")
    await Bench(world, tmp_path, people(5)).run()


async def test_a_source_that_cannot_be_read_is_not_the_journals_fault(world, tmp_path):
    class Fickle:
        stops_at = 7

        def __iter__(self):
            for place, contact in enumerate(people(15)):
                if place == self.stops_at:
                    raise OSError("the source")
                yield contact

    source = Fickle()
    bench = Bench(world, tmp_path, source)
    with pytest.raises(OSError, match="the source"):
        await bench.open()
    source.stops_at = None
    async with await bench.open() as job:
        source.stops_at = 7  # it is not read again
        await job.pilot(3)
        assert (await job.run()).status.state == "complete"
    bench.contacts = people(15)
    bench.check(unknown_at_most=0)


async def test_what_is_bought_after_a_purge_can_be_read(world, tmp_path):
    bench = Bench(world, tmp_path, people(20))
    await bench.run(max_credits=10)
    async with await bench.open() as job:
        await job.purge()
    with reading(bench.path) as reader, pytest.raises(JournalError, match="purged"):
        reader.refuse_purged()
    results = await bench.results()
    gone = [result for result in results if result.error == "its result was purged"]
    kept = [result for result in results if result.status == "found" and result not in gone]
    assert gone
    assert not any(result.email for result in gone)
    assert all(result.email for result in kept)
    with reading(bench.path) as reader:
        reader.refuse_purged()


async def test_a_journal_is_no_cache_and_an_input_no_journal(world, tmp_path):
    bench = Bench(world, tmp_path, people(5))
    await bench.run()
    before = bench.path.read_bytes()
    for use in (
        lambda: bench.open(cache=bench.path),
        lambda: world.client.job(tmp_path / "n", people(1), cache=bench.path),
    ):
        with pytest.raises(ConfigurationError, match="no cache"):
            await use()
    with pytest.raises(ConfigurationError, match="no cache"):
        forget_all(bench.path)
    assert bench.path.read_bytes() == before
    table = tmp_path / "in.csv"
    table.write_text("linkedin_url\nhttps://www.linkedin.com/in/ada\n")
    with pytest.raises(JournalError, match="neither the journal"):
        await world.client.job(table, table)


@pytest.mark.parametrize("kind", [set, frozenset, iter])
async def test_a_source_that_has_another_order_next_time_is_refused_before_anything_is_sent(
    world, tmp_path, kind
):
    contacts = [Contact(linkedin_url=f"in/ada-{number}") for number in range(3)]
    with pytest.raises(ConfigurationError, match="source"):
        await world.client.job(tmp_path / "run.journal", kind(contacts), enrichment_type="partial")
    assert not (tmp_path / "run.journal").exists()
    assert not world.ledger.requests
