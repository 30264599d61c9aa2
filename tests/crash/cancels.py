"""Cancellation at every step of the event loop: nothing lost, nothing twice, nothing unknown, nothing leaked.

::

    python -m tests.crash.cancels --stride 1 --jobs 2
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from cleanlist_async.job.journal.lock import JournalLock
from tests.crash.auditor import audit, counts
from tests.crash.bench import Bench
from tests.crash.clocks import run_jumping
from tests.crash.figures import EVERY, finish, folder, guarded, options_of, spread
from tests.crash.work import CONTACTS, live, open_client, open_job

SHAPES = ("run", "iterate", "leave")
"""`job.run()`, `async for` over the job, and the same in a client that is closed while the job runs."""


def main(arguments: list[str] | None = None) -> int:
    options = options_of(
        "cancels", arguments, modes="plain,tracked", shapes=",".join(SHAPES), only=0, jobs=2, **EVERY
    )
    started, figure, failures = time.monotonic(), {"what": "cancellation at loop steps"}, []
    for mode in options.modes.split(","):
        for shape in options.shapes.split(","):
            steps = count_steps(mode, shape)
            positions = (
                [options.only] if options.only else range(1 + options.first, steps + 1, options.stride)
            )
            cases = spread([(mode, shape, at) for at in positions], cancel_at, options.jobs)
            figure[f"{mode} {shape}"] = {
                "positions": sum(case["cancelled"] for case in cases),
                "dup": sum(case["dup"] for case in cases),
                "lost": sum(case["lost"] for case in cases),
                "unknown": sum(case["unknown"] for case in cases),
                "leaks": sum(len(case["leaks"]) for case in cases),
            }
            failures += [case for case in cases if case["problem"]]
    return finish(figure, failures, started)


def count_steps(mode: str, shape: str) -> int:
    """Count the steps of a run that nobody disturbs."""
    with folder() as place:
        return run_jumping(lambda loop: _run(loop, Path(place), mode, shape, 0))["steps"]


def cancel_at(cases: Iterable[tuple[str, str, int]]) -> Iterable[dict]:
    for mode, shape, step in cases:
        with folder() as place:
            main = partial(_run, place=Path(place), mode=mode, shape=shape, step=step)
            found = guarded(partial(run_jumping, main), cancelled=True, leaks=[])
        command = f"python -m tests.crash.cancels --modes {mode} --shapes {shape} --only {step}"
        yield {"at": step, "command": command, **found}


async def _run(loop, place: Path, mode: str, shape: str, step: int) -> dict:
    """Cancel a run at a step, audit what it left, resume it, and audit that."""
    async with Bench(place, loop, mode) as bench:
        tokens: list[int] = []
        running = [loop.create_task(_work(bench, shape, tokens))]

        def on_step(turn: int) -> None:
            if turn == step:
                running[0].cancel()

        loop.turns, loop.step = 0, on_step
        with suppress(asyncio.CancelledError):
            await running[0]
        loop.step = None
        steps, cancelled = loop.turns, running.pop().cancelled()
        if step == 0:
            return {"steps": steps}
        gc.collect()  # so that what was never awaited is heard of
        for _ in range(3):
            await asyncio.sleep(0)
        leaks = bench.left_over_tasks() + [f"{count} tokens" for count in tokens if count]
        leaks += ["the journal's lock"] if JournalLock(bench.journal).is_taken else []
        await asyncio.sleep(0.1)  # until the server has heard of what was closed
        leaks += bench.left_over_connections()
        await bench.settle()
        left = audit(bench.journal, bench.ledger(), CONTACTS)
        report = await live(bench.life)
        await bench.settle()
        end = audit(bench.journal, bench.ledger(), CONTACTS, over=not left.unknown)
        problems = [*left.problems, *end.problems, *report["verify"], *leaks]
        found = counts(left, end)
        gc.collect()
        problems += [heard for heard in bench.complaints if heard not in leaks]
        if any(found.values()):
            problems.append(str(found))
        if report["state"] != "complete":
            problems.append(f"the resumed job is {report['state']}: {report['stopped_by']}")
        return {**found, "cancelled": cancelled, "leaks": leaks, "problem": "; ".join(problems)[-1_500:]}


async def _work(bench: Bench, shape: str, tokens: list[int]) -> None:
    if shape == "run":
        await live(bench.life)
        return
    client = open_client(bench.life.base_url)
    try:
        async with client, await open_job(client, bench.life) as job:
            async for result in job:
                if shape == "leave" and result.index == 0:
                    await client.aclose()
    except Exception:  # what a closed client raises is tested elsewhere
        if shape != "leave":
            raise
    finally:
        tokens += [bucket.in_flight for bucket in client.statistics().buckets]


if __name__ == "__main__":
    sys.exit(main())
