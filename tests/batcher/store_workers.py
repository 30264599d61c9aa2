"""Web workers with one store, whose callers come back: what is bought twice, and what is lost."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random

from cleanlist_async.sandbox import Sandbox
from tests.support.store_worker import LIMITS
from tests.support.virtual_sandbox import people

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90.0
_OTHERS = 10_000
"""Contacts from here on are for the first call of each worker, which takes longer."""


@dataclass
class Ends:
    """How a storm ended: contacts bought twice, callers of unknown outcome, and those without a result."""

    callers: int
    twice: int
    unknown: int
    lost: int


class Workers:
    """Worker processes that share a store, each with its socket in *folder*."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._folder = folder
        self._processes: list[Process] = []

    async def start(self, count: int) -> None:
        """Start so many workers, and wait until each has answered a call."""
        numbers = range(len(self._processes), len(self._processes) + count)
        for number in numbers:
            command = (
                *("-m", "tests.support.store_worker"),
                *(str(self._socket(number)), self.sandbox.base_url, str(self._folder / "store.db")),
            )
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            process = await asyncio.create_subprocess_exec(
                sys.executable, *command, cwd=ROOT, env=environment
            )
            self._processes.append(process)
        await asyncio.gather(*map(self._answers, numbers))

    async def _answers(self, number: int) -> None:
        await until(self._socket(number).exists)
        await self.ask(number, _OTHERS + number)

    async def are_accepted(self, contacts: int) -> None:
        """Wait until the server has accepted so many contacts of those that callers ask for."""
        await until(lambda: len(self.sandbox.ledger.contacts) >= 4 + contacts)

    def _socket(self, number: int) -> Path:
        return self._folder / f"{number}.sock"

    async def ask(self, number: int, contact: int) -> dict[str, str | None] | None:
        """Ask a worker for a contact; None if it went away."""
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket(number))
        except OSError:
            return None
        try:
            writer.write(f"{contact}\n".encode())
            line = await reader.readline()
        except OSError:
            return None
        finally:
            writer.close()
        return json.loads(line) if line else None

    async def kill(self, number: int) -> None:
        """End a worker as the power would."""
        process = self._processes[number]
        if process.returncode is None:
            process.kill()
        await process.wait()

    def terminate(self) -> None:
        """Ask all workers to end."""
        for process in self._processes:
            if process.returncode is None:
                process.terminate()

    async def aclose(self) -> None:
        """Kill all that are left."""
        for number in range(len(self._processes)):
            await self.kill(number)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that sends no word of it."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.02)


Call = Callable[[Workers, int, Random], Awaitable[dict[str, str | None] | None]]


async def storm(
    folder: Path,
    contacts: int,
    call: Call,
    disturb: Callable[[Workers], Awaitable[None]] | None = None,
    *,
    workflow_s: float,
    callers_each: int = 1,
) -> Ends:
    """Let callers for each contact *call* four workers, while they are disturbed."""
    rng = Random(7)
    limits = {"window_s": LIMITS.window_s, "org_limit": LIMITS.org, "key_limit": LIMITS.key}
    async with Sandbox(workflow_s=workflow_s, hit_rate=1.0, **limits) as sandbox, AsyncExitStack() as stack:
        workers = Workers(folder, sandbox)
        stack.push_async_callback(workers.aclose)
        await workers.start(4)
        async with asyncio.timeout(PATIENCE_S):
            numbers = [number for number in range(contacts) for _ in range(callers_each)]
            calls = [asyncio.ensure_future(call(workers, number, rng)) for number in numbers]
            if disturb is not None:
                await disturb(workers)
            got = await asyncio.gather(*calls)
        unknown = sum(one is not None and one.get("billed") == "unknown" for one in got)
        emails = [sandbox.expected(contact, "partial").email for contact in people(contacts)]
        right = sum(
            one is not None and one.get("email") == emails[number]
            for one, number in zip(got, numbers, strict=True)
        )
        lost = len(calls) - right - unknown
        return Ends(len(calls), len(sandbox.ledger.duplicates()), unknown, lost)


async def retry_once(workers: Workers, contact: int, rng: Random) -> dict[str, str | None] | None:
    """Call a worker, and another if it goes away or refuses."""
    first = rng.randrange(4)
    await asyncio.sleep(rng.uniform(0, 1.0))
    answer = await workers.ask(first, contact)
    if answer is None or answer.get("billed") == "no":
        return await workers.ask((first + 1) % 4, contact)
    return answer


async def killed_worker(folder: Path) -> Ends:
    """SIGKILL of 1 of 4 workers, in the middle of their callers."""

    async def disturb(workers: Workers) -> None:
        await workers.are_accepted(60)
        await workers.kill(0)

    return await storm(folder, 96, retry_once, disturb, workflow_s=4.0)


async def hang_up(workers: Workers, contact: int, rng: Random) -> dict[str, str | None] | None:
    """Call a worker, hang up when it takes too long, and come back to any worker."""
    await asyncio.sleep(rng.uniform(0, 1.0))
    try:
        async with asyncio.timeout(rng.uniform(0, 2.0)):
            return await workers.ask(rng.randrange(4), contact)
    except TimeoutError:
        await asyncio.sleep(rng.uniform(0, 3.0))
        return await workers.ask(rng.randrange(4), contact)


async def callers_who_come_back(folder: Path) -> Ends:
    """Callers who hang up and come back through any of 4 workers."""
    return await storm(folder, 225, hang_up, workflow_s=1.5)


async def crowd(folder: Path) -> Ends:
    """A thousand callers for 200 contacts."""

    async def call(workers: Workers, contact: int, rng: Random) -> dict[str, str | None] | None:
        await asyncio.sleep(rng.uniform(0, 2.0))
        return await workers.ask(rng.randrange(4), contact)

    return await storm(folder, 200, call, workflow_s=1.5, callers_each=5)


async def short_grace(folder: Path) -> Ends:
    """A shutdown that leaves workers no time, after which callers come back to new ones."""
    are_back = asyncio.Event()

    async def call(workers: Workers, contact: int, rng: Random) -> dict[str, str | None] | None:
        await asyncio.sleep(rng.uniform(0, 0.5))
        answer = await workers.ask(rng.randrange(4), contact)
        if answer is not None and answer.get("billed") != "no":
            return answer
        await are_back.wait()
        return await workers.ask(4 + rng.randrange(4), contact)

    async def disturb(workers: Workers) -> None:
        await workers.are_accepted(150)
        workers.terminate()
        await asyncio.sleep(0.2)
        for number in range(4):
            await workers.kill(number)
        await workers.start(4)
        are_back.set()

    return await storm(folder, 200, call, disturb, workflow_s=4.0)
