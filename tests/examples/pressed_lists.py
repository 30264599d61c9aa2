"""A list of the example application that is pressed again and again, also by other processes."""

from __future__ import annotations

import signal
from pathlib import Path

import anyio

from cleanlist_async.sandbox import Sandbox
from tests.examples.running_app import CSV, finished, running, settings_for, table

CONTACTS = 300


async def press_again_and_again(folder: Path) -> tuple[int, int]:
    """Return how many contacts are bought twice, and how many rows of any list have no outcome in the end."""
    async with Sandbox(workflow_s=1.0) as sandbox:
        settings = settings_for(sandbox, folder / "store.db")
        async with running(**settings) as (application, caller):
            paths = [await _press(caller), await _press(caller)]
            with anyio.fail_after(60):
                while len(sandbox.ledger.contacts) < CONTACTS:  # noqa: ASYNC110
                    await anyio.sleep(0.01)
            await anyio.sleep(0.3)  # the answers are in the store
            application.end(signal.SIGKILL)
        async with running(**settings) as (_, caller):
            paths.append(await _press(caller))
            lists = [await finished(caller, path) for path in paths]
        statuses = [result["status"] for _, results in lists for result in results]
        done = statuses.count("found") + statuses.count("not_found")
        ledger = sandbox.ledger
        return len(ledger.contacts) - len(ledger.times_accepted()), len(paths) * CONTACTS - done


async def _press(caller) -> str:
    return (await caller.post("/lists", content=table(CONTACTS), headers=CSV)).headers["Location"]
