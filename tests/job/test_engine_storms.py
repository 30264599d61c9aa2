"""Crashes, cancellations and faults in any order: nobody is bought twice, nothing is lost, and it ends."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cleanlist_async import CleanlistError
from cleanlist_async.sandbox import Fault
from tests.job.worlds import IMPORT, STATUS, SUBMIT, Bench, open_world, people, query, states

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""A disk that waits for nothing, where there is one: hundreds of journals are written here."""
HOOK = "https://hooks.example/h"
HTML = "<html>"
OPTIONS = {"plain": {}, "tracked": {"webhook_url": HOOK}, "exact": {"submit_mode": "exact"}}
PATHS = {"plain": SUBMIT, "tracked": SUBMIT, "exact": IMPORT}

FAULTS = [
    {"when": "after", "reset": True},
    {"when": "after", "close": True},
    {"when": "after", "status": 502, "body": HTML},
    {"when": "after", "status": 200, "body": "{}"},
    {"when": "after", "delay_s": 20.0},
    {"when": "after", "delay_s": 70.0},
    {"reset": True},
    {"close": True},
    {"status": 503, "body": HTML},
    {"status": 500, "body": {"detail": "x"}},
    {"status": 429},
    {"status": 402, "body": {"detail": "x"}},
    {"status": 401, "body": {"detail": "x"}},
    {"status": 400, "body": {"detail": "x"}},
    {"status": 400, "body": HTML},
    {"status": 413, "body": HTML},
    {"delay_s": 3.0},
    {"delay_s": 65.0},
]
AMBIGUOUS = (0, 1, 2, 3, 5, 6, 7, 8, 9, 14, 17)

faults = st.lists(
    st.tuples(st.integers(0, len(FAULTS) - 1), st.integers(1, 6), st.sampled_from(["submit", "status"])),
    max_size=4,
)
moments = st.one_of(st.floats(0, 3), st.floats(0, 30), st.floats(0, 120)).map(lambda t: round(t, 3))
runs = st.lists(st.tuples(st.sampled_from(["crash", "cancel", "leave"]), moments), max_size=4)


async def run_until_closed(job) -> None:
    with suppress(CleanlistError):
        await job.run()


async def interrupt(bench, how, after_s) -> None:
    """Run the job, and end it after so many seconds, one way or the other."""
    job = await bench.open()
    if how == "cancel":
        async with job:
            with anyio.move_on_after(after_s):
                await job.run()
        return
    if how == "leave":
        async with job:
            with suppress(CleanlistError), anyio.move_on_after(after_s):
                async for _ in job:
                    pass
        return
    async with anyio.create_task_group() as group:
        group.start_soon(run_until_closed, job)
        await anyio.sleep(after_s)
        await bench.crash(job)
        group.cancel_scope.cancel()


def arm(world, mode, chosen) -> int:
    for number, nth, where in chosen:
        path = PATHS[mode] if where == "submit" else STATUS if mode != "exact" else "*/enrichment/status/*"
        world.sandbox.add_fault(Fault(path, nth=nth, **FAULTS[number]))
    return sum(number in AMBIGUOUS and where == "submit" for number, _, where in chosen)


async def deliver(bench, job) -> None:
    """Send each webhook that is due, as the server would; twice, since it may."""
    urls = {}
    for body in bench.world.bodies:
        if b"webhook_url" in body:
            sent = json.loads(body)
            urls[sent["contacts"][0]["first_name"]] = sent["webhook_url"].rpartition("/")[2]
    first = {}
    for accepted in bench.world.ledger.contacts:
        first.setdefault(accepted.workflow_id, accepted)
    for workflow_id, accepted in first.items():
        token = urls[accepted.contact["first_name"]]
        for _ in range(2):
            job.receive(token, json.dumps({"workflow_id": workflow_id}).encode())


async def finish(bench, mode, *, unknown_at_most) -> None:
    bench.world.sandbox.clear_faults()
    for _ in range(4):
        async with await bench.open() as job:
            if mode == "tracked":
                await deliver(bench, job)
            report = await job.run()
            assert await job.verify() == []
        bench.check(unknown_at_most=unknown_at_most)
        if report.stopped_by is None and report.status.state.startswith("complete"):
            break
    assert report.stopped_by is None
    assert not bench.world.ledger.duplicates()
    left = set(states(bench.path)) - {"done"}
    assert left <= (set() if mode == "exact" else {"unknown"}), left
    if mode == "tracked":  # each webhook has come, so what is unknown was never accepted
        bought = {accepted.contact["first_name"] for accepted in bench.world.ledger.contacts}
        spans = query(bench.path, "SELECT first, last FROM chunks WHERE state = 'unknown'")
        assert not [i for a, b in spans for i in range(a, b + 1) if bench.contacts[i].first_name in bought]
    submits = len(bench.world.ledger.requests_of(PATHS[mode]))
    results = await bench.results()
    assert sorted(result.index for result in results) == list(range(len(bench.contacts)))
    assert len(bench.world.ledger.requests_of(PATHS[mode])) == submits, "nothing was left to do"
    for result in results:
        if result.status in {"found", "not_found"}:
            assert result.email == bench.world.sandbox.expected(result.contact, "partial").email
    assert len(query(bench.path, "SELECT DISTINCT workflow_id FROM chunks WHERE state = 'done'")) == states(
        bench.path
    ).count("done")


@pytest.mark.slow
@pytest.mark.parametrize("mode", OPTIONS)
@settings(
    max_examples=6, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
@given(chosen=faults, interruptions=runs)
async def test_whatever_happens(mode, chosen, interruptions):
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        async with open_world(workflow_s=5.0) as world:
            bench = Bench(world, Path(folder), people(20), chunk=5, **OPTIONS[mode])
            ambiguous = arm(world, mode, chosen)
            for how, after_s in interruptions:
                await interrupt(bench, how, after_s)
            await finish(bench, mode, unknown_at_most=bench.crashes + ambiguous)


@pytest.mark.slow
@pytest.mark.parametrize("mode", OPTIONS)
async def test_a_crash_at_every_tenth_of_a_second(mode):
    """In steps finer than a round trip: between the intent and the first byte, the answer and the disk."""
    for step in range(0, 24, 2):
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            async with open_world(workflow_s=0.5, latency=lambda: 0.15) as world:
                bench = Bench(world, Path(folder), people(10), chunk=5, **OPTIONS[mode])
                await interrupt(bench, "crash", step / 10)
                await finish(bench, mode, unknown_at_most=1)
