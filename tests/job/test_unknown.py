"""Submits whose outcome nobody knows: held, shown, decided about; webhooks that tell what they were."""

import json
import secrets
from contextlib import suppress
from datetime import UTC, datetime

import anyio
import pytest

from cleanlist_async import AsyncCleanlist, CleanlistError, ConfigurationError, JournalError
from cleanlist_async.job.journal import chunks, journal
from cleanlist_async.sandbox import Fault, Sandbox
from tests.job.worlds import SUBMIT, Bench, edit, open_world, people, query, states
from tests.support.cases import each_case
from tests.support.examples import some
from tests.support.tcp_server import tcp_server

LOST = Fault(SUBMIT, when="after", reset=True)
"""Accepted, and the answer lost."""
NEVER = Fault(SUBMIT, reset=True)
"""Not accepted, and no answer."""
HOOK = "https://hooks.example/cleanlist"


def workflows(world):
    return list(dict.fromkeys(accepted.workflow_id for accepted in world.ledger.contacts))


async def one_unknown(world, tmp_path, fault, **options):
    bench = Bench(world, tmp_path, people(15), **options)
    world.sandbox.add_fault(fault)
    await bench.run()
    assert states(bench.path) == ["unknown", "done", "done"]
    return bench


# -- policies --------------------------------------------------------------------------------------


async def test_held_ones_stay_held_run_after_run(world, tmp_path):
    bench = await one_unknown(world, tmp_path, LOST)
    submits = world.submits()
    for _ in range(3):
        report = await bench.run()
        assert report.status.state == "complete_with_unknown"
        assert {r.status for r in await bench.results()} >= {"unknown"}
    assert world.submits() == submits


async def test_contacts_in_doubt_are_counted_so_that_the_counts_add_up(world, tmp_path):
    bench = await one_unknown(world, tmp_path, LOST)
    for decision in ({}, {"abandon": True}):
        async with await bench.open() as job:
            if decision:
                [chunk] = await job.unknown()
                await job.resolve(chunk.number, **decision)
            status = await job.status()
        assert status.results["unknown"] == 5
        assert (sum(status.results.values()), status.settled) == (15, 10)


@pytest.mark.parametrize(("wall", "sent"), [(4.9, 0), (5, 1), (9.9, 1), (10, 2)])
async def test_sending_again_stops_at_its_own_limit(world, wall, sent, tmp_path):
    bench = Bench(world, tmp_path, people(15))
    world.sandbox.add_fault(Fault(SUBMIT, reset=True, times=2))
    await bench.run(on_unknown="resubmit", max_duplicate_credits=wall)
    assert states(bench.path).count("done") == 1 + sent
    assert len(query(bench.path, "SELECT 1 FROM decisions WHERE decision = 'resubmit'")) == sent
    bench.check(unknown_at_most=2)


async def test_sending_again_without_a_bound_is_refused(world, tmp_path):
    bench = Bench(world, tmp_path, people(5), enrichment_type="prospecting_only")
    with pytest.raises(ConfigurationError, match="no bound"):
        await bench.open(on_unknown="resubmit", max_duplicate_credits=10)


async def test_sending_again_what_was_accepted_is_on_record(world, tmp_path):
    bench = await one_unknown(world, tmp_path, LOST)
    report = await bench.run(on_unknown="resubmit", max_duplicate_credits=5)
    assert report.status.state == "complete"
    assert report.status.credits_at_risk == 5
    assert len(world.ledger.duplicates()) == 5
    [(actor, risk)] = query(bench.path, "SELECT actor, credits_at_risk FROM decisions")
    assert (actor, risk) == ("policy", 5)
    bench.check()


@pytest.mark.parametrize(
    ("answer", "state"), [("resubmit", "done"), ("abandon", "abandoned"), (None, "unknown")]
)
async def test_a_function_may_decide(world, answer, state, tmp_path):
    asked = []

    def decide(chunk):
        asked.append(chunk)
        return answer

    bench = await one_unknown(world, tmp_path, NEVER)
    await bench.run(on_unknown=decide)
    assert states(bench.path) == [state, "done", "done"]
    assert (asked[0].first, asked[0].last, asked[0].contacts, asked[0].credits_at_risk) == (0, 4, 5, 5)
    bench.check()


@pytest.mark.parametrize(
    "options",
    [{"on_unknown": "resubmit"}, {"max_duplicate_credits": 5}, {"on_unknown": "guess"}],
)
async def test_a_policy_without_a_bound_is_refused(world, options, tmp_path):
    with pytest.raises(ConfigurationError):
        await Bench(world, tmp_path, people(1)).open(**options)


# -- decisions -------------------------------------------------------------------------------------


