"""Real processes: a child that may be killed at any line, and a server that survives it."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cleanlist_async
from tests.crash.clocks import RacingLoop, racing_time
from tests.crash.server import LedgerServer
from tests.crash.work import Life, live

_PACKAGE = Path(cleanlist_async.__file__).parent
JOB = (str(_PACKAGE / "job"),)
"""The code of the job and its journal."""
RECORD = tuple(str(_PACKAGE / "job" / "journal" / name) for name in ("lock.py", "journal.py"))
"""The code that raises the generation of the journal, and then writes its record."""
PATH_OF_A_REQUEST = (*JOB, str(_PACKAGE / "http"))
"""The same, and the way of a request to the wire."""
_PATIENCE_S = 60.0


@dataclass
class Death:
    """How a child ended: `report` of one that came to its end, `place` of one to which something happened.

    `in_flight` counts submits on their way then, where that was told.
    """

    signal: int
    report: dict | None
    place: str | None
    in_flight: int = 0
    stderr: str = ""


class Child:
    """A forked process; what it writes to its pipe is read at its end."""

    def __init__(self, work: Callable[[int], None]) -> None:
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reading)
            status = 1
            try:
                work(writing)
                status = 0
            except BaseException:  # noqa: BLE001  # whatever it is, the parent must hear of it
                os.write(writing, json.dumps({"error": traceback.format_exc()[-3_000:]}).encode() + b"\n")
            finally:
                os._exit(status)
        os.close(writing)
        self._reading = reading

    def end(self, patience_s: float = _PATIENCE_S) -> Death:
        """Wait for it; kill it if it does not end."""
        told, until = b"", time.monotonic() + patience_s
        while select.select([self._reading], [], [], max(0.0, until - time.monotonic()))[0]:
            if not (more := os.read(self._reading, 65_536)):
                break
            told += more
        else:
            os.kill(self.pid, signal.SIGKILL)
            told += b'{"error": "it hangs"}\n'
        os.close(self._reading)
        _, status = os.waitpid(self.pid, 0)
        lines = [json.loads(line) for line in told.splitlines()]
        report = next((line for line in lines if "place" not in line), None)
        struck = next((line for line in lines if "place" in line), {})
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        return Death(number, report, struck.get("place"), struck.get("in_flight", 0))


def run_life(
    life: Life,
    *,
    kill_at: int = 0,
    kill_after_s: float | None = None,
    wait_for: int | None = None,
    file_bytes: int | None = None,
    counted: tuple[str, ...] = PATH_OF_A_REQUEST,
) -> Child:
    """Fork a process that runs the job; it kills itself at the so-many-th executed line, or after a while.

    `kill_at` 0 counts lines and kills at none; -1 does not even count. Only lines of `counted` files count.
    `wait_for` is a pipe that says when to begin. `file_bytes`: no file of the process can grow beyond it.
    """

    def work(pipe: int) -> None:
        if wait_for is not None:
            os.read(wait_for, 2)
        if file_bytes is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write fails instead of ending the process
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
        counter = LineCounter(kill_at, pipe, counted)
        if kill_at >= 0:
            counter.begin()
        with asyncio.Runner(loop_factory=RacingLoop) as runner:
            if kill_after_s is not None:
                runner.get_loop().call_later(kill_after_s, os.kill, os.getpid(), signal.SIGKILL)
            report = runner.run(live(life))
        sys.settrace(None)
        os.write(pipe, json.dumps({**report, "lines": counter.count}).encode() + b"\n")

    return Child(work)


class LineCounter:
    """Counts the executed lines of some files in all threads, and ends the process at one of them.

    Before that it writes to a pipe where it was, with what *more* returns.
    """

    def __init__(
        self, kill_at: int, pipe: int, counted: tuple[str, ...], more: Callable[[], dict] = dict
    ) -> None:
        self.count = 0
        self._more = more
        self._counted = counted
        self._kill_at = kill_at
        self._pipe = pipe

    def begin(self) -> None:
        """Count from now on."""
        threading.settrace(self._on_call)
        sys.settrace(self._on_call)

    def _on_call(self, frame, event, _arg):
        return self._on_line if frame.f_code.co_filename.startswith(self._counted) else None

    def _on_line(self, frame, event, _arg):
        if event == "line":
            self.count += 1
            if self.count == self._kill_at:
                place = f"{Path(frame.f_code.co_filename).relative_to(_PACKAGE)}:{frame.f_lineno}"
                os.write(self._pipe, json.dumps({"place": place, **self._more()}).encode() + b"\n")
                os.kill(os.getpid(), signal.SIGKILL)
        return self._on_line


class ServerProcess:
    """A LedgerServer in a process of its own, asked over a socket."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            try:
                with asyncio.Runner(loop_factory=RacingLoop) as runner:
                    runner.run(_serve(theirs))
            finally:
                os._exit(0)
        theirs.close()
        self._socket = ours
        self._lines = ours.makefile("rb")
        self.base_url = self.ask("address")

    def ask(self, what: str, **more):
        """Ask, and wait for the answer."""
        self._socket.sendall(json.dumps({"what": what, **more}).encode() + b"\n")
        return json.loads(self._lines.readline())

    def close(self) -> None:
        """End the process."""
        self._lines.close()
        self._socket.close()
        os.waitpid(self.pid, 0)

    def __enter__(self):
        return self

    def __exit__(self, *_exc) -> None:
        self.close()


async def _serve(control: socket.socket) -> None:
    server = LedgerServer(racing_time)
    server.listen()
    reader, writer = await asyncio.open_connection(sock=control)
    while line := await reader.readline():
        asked = json.loads(line)
        answer = await _answer(server, asked.pop("what"), asked)
        writer.write(json.dumps(answer).encode() + b"\n")
    await server.aclose()


async def _answer(server: LedgerServer, what: str, asked: dict):
    if what == "address":
        return server.base_url
    if what == "reset":
        server.reset(**asked)
        return None
    if what == "calm":
        server.arm({})
    for _ in range(2_000):  # what the dead left behind in the sockets is still carried out
        if not server.busy and not server.connections:
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(2.0)  # workflows take 1 s, and are charged at their end
    return server.ledger()
