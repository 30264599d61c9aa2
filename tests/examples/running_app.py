"""The example application as a server of its own, and a caller of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import httpx

from cleanlist_async.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "fastapi_app"
CSV = {"Content-Type": "text/csv"}


class Application:
    """A running server: its address, and what it printed once it has ended."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process = process
        self.address = address
        self.printed = ""

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            if how is signal.SIGKILL:  # its workers too, which would not notice
                os.killpg(self.process.pid, how)
            else:
                self.process.send_signal(how)
        self.printed, _ = self.process.communicate(timeout=60)
        return self.process.returncode


def settings_for(sandbox: Sandbox, store: Path | str) -> dict[str, str]:
    """Return the environment that leads to a server, and to a store of ours."""
    return {
        "CLEANLIST_API_KEY": sandbox.api_key,
        "CLEANLIST_BASE_URL": sandbox.base_url,
        "CLEANLIST_STORE": str(store),
    }


@contextmanager
def started(port: int, *, folder: Path = FOLDER, workers: int = 1, **settings: str):
    """A server that is starting, of the application in `app.py` of a folder."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CLEANLIST_")}
    process = subprocess.Popen(
        [
            sys.executable,
            "-W",
            "error",
            "-m",
            "uvicorn",
            "--app-dir",
            str(folder),
            "app:app",
            f"--port={port}",
            *([] if workers == 1 else [f"--workers={workers}"]),
        ],
        env=inherited | {"PYTHONPATH": str(ROOT)} | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    application = Application(process, f"http://127.0.0.1:{port}")
    try:
        yield application
    finally:
        application.end(signal.SIGKILL)


@asynccontextmanager
async def running(port: int | None = None, *, workers: int = 1, **settings: str):
    """A server that answers, and a caller of it."""
    with started(port or free_port(), workers=workers, **settings) as application:
        async with httpx.AsyncClient(base_url=application.address, verify=False, timeout=60) as caller:
            with anyio.fail_after(60):
                while not await answers(caller):  # it is another process
                    assert application.process.poll() is None, application.process.communicate()
                    await anyio.sleep(0.05)
            yield application, caller


async def answers(caller: httpx.AsyncClient) -> bool:
    try:
        return (await caller.get("/health")).status_code == 200
    except httpx.TransportError:
        return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


async def finished(caller: httpx.AsyncClient, path: str) -> tuple[dict[str, object], list[dict[str, object]]]:
    """The last progress of a list, and all its results, read page by page."""
    with anyio.fail_after(60):
        while (progress := (await caller.get(path)).json())["state"] == "running":  # noqa: ASYNC110
            await anyio.sleep(0.05)
    results: list[dict[str, object]] = []
    after: int | None = -1
    while after is not None:
        page = (await caller.get(f"{path}/results", params={"after": after})).json()
        results += page["results"]
        after = page["next"]
    return progress, results


def table(count: int) -> str:
    rows = (f"Grace{number},Hopper,navy.example" for number in range(count))
    return "\n".join(("First Name,Last Name,Website", *rows))
