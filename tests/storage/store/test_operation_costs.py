"""What each operation does in the database, in steps of SQLite's machine, in a long store as in a short one.

Of what others wait for, a long store must take no more. What only reads may look at all of a job, or of the
store: at each row a few times.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from cleanlist_async import Budget, Store
from cleanlist_async.storage.store import (
    audit,
    decisions,
    forgetting,
    job_decisions,
    job_owners,
    job_statements,
    jobs,
    mail,
    opening,
    operations,
    same_contact,
    spending,
    sqlite,
    statements,
)
from cleanlist_async.storage.store.job_records import JobLease, JobRecord
from cleanlist_async.storage.store.operations import Buyer, CallIntent, SubmitIntent
from cleanlist_async.storage.store.postgres_statistics import gather
from cleanlist_async.storage.store.reading import is_reading, reading
from cleanlist_async.storage.store.statements import Answer, Operation, Statement
from tests.support.long_store import ANOTHER, ORGANIZATION, contact, contents, digest, fill, result
from tests.support.machine_steps import count_steps

psycopg = pytest.importorskip("psycopg")

from tests.support.postgres_server import PostgresServer  # noqa: E402  # which needs psycopg

pytestmark = pytest.mark.anyio

SHORT, LONG = 1_000, 10_000
AT_ONCE = 20
"""Steps that are counted at once."""
ME = Buyer("me", ORGANIZATION)
SOME = tuple(f"new {number}" for number in range(100))
OF_A_JOB = {"the status": 40, "the doubts": 2, "the holders": 1, "the costs": 30, "the sums": 15}
READING = {
    **{
        f"{what} of {job}": steps
        for job in ("open", "doubtful", "finished")
        for what, steps in OF_A_JOB.items()
    },
    "orphans": 2,
    "counts": 10,
    "the audit trail": 6,
    "the unfinished": 1,
    "ours": 1,
    "those of a stranger": 1,
    "where a person is": 80,
}
"""Operations that look at all of something, and so many steps for each row of a table that they take at most.
Nobody waits for them."""
GROWING = {
    "a key gets its name": 1,  # once for each key: which submits were made under the name is not indexed
    "a name becomes an organization": 60,  # once for each organization, and all at once: the name is no more
    "whether a key was accepted": 1,  # once, as above
    "a job of another that is asked for": 10,  # a person waits for it: whether any contact has an outcome
    "a decision in a job": 2,  # a person waits for it: all submits of the job
}
"""The same of operations that others wait for."""
STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE)\b")
Step = tuple[str, Callable[[], Operation[object]]]


@pytest.fixture
def store_url(tmp_path) -> str:
    return str(tmp_path / "store.db")


class Steps:
    """All that is done to a store, one operation after the other."""

    def __init__(self, jobs_: Collection[JobRecord]) -> None:
        self.jobs = {job.id: job for job in jobs_}

    def __iter__(self) -> Iterator[Step]:
        yield from self._of_purchases()
        yield from self._of_calls()
        yield from self._of_jobs()
        yield from self._of_people()

    def _lease(self, job: str, fence: int = 0) -> JobLease:
        return JobLease(job, fence)

    def _of_purchases(self) -> Iterator[Step]:
        yield "a lease", lambda: operations.renew("me", "here", 3, 3_600.0)
        yield "neighbours", lambda: operations.neighbours("me", "here")
        yield "the dead", lambda: operations.end_leases(["nobody"])
        yield "whose it is", lambda: operations.find_organization("key 1")
        yield "a key gets its name", lambda: operations.name_organization("key 3", ORGANIZATION)
        yield "a look", lambda: operations.look(ORGANIZATION, [f"p{number}" for number in range(100)])
        yield "a claim", lambda: operations.take(ME, SOME, "partial")
        yield "the room", lambda: operations.room(ME, self._lease("new"))
        intent = SubmitIntent("a submit", "partial", "enrich", SOME)
        yield "an intent", lambda: operations.intend(ME, intent)
        tasks = dict.fromkeys(SOME, "a task")
        yield "an acceptance", lambda: operations.accept(ME, "a submit", "wf", tasks, key_name=None)
        results = {name: result(1) for name in SOME[:50]}
        yield "a settlement", lambda: operations.settle(ME, "a submit", results, SOME[50:])
        yield "another claim", lambda: operations.take(ME, SOME, "partial")
        yield "a release", lambda: operations.release(ME, SOME, "partial")
        yield "a claim that is unknown", lambda: operations.give_up(ME, SOME, SOME, "partial")
        for name, state in (("refused", "refused"), ("in doubt", "unknown")):
            unclaimed = SubmitIntent(name, "partial", "enrich", SOME, is_unclaimed=True)
            yield f"an intent to be {name}", lambda intent=unclaimed: operations.intend(ME, intent)
            yield name, lambda name=name, state=state: operations.close(ME, name, state, "why")
        yield "a decision", lambda: decisions.decide("in doubt", "me", workflow_id="wf 2")
        yield "an adoption", lambda: operations.adopt(ME, "doubtful 396", SOME, "partial")
        yield "an import", lambda: operations.import_result(ORGANIZATION, "old", "partial", result(1), 1.0)
        yield "what was bought", lambda: operations.record_bought(ORGANIZATION, "partial", results)
        copies = {f"copy {number}": f"p{number}" for number in range(100)}
        yield "copies", lambda: same_contact.keep(ORGANIZATION, "partial", copies)
        yield "orphans", decisions.orphans
        yield "counts", operations.count
        yield "the audit trail", lambda: audit.lines(9e9, 0)

    def _of_calls(self) -> Iterator[Step]:
        yield "a call", lambda: operations.intend_call(ME, CallIntent("a call", "x", "", 1, 1.0))
        yield "a call's answer", lambda: operations.accept_call(ME, "a call", "wf call", None)
        yield "a call's price", lambda: operations.settle_workflow(ME, "wf call", 1.0)
        yield "a budget", lambda: spending.set_budget(ORGANIZATION, Budget(1e9, 1e9), "me")
        yield "a pause", lambda: spending.pause(ORGANIZATION, "why", "me")
        yield "its end", lambda: spending.resume(ORGANIZATION, "me")
        yield "what is spent", lambda: spending.status(ORGANIZATION)
        yield "a mailbox", mail.create
        yield "an event", lambda: mail.put("me", b"event")
        yield "all events", lambda: mail.take(["me"])
        yield "opening", lambda: opening.create(b"secret", is_outside=False)
        yield "no other version", opening.upgrade

    def _of_jobs(self) -> Iterator[Step]:
        yield "all jobs", jobs.all_jobs
        yield "the unfinished", jobs.unfinished
        yield "ours", lambda: job_owners.unfinished(ORGANIZATION)
        yield "those of a stranger", lambda: job_owners.unfinished("the digest of a key")
        new = jobs.NewJob("partial", "a list", "", None)
        yield "a job", lambda: jobs.take("me", ORGANIZATION, "brand new", new)
        yield "a job that is taken over", lambda: jobs.take("me", ORGANIZATION, "new", None)
        yield "a job of another", lambda: job_owners.adopt(ORGANIZATION, "new", is_asked=False)
        lease = self._lease("new", 1)
        stranger = "the digest of a key"
        adopt = partial(job_owners.adopt, stranger, "theirs", is_asked=True)
        yield "a job of another that is asked for", adopt
        accepted = Statement(job_statements.WAS_ACCEPTED, {"organization": stranger})
        yield "whether a key was accepted", lambda: _one(accepted)
        yield "a run", lambda: jobs.begin_run(lease)
        yield "open rows", lambda: jobs.rows("doubtful", -1, 5, is_open=True)
        yield "rows", lambda: jobs.rows("finished", 100, 500)
        mine = [digest("new", place) for place in range(25)]
        yield "a claim for a job", lambda: operations.take(ME, mine, "partial")
        intent = SubmitIntent("of a job", "partial", "job", tuple(mine), job=lease)
        yield "a submit of a job", lambda: operations.intend(ME, intent)
        yield "its acceptance", lambda: operations.accept(ME, "of a job", "wf job", {}, key_name=None)
        outcomes = [(one, "found", None, "wf job", "found", 1.0) for one in mine]
        settled = dict.fromkeys(mine, result(1))
        yield "its results", lambda: operations.settle(ME, "of a job", settled, outcomes=outcomes)
        recorded = [(place, "found", None, None, "cache") for place in range(100, 200)]
        yield "outcomes", lambda: jobs.record("new", recorded)
        yield "duplicates", lambda: jobs.followers("new", range(100, 200), 500)
        yield "some of the duplicates", lambda: jobs.followers("new", range(100, 200), 5)
        yield "duplicates of one", lambda: jobs.followers_of("new", 108, -1, 500)
        for job in ("open", "doubtful", "finished"):
            yield f"the status of {job}", lambda job=job: jobs.counts(self.jobs[job])
            yield f"the doubts of {job}", lambda job=job: jobs.unknown(job)
            yield f"the holders of {job}", lambda job=job: jobs.holders(self.jobs[job])
            yield f"the costs of {job}", lambda job=job: jobs.costs(job)
            yield f"the sums of {job}", lambda job=job: jobs.sums(job)
        yield "a limit", lambda: jobs.limit(lease, 1e6)
        yield "a cache", lambda: jobs.cache_imported(lease, "a cache")
        for job in ("doubtful", "finished"):
            yield f"the end of {job}", lambda job=job: jobs.end(self._lease(job), None, None)
        doubt = self.jobs["doubtful"].contacts * 99 // 100 // 25
        yield (
            "a decision in a job",
            lambda: job_decisions.decide(self.jobs["doubtful"], doubt, "abandon", "me", None),
        )
        yield "jobs that wait for a submit", lambda: jobs.reopen("doubtful 1")
        yield "a decision that it is absent", lambda: decisions.decide("doubtful 1", "me", workflow_id=None)
        yield "another stop", lambda: jobs.stop("new", "why")
        yield "a job that is left", lambda: jobs.release(lease)
        planned = [(place, f"b{place}", contact(place), None, None, None) for place in range(500)]
        yield "a plan", lambda: _plan(planned)

    def _of_people(self) -> Iterator[Step]:
        doubt = digest("doubtful", self.jobs["doubtful"].contacts - 3)
        digests = [digest("new", 500), doubt, "p5", "e3"]
        yield "a page of results", lambda: forgetting.results((ORGANIZATION, "p9", ""))
        yield "a page of contacts", lambda: forgetting.contacts(("open", 50))
        yield "a person", lambda: forgetting.forget(digests, [("new", 501)], "me")
        yield "old jobs", lambda: jobs.old(1.0)
        yield "old results", lambda: operations.purge(1.0, 100)
        for keep in (True, False):
            organization = None if keep else ORGANIZATION
            yield f"old contacts, {keep}", lambda who=organization: jobs.purge_rows("finished", who)
        yield "old contacts of a person", lambda: same_contact.purge_rows("doubtful", ORGANIZATION, str)
        results = Statement(
            statements.FORGET_RESULTS_OF, {"organization": ORGANIZATION, "digests": ["p7", "p8"]}
        )
        yield "results under another address", lambda: _one(results)
        yield "nothing that is left", lambda: jobs.purge_rows("none", None)
        yield "a job of which nothing was sent", lambda: jobs.forget_unsent("finished")
        yield "a name becomes an organization", lambda: operations.name_organization(ANOTHER, "org-3")


def _one(statement: Statement) -> Operation[None]:
    yield statement


def _plan(rows: list[jobs.Values]) -> Operation[None]:
    job = yield from jobs.take("me", ORGANIZATION, "planned", jobs.NewJob("partial", "x", "", None))
    assert job is not None
    yield from jobs.add_rows(job.lease, rows)
    yield from jobs.cut(job.lease, 400)
    yield from jobs.planned(job.lease, "x", "y")


async def costs(path: Path, size: int, counted: list[list]) -> dict[str, tuple[int, bool]]:
    """Return the steps of each operation in a store of that size, and whether it only reads."""
    found: dict[str, tuple[int, bool]] = {}
    async with Store(path) as store:
        fill(path, size)
        for name, begin in Steps(await store.jobs()):
            del counted[:]
            operation = begin()
            only_reads = is_reading(operation)
            await store.run(operation)
            assert name not in found
            found[name] = sum(steps for _, steps in counted), only_reads
    return found


def check(short: Mapping[str, tuple[int, bool]], long: Mapping[str, tuple[int, bool]], slack: int) -> None:
    """Compare what operations take in a short store and in a long one."""
    for name, (taken, only_reads) in long.items():
        per_row = (READING if only_reads else GROWING).get(name, 0)
        assert taken <= 1.5 * short[name][0] + slack + per_row * LONG, name


async def test_what_others_wait_for_takes_no_more_work_in_a_long_store(tmp_path, monkeypatch):
    counted = count_steps(monkeypatch, AT_ONCE)
    short = await costs(tmp_path / "short.db", SHORT, counted)
    long = await costs(tmp_path / "long.db", LONG, counted)
    assert short["a claim"][0] > 0, "the steps must be counted"
    check(short, long, 10 * AT_ONCE)


READ = """
SELECT coalesce(sum(coalesce(t.seq_tup_read, 0) + coalesce(i.read, 0)), 0)::bigint
FROM pg_stat_user_tables t LEFT JOIN (
    SELECT relid, sum(greatest(idx_tup_read, idx_tup_fetch)) AS read FROM pg_stat_user_indexes GROUP BY relid
) AS i ON i.relid = t.relid WHERE t.schemaname = current_schema()
"""


@reading
def rows_read() -> Operation[int]:
    """Return how many rows and entries of indexes the server has read by now."""
    yield Statement("SELECT pg_stat_force_next_flush()")
    return (yield Statement(READ)).one


@reading
def rows_known() -> Operation[int]:
    """Return how many rows of all jobs the server plans for."""
    known = "SELECT reltuples::bigint FROM pg_class WHERE oid = 'cleanlist_job_rows'::regclass"
    return (yield Statement(known)).one


async def costs_on_server(server: PostgresServer, size: int) -> dict[str, tuple[int, bool]]:
    """Return how many rows of tables and indexes the server reads for each operation."""
    found: dict[str, tuple[int, bool]] = {}
    with server.schema() as url:
        async with Store(url) as store:
            with psycopg.connect(url) as connection:
                for table, rows in contents(size).items():
                    with connection.cursor().copy(f"COPY cleanlist_{table} FROM STDIN") as copy:
                        for row in rows:
                            copy.write_row(row)
            while (await store.run(rows_known())) < size:  # what a session changed is told a moment later
                await store.run(gather())
            for name, begin in Steps(await store.jobs()):
                await store.run(rows_read())
                before = await store.run(rows_read())
                operation = begin()
                only_reads = is_reading(operation)
                await store.run(operation)
                await store.run(rows_read())
                found[name] = await store.run(rows_read()) - before, only_reads
    return found


@pytest.mark.sockets
async def test_it_takes_no_more_work_of_a_server(postgres):
    short, long = [await costs_on_server(postgres, size) for size in (SHORT, LONG)]
    assert short["a claim"][0] > 0, "the rows must be counted"
    check(short, long, SHORT // 2)


async def test_each_statement_of_a_store_is_among_them(tmp_path, monkeypatch):
    ran: set[str] = set()
    execute = sqlite._execute

    def observed(connection: sqlite3.Connection, statement: Statement) -> Answer:
        ran.add(statement.text)
        return execute(connection, statement)

    monkeypatch.setattr(sqlite, "_execute", observed)
    await costs(tmp_path / "store.db", SHORT, [])
    parts = {job_statements._JOB, job_statements._HAS_NEWS, statements._ORGANIZATION}
    untried = {
        f"{module.__name__}.{name}"
        for module in (statements, job_statements, forgetting, mail)
        for name, text in vars(module).items()
        if isinstance(text, str) and STATEMENT.match(text) and text not in {*parts, *ran}
    }
    assert not untried