@pytest.mark.slow
@each_case(
    ("fault", "way", "state"),
    [
        (LOST, "accepted", "done"),
        (NEVER, "absent", "done"),
        (NEVER, "resubmit", "done"),
        (LOST, "resubmit", "done"),
        (LOST, "abandon", "abandoned"),
    ],
)
async def test_an_owner_resolves_in_four_ways(fault, way, state, tmp_path):
    async with open_world() as world:
        bench = await one_unknown(world, tmp_path, fault)
        async with await bench.open() as job:
            [unknown] = await job.unknown()
            await job.resolve(unknown.number, **{way: workflows(world)[0] if way == "accepted" else True})
            await job.run()
            assert await job.verify() == []
        assert states(bench.path) == [state, "done", "done"]
        assert len(world.ledger.duplicates()) == (5 if (fault, way) == (LOST, "resubmit") else 0)
        bench.check()


async def test_what_cannot_be_decided_is_refused_and_changes_nothing(world, tmp_path):
    bench = await one_unknown(world, tmp_path, LOST)
    async with await bench.open() as job:
        number = (await job.unknown())[0].number
        done = query(bench.path, "SELECT number, workflow_id FROM chunks WHERE state = 'done'")
        with pytest.raises(ConfigurationError):
            await job.resolve(number)
        with pytest.raises(ConfigurationError):
            await job.resolve(number, absent=True, abandon=True)
        with pytest.raises(JournalError):
            await job.resolve(done[0][0], abandon=True)
        with pytest.raises(JournalError):
            await job.resolve(999, abandon=True)
        with pytest.raises(JournalError, match="another chunk"):
            await job.resolve(number, accepted=done[0][1])
        with pytest.raises(ConfigurationError, match="accepted must be an id"):
            await job.resolve(number, accepted="")
    assert states(bench.path) == ["unknown", "done", "done"]
    assert not query(bench.path, "SELECT 1 FROM decisions")


async def test_a_clock_that_was_set_back_stops_no_decision(world, tmp_path, monkeypatch):
    bench = await one_unknown(world, tmp_path, NEVER)
    for module in (chunks, journal):
        monkeypatch.setattr(module, "now", lambda: datetime(2001, 1, 1, tzinfo=UTC).isoformat())
    async with await bench.open() as job:
        await job.resolve((await job.unknown())[0].number, absent=True)
        assert (await job.run()).status.state == "complete"


async def test_a_decision_while_it_runs_is_acted_upon(world, tmp_path):
    bench = await one_unknown(world, tmp_path, NEVER)
    async with await bench.open() as job:
        await job.resolve((await job.unknown())[0].number, absent=True)
        results = [result.index async for result in job]
    assert sorted(results) == list(range(15))
    assert states(bench.path) == ["done"] * 3


# -- webhooks --------------------------------------------------------------------------------------


def tokens(bench):
    return [row[0] for row in query(bench.path, "SELECT token FROM attempts ORDER BY rowid")]


def payload(workflow_id):
    return json.dumps({"event": "enrichment.completed", "workflow_id": workflow_id}).encode()


async def test_an_unknown_chunk_is_accepted_by_its_webhook_while_the_job_waits(world, tmp_path):
    bench = Bench(world, tmp_path, people(15), webhook_url=HOOK)
    world.sandbox.add_fault(LOST)
    async with await bench.open() as job, anyio.create_task_group() as group:
        reports = []

        async def run():
            reports.append(await job.run())

        group.start_soon(run)
        await anyio.sleep(30)
        assert states(bench.path) == ["unknown", "done", "done"], "other work does not wait"
        assert job.receive(tokens(bench)[0], payload(workflows(world)[0]))
    assert anyio.current_time() < 60
    assert reports[0].status.state == "complete"
    assert world.submits() == 3
    bench.check(unknown_at_most=0)


async def test_a_webhook_that_never_comes_is_waited_for_a_while_only(world, tmp_path):
    bench = Bench(world, tmp_path, people(15), webhook_url=HOOK)
    world.sandbox.add_fault(NEVER)
    report = await bench.run()
    assert report.status.state == "complete_with_unknown"
    assert 60 < anyio.current_time() < 60 + 3 * 40 + 15
    bench.check(unknown_at_most=1)


async def test_a_policy_is_asked_only_after_that_while(world, tmp_path):
    bench = Bench(world, tmp_path, people(5), webhook_url=HOOK)
    world.sandbox.add_fault(LOST)
    opened = await bench.open(on_unknown="resubmit", max_duplicate_credits=100)
    async with opened as job, anyio.create_task_group() as group:
        group.start_soon(job.run)
        await anyio.sleep(20)
        job.receive(tokens(bench)[0], payload(workflows(world)[0]))
    assert not world.ledger.duplicates()
    assert states(bench.path) == ["done"]


