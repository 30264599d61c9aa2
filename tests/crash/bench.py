"""A client and the server in one process, in time that jumps: every run is repeatable."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from tests.crash.clocks import JumpingLoop
from tests.crash.server import LedgerServer
from tests.crash.work import Life, write_source


class Bench:
    """One job and its server. `life` says what to run."""

    def __init__(self, place: Path, loop: JumpingLoop, mode: str = "plain") -> None:
        self.loop = loop
        self.server = LedgerServer(loop.time)
        self.complaints: list[str] = []
        self.journal = place / "run.journal"
        self.life = Life(str(self.journal), str(write_source(place)), "", mode)

    async def __aenter__(self):
        self.loop.set_exception_handler(self._complain)
        self.server.listen()
        self.life.base_url = self.server.base_url
        return self

    async def __aexit__(self, *_exc) -> None:
        await self.server.aclose()

    def _complain(self, _loop, context) -> None:
        problem = context.get("exception")
        self.complaints.append(f"{context['message']}: {problem!r}")

    def arm(self, mishaps: Mapping[str, str]) -> None:
        """Let mishaps happen to requests to come: the n-th submit, the n-th status request."""
        self.server.arm(mishaps)

    def ledger(self) -> dict:
        return self.server.ledger()

    async def settle(self) -> None:
        """Let every workflow finish."""
        await asyncio.sleep(2.0)

    def left_over_tasks(self) -> list[str]:
        """Tasks that should be gone, and what the loop complained of."""
        ours = {asyncio.current_task(), *self.server.own_tasks}
        return [*self.complaints, *(repr(task) for task in asyncio.all_tasks() if task not in ours)]

    def left_over_connections(self) -> list[str]:
        """Connections that the client should have closed."""
        return [f"open connection {connection.getpeername()}" for connection in self.server.connections]
