"""A real Redis (or Valkey) for tests: a free loopback port, its own directory, ended by its pid."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cleanlist_async.ratelimit import RateLimits
from cleanlist_async.ratelimit.shared.backend import lease_s

PROGRAMS = [name for name in ("redis-server", "valkey-server") if shutil.which(name)]


HIGHEST_PORT = 55_000
"""A server of a cluster talks to others 10,000 higher."""


def free_port() -> int:
    while True:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = int(listener.getsockname()[1])
        if port < HIGHEST_PORT:
            return port


@dataclass
class RedisServer:
    """One server; `start` after `kill` is another life of it, with what `options` let it keep."""

    program: str
    directory: Path
    options: tuple[str, ...] = ("--save", "")
    port: int = field(default_factory=free_port)
    password: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{f':{self.password}@' if self.password else ''}127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        return redis.Redis(
            port=self.port, password=self.password or None, socket_timeout=5, retry=Retry(NoBackoff(), 0)
        )

    def start(self) -> None:
        command = [
            self.program,
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(self.directory),
        ]
        if self.password:
            command += ["--requirepass", self.password]
        self.process = subprocess.Popen(
            [*command, *self.options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        with self.client() as client:
            for _ in range(500):
                with suppress(redis.ConnectionError):
                    client.ping()
                    return
                assert self.process.poll() is None, f"{self.program} did not start"
                time.sleep(0.02)
        raise AssertionError(f"{self.program} does not answer")

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End it as the power would."""
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        self.kill()
        self.start()


@contextmanager
def redis_server(program: str = "redis-server", **options: object) -> Iterator[RedisServer]:
    with TemporaryDirectory() as directory:
        server = RedisServer(program, Path(directory), **options)  # type: ignore[arg-type]
        server.start()
        try:
            yield server
        finally:
            server.kill()


def wait_until_old_enough(url: str, limits: RateLimits) -> None:
    """Wait until a server has been up for as long as it would be suspected of having just lost its data."""
    with redis.Redis.from_url(url) as client:
        while client.info("server")["uptime_in_seconds"] <= lease_s(limits) + limits.window_s + 1:
            time.sleep(0.1)


def skip_without(program: str) -> None:
    """Skip where the program is not installed; where CI runs, fail."""
    if program in PROGRAMS:
        return
    if os.environ.get("CI") and program == "redis-server":
        pytest.fail(f"{program} is not installed, and CI is to test it")
    pytest.skip(f"{program} is not installed")