async def test_a_webhook_before_the_answer_is_kept_for_when_the_answer_is_lost(world, tmp_path):
    bench = Bench(world, tmp_path, people(5), webhook_url=HOOK)
    world.sandbox.add_fault(Fault(SUBMIT, when="after", delay_s=30, reset=True))
    async with await bench.open() as job, anyio.create_task_group() as group:
        group.start_soon(job.run)
        await anyio.sleep(10)
        assert states(bench.path) == ["sending"]
        assert job.receive(tokens(bench)[0], payload(workflows(world)[0]))
        assert states(bench.path) == ["sending"]
    assert anyio.current_time() < 60
    assert states(bench.path) == ["done"]
    bench.check(unknown_at_most=0)


@pytest.mark.parametrize("decision", ["absent", "resubmit"])
@pytest.mark.parametrize("when", ["before the run", "while the submit waits for its token"])
async def test_a_webhook_that_comes_after_the_decision_to_send_again_still_prevents_it(
    world, decision, when, tmp_path
):
    bench = Bench(world, tmp_path, people(5), webhook_url=HOOK)
    world.sandbox.add_fault(LOST)
    await bench.run()
    async with await bench.open() as job, anyio.create_task_group() as group:
        await job.resolve(1, **{decision: True})
        assert states(bench.path) == ["planned"]
        if when != "before the run":
            for _ in range(30):
                group.start_soon(world.client.public.validate_key)
            await anyio.sleep(5)
            group.start_soon(job.run)
            await anyio.sleep(5)
            assert world.submits() == 1
        job.receive(tokens(bench)[0], payload(workflows(world)[0]))
        assert states(bench.path) == ["accepted"]
        if when == "before the run":
            await job.run()
    async with await bench.open() as job:
        status = await job.status()
        assert (status.state, status.credits_at_risk) == ("complete", 0)
        assert await job.verify() == []
    assert world.submits() == 1
    bench.check(unknown_at_most=0)


async def test_early_late_and_repeated_webhooks_are_harmless(world, tmp_path):
    bench = Bench(world, tmp_path, people(10), webhook_url=HOOK)
    await bench.run()
    before = query(bench.path, "SELECT number, state, workflow_id, spent FROM chunks")
    async with await bench.open() as job:
        for _ in range(5):
            for token, workflow_id in zip(tokens(bench), workflows(world), strict=True):
                assert job.receive(token, payload(workflow_id))
                assert job.receive(token, payload("public_bulk_somebody_elses"))
    assert query(bench.path, "SELECT number, state, workflow_id, spent FROM chunks") == before
    assert (await bench.run()).status.state == "complete"
    bench.check(unknown_at_most=0)


async def test_a_webhook_that_names_the_workflow_of_another_chunk_changes_nothing(world, tmp_path):
    bench = await one_unknown(world, tmp_path, LOST, webhook_url=HOOK)
    mine, another = workflows(world)[:2]
    async with await bench.open() as job:
        assert job.receive(tokens(bench)[0], payload(another))
        assert (await job.run()).status.state == "complete_with_unknown"
        assert job.receive(tokens(bench)[0], payload(mine))
        assert (await job.run()).status.state == "complete"
        assert await job.verify() == []
    bench.check(unknown_at_most=0)


@pytest.mark.parametrize("truncate", [None, 90])
async def test_an_answer_that_names_the_workflow_of_another_chunk_is_none(world, truncate, tmp_path):
    bench = Bench(world, tmp_path, people(10))
    world.sandbox.set_credits(5)
    await bench.run(max_credits=5)
    world.sandbox.set_credits(100)
    body = {
        "workflow_id": workflows(world)[0],
        "status": "pending",
        "task_ids": [f"t{i}" for i in range(5)],
    }
    world.sandbox.add_fault(Fault(SUBMIT, when="after", status=202, body=body, truncate=truncate))
    report = await bench.run()
    assert (report.stopped_by, report.status.state) == (None, "complete_with_unknown")
    bench.check(unknown_at_most=1)


async def test_an_answer_that_names_the_workflow_of_another_call_is_none(world, tmp_path):
    await world.client.enrich(people(5, 100))
    bench = Bench(world, tmp_path, people(5))
    body = {"workflow_id": workflows(world)[0], "status": "pending", "task_ids": [f"t{i}" for i in range(5)]}
    world.sandbox.add_fault(Fault(SUBMIT, when="after", status=202, body=body))
    assert (await bench.run()).status.state == "complete_with_unknown"
    assert states(bench.path) == ["unknown"]


