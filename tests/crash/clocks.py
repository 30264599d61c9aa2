"""Event loops with real sockets whose clock is not the machine's: one races, one jumps."""

from __future__ import annotations

import asyncio
import selectors
import time

SPEED = 100.0
"""Virtual seconds per second of a RacingLoop. Both processes of a test go by the same clock."""


def racing_time() -> float:
    """Virtual seconds, the same in every process of this machine."""
    return time.monotonic() * SPEED


class RacingLoop(asyncio.SelectorEventLoop):
    """A loop whose clock runs SPEED times as fast: for two processes that talk to each other."""

    def __init__(self) -> None:
        super().__init__(_RacingSelector())

    def time(self) -> float:
        return racing_time()


class _RacingSelector(selectors.DefaultSelector):
    def select(self, timeout=None):
        return super().select(timeout and timeout / SPEED)


_TICK_S = 1e-9
"""A turn takes its time: a timer set for "now and less than a rounding error" would be due for ever."""


class StuckError(RuntimeError):
    """Nothing is ready and no timer is set."""


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop that never waits: for a client and a server in one process, which makes a run repeatable.

    What one side writes on loopback, the other can read at once; so when nothing can be read, time may jump.
    `step` is called before each turn with its number, from 1.
    """

    def __init__(self, started_at: float = 0.0) -> None:
        self.now = started_at
        self.turns = 0
        self.step = None
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        if self.step is not None:
            self.turns += 1
            self.step(self.turns)
        super()._run_once()


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self, loop: JumpingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout=None):
        if ready := super().select(0):
            return ready
        if timeout is None:
            if ready := super().select(5.0):  # an answer of a thread, if anything
                return ready
            raise StuckError(f"nothing is ready and no timer is set at {self._loop.now:g} s")
        self._loop.now += timeout or _TICK_S
        return []


def run_jumping(main, *, started_at: float = 0.0):
    """Run ``main(loop)`` in a JumpingLoop and return what it returns."""
    loop = JumpingLoop(started_at)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main(loop))
