"""What the tests of the command line share: ways to run it, a sandbox in a thread, a file of people."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from cleanlist_async.cli.app import run_guarded
from cleanlist_async.ratelimit import limiter
from cleanlist_async.sandbox import Sandbox

KEY = "clapi_secret_5f2c0e9b7d"
ROOT = Path(__file__).parents[2]
FAST = ("--window-s", "0.5")
HEADERS = ["First Name", "Last Name", "Company", "Website", "LinkedIn URL", "Notes"]
ROWS = [["Ada", "Love", "Engines", "engine.example", "", ""], ["Bob", "Low", "Locks", "lock.example", "", ""]]


class Finished:
    """What a command printed, and its exit code. Whatever it did, it showed no key and no traceback."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        assert KEY not in out + err
        assert "Traceback" not in out + err

    @property
    def error(self) -> str:
        lines = [line for line in self.err.splitlines() if line.startswith("error:")]
        assert len(lines) == 1, self.err
        return lines[0]


class CommandLine:
    """Runs the command line in a folder: calling it runs it within this process, which is faster."""

    def __init__(
        self,
        folder: Path,
        module: str = "cleanlist_async",
        main: Callable[[Sequence[str]], int] = run_guarded,
    ) -> None:
        self.folder = folder
        self._module, self._main = module, main
        self._started: list[subprocess.Popen[str]] = []
        of_network = ("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy")
        self.env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("CLEANLIST_") and name not in of_network
        }
        self.env["COLUMNS"] = "200"
        self.env["XDG_CACHE_HOME"] = str(folder / "cache")
        # Of each test its own, since a later sandbox may have the port of an earlier one.
        self.data = folder.with_name(f"{folder.name}-data")
        self.env["XDG_DATA_HOME"] = str(self.data)
        self.env["PYTHONPATH"] = str(ROOT)

    def use(self, sandbox: Sandbox) -> None:
        self.env |= {"CLEANLIST_API_KEY": KEY, "CLEANLIST_BASE_URL": sandbox.base_url}

    def start(self, *args: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """Start a process of its own."""
        command = [sys.executable, "-m", self._module, *map(str, args)]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.env,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """End whatever a failed test left running."""
        for process in self._started:
            with process:
                process.kill()

    def finish(self, process: subprocess.Popen[str]) -> Finished:
        try:
            out, err = process.communicate(timeout=150)
            return Finished(process.returncode, out, err)
        finally:
            process.kill()

    def __call__(self, *args: str) -> Finished:
        """Run within this process, with the folder, environment and streams of a process of its own."""
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="", write_through=True) for _ in "oe")
        with pytest.MonkeyPatch.context() as patch, Path(os.devnull).open() as nothing:
            patch.chdir(self.folder)
            patch.setattr(sys, "stdin", nothing)
            for of_process in ("_shared", "_users", "_recent"):  # those of another process
                patch.setattr(limiter, of_process, type(getattr(limiter, of_process))())
            for name in os.environ.keys() - self.env.keys():
                patch.delenv(name)
            for name, value in self.env.items():
                patch.setenv(name, value)
            with redirect_stdout(out), redirect_stderr(err):
                code = self._main([*map(str, args)])
        return Finished(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))

    def apart(self, *args: str) -> Finished:
        """Run as a process of its own, where that is the point."""
        return self.finish(self.start(*args))

    def json(self, *args: str, code: int = 0) -> dict[str, object]:
        """Run with ``--json``, and return the one object on standard output."""
        done = self(*args, "--json")
        assert done.code == code, done.err
        return json.loads(done.out)

    def answer(self, says: str, *args: str) -> Finished:
        """Run at a terminal, where somebody answers."""
        ours, theirs = pty.openpty()
        try:
            process = self.start(*args, stdin=theirs)
            os.write(ours, says.encode())
            return self.finish(process)
        finally:
            os.close(ours)
            os.close(theirs)

    def write(self, rows, name="in.csv", headers=HEADERS) -> list[list[str]]:
        rows = [[str(cell) for cell in row] for row in rows]
        with (self.folder / name).open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([headers, *rows] if headers else rows)
        return rows

    def read(self, name="out.csv") -> list[list[str]]:
        with (self.folder / name).open(newline="", encoding="utf-8") as stream:
            return list(csv.reader(stream))

    def results(self, name="out.csv") -> list[dict[str, str]]:
        header, *rows = self.read(name)
        return [dict(zip(header, row, strict=True)) for row in rows]


@contextmanager
def running(**options):
    """A sandbox in a thread of its own; leaving it, or ``halt()``, closes it for good."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    sandbox = Sandbox(api_keys=(KEY,), **({"window_s": 0.5, "workflow_s": 0.05} | options))

    def call(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)

    call(sandbox.start())
    sandbox.halt = lambda: call(sandbox.aclose())
    try:
        yield sandbox
    finally:
        sandbox.halt()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


def check_results(cli, sandbox, given, name="out.csv", kind="partial"):
    """Every row of the file against what the sandbox says, cells and order included."""
    _, *rows = cli.read(name)
    assert [row[: len(given[0])] for row in rows] == given
    for row in cli.results(name):
        contact = {
            "first_name": row["First Name"],
            "last_name": row["Last Name"],
            "company_name": row["Company"],
            "company_domain": "engine.example" if row["Website"] else "",
            "linkedin_url": row["LinkedIn URL"],
        }
        truth = sandbox.expected(contact, kind)
        assert row["cleanlist_status"] == ("found" if truth.successful else "not_found")
        assert row["cleanlist_email"] == (truth.email or "")
        assert row["cleanlist_phones"] == "; ".join(truth.phones)


def new_list(cli, name="Prospects") -> str:
    return cli("list", "create", name).out.strip()


def until(condition) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