@each_case("body", [b"", b"{", b"[]", b"null", b'{"workflow_id": 5}', b"\xff", b'{"workflow_id": ""}'])
@pytest.mark.slow
async def test_a_webhook_with_nothing_in_it_changes_nothing(body, tmp_path):
    async with open_world() as world:
        bench = await one_unknown(world, tmp_path, LOST, webhook_url=HOOK)
        async with await bench.open() as job:
            assert job.receive(tokens(bench)[0], body)
        assert states(bench.path) == ["unknown", "done", "done"]


@pytest.mark.slow
async def test_forged_tokens_are_refused(world, tmp_path):
    bench = await one_unknown(world, tmp_path, LOST, webhook_url=HOOK)
    body = payload(workflows(world)[0])
    real = tokens(bench)[0]
    forged = [secrets.token_hex(16) for _ in range(10_000)]
    async with await bench.open() as job:
        assert not any(job.receive(token, body) for token in forged)
        for token in ("", real[:-1], real + "0", real.upper(), f" {real}", "None", "%", real[:16]):
            assert token == real or not job.receive(token, body)
    assert states(bench.path) == ["unknown", "done", "done"]
    assert not query(bench.path, "SELECT 1 FROM evidence")


async def test_every_submit_has_a_token_of_its_own(world, tmp_path):
    bench = Bench(world, tmp_path, people(15), webhook_url=HOOK)
    world.sandbox.add_fault(Fault(SUBMIT, status=429, times=2))
    await bench.run()
    sent = [json.loads(body)["webhook_url"] for body in world.bodies if b"webhook_url" in body]
    assert len(sent) == 5
    assert sent == [f"{HOOK}/{token}" for token in tokens(bench)]
    assert len(set(sent)) == 5


@pytest.mark.slow
@pytest.mark.sockets
@pytest.mark.anyio
async def test_webhooks_over_the_wire(tmp_path):
    """A receiver of a few lines, and the sandbox's own deliveries."""
    async with Sandbox(workflow_s=0.2, window_s=1.0) as sandbox:
        sandbox.add_fault(Fault(SUBMIT, when="after", reset=True, nth=2))
        async with AsyncCleanlist(sandbox.api_key, base_url=sandbox.base_url) as client:
            statuses = []

            async def receive(reader, writer):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                size = next(
                    int(line[15:])
                    for line in head.split("\r\n")
                    if line.lower().startswith("content-length:")
                )
                body = await reader.readexactly(size)
                token = head.split(" ")[1].rpartition("/")[2]
                status = 204 if job.receive(token, body) else 404
                statuses.append(status)
                writer.write(
                    f"HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
                )
                await writer.drain()

            async with tcp_server(receive) as port:
                bench = Bench(
                    type("W", (), {"client": client})(),
                    tmp_path,
                    people(15),
                    webhook_url=f"http://127.0.0.1:{port}/h",
                )
                async with await bench.open() as job:
                    report = await job.run()
                    assert report.stopped_by is None
                    assert report.status.state == "complete"
                    assert await job.verify() == []
        assert statuses
        assert set(statuses) == {204}
        assert not sandbox.ledger.duplicates()
        assert len(sandbox.ledger.contacts) == 15


# -- verify ----------------------------------------------------------------------------------------

DAMAGE = {
    "a workflow is gone": "UPDATE chunks SET workflow_id = NULL, reason = 'x' WHERE number = 1",
    "accepted twice": "INSERT INTO attempts SELECT 'x', chunk, 't', NULL, NULL, '', '', outcome, 200, '', '',"
    " '', 0 FROM attempts WHERE chunk = 1",
    "somebody else's result": "UPDATE results SET chunk = 2 WHERE place = 1",
    "a result is gone": "DELETE FROM results WHERE place = 2",
    "a duplicate too many": "INSERT INTO duplicates (place, first) VALUES (99, 0)",
    "a chunk is gone": "DELETE FROM chunks WHERE number = 3",
    "an invalid too many": "INSERT INTO reasons (reason) VALUES ('x');"
    " INSERT INTO invalid (place, why) VALUES (99, 1)",
}


@pytest.mark.scaled
@each_case("damage", some(DAMAGE))
async def test_verify_finds_planted_damage(damage, tmp_path):
    async with open_world() as world:
        bench = Bench(world, tmp_path, people(15))
        await bench.run()
        async with await bench.open() as job:
            assert await job.verify() == []
            edit(bench.path, DAMAGE[damage])
            assert await job.verify()
        with suppress(CleanlistError):  # but nothing else
            await bench.open()


@pytest.mark.slow
async def test_verify_finds_a_damaged_file(world, tmp_path):
    bench = Bench(world, tmp_path, people(100), chunk=5)
    await bench.run()
    job = await bench.open()
    async with job:
        assert await job.verify() == []
    data = bytearray(bench.path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = bytes(4096)
    bench.path.write_bytes(data)
    try:
        async with await bench.open() as job:
            assert await job.verify()
    except JournalError:
        pass
