"""A real PostgreSQL for tests: its own folder and port, as another user where we are root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import psycopg
import pytest

from tests.support.redis_server import free_port

USER, PASSWORD = "keeper_of_receipts", "swordfish-4711"
_VERSIONS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
BIN = str(_VERSIONS[-1]) if _VERSIONS else str(Path(shutil.which("postgres") or "").parent)
_UNSAFE = ("fsync=off", "full_page_writes=off")
"""Faster, for servers that are not killed."""


def demoted() -> dict[str, object]:
    """Options of a process that must not be root: it runs as Debian's user `postgres` then."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def given_to_postgres(path: Path) -> Path:
    """Give a folder to the user that the server runs as."""
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(path, user.pw_uid, user.pw_gid)
    return path


@dataclass
class PostgresServer:
    """One server; `start` after `kill` is another life of it, with all that was committed."""

    folder: Path
    settings: tuple[str, ...] = _UNSAFE
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres", port: int = 0) -> str:
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port or self.port}/{database}"

    def create(self) -> None:
        password = self.folder / "password"
        password.write_text(PASSWORD)
        given_to_postgres(password)
        command = [f"{BIN}/initdb", "-D", str(self.folder / "data"), "-U", USER, "--no-sync", "-E", "UTF8"]
        command += ["--locale=C", "--auth=scram-sha-256", f"--pwfile={password}"]
        subprocess.run(command, check=True, cwd=self.folder, stdout=subprocess.DEVNULL, **demoted())

    def start(self) -> None:
        command = [f"{BIN}/postgres", "-D", str(self.folder / "data"), "-p", str(self.port)]
        command += ["-h", "127.0.0.1", "-k", ""]
        for setting in (*self.settings, "max_connections=60", "shared_buffers=64MB"):
            command += ["-c", setting]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, **demoted())
        for _ in range(500):
            with suppress(psycopg.OperationalError), psycopg.connect(self.url(), connect_timeout=2):
                return
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2_000:]
            time.sleep(0.02)
        raise AssertionError("PostgreSQL does not answer")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: at once and in order (SIGINT), or as a crash would (SIGQUIT)."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def execute(self, text: str, database: str = "postgres") -> list[tuple]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self) -> str:
        """Make a database, and return its name."""
        name = f"t{uuid4().hex}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make a database, give its name, and drop it."""
        name = self.new_database()
        try:
            yield name
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def schema(self) -> Iterator[str]:
        """Make a schema, which is faster than a database, and give an address where it is the only one."""
        name = f"t{uuid4().hex}"
        self.execute(f"CREATE SCHEMA {name}")
        try:
            yield f"{self.url()}?options=-csearch_path%3D{name}"
        finally:
            self.execute(f"DROP SCHEMA {name} CASCADE")

    def backends(self, database: str) -> list[int]:
        """The server's processes that serve clients of a database."""
        rows = self.execute(f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}'")
        return [pid for (pid,) in rows]


@contextmanager
def postgres_server(settings: tuple[str, ...] = _UNSAFE) -> Iterator[PostgresServer]:
    with TemporaryDirectory(prefix="cleanlist-postgres-") as name:
        server = PostgresServer(given_to_postgres(Path(name)), settings)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)


@contextmanager
def pgbouncer(server: PostgresServer, pool_size: int = 2) -> Iterator[int]:
    """Run PgBouncer in transaction mode before a server, and give its port."""
    with TemporaryDirectory(prefix="cleanlist-pgbouncer-") as name:
        folder, port = given_to_postgres(Path(name)), free_port()
        users, config = folder / "users.txt", folder / "pgbouncer.ini"
        users.write_text(f'"{USER}" "{PASSWORD}"\n')
        config.write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {users}\n"
            f"pool_mode = transaction\ndefault_pool_size = {pool_size}\nlogfile = {folder / 'log'}\n"
        )
        process = subprocess.Popen(
            ["/usr/sbin/pgbouncer", "-q", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **demoted(),
        )
        try:
            for _ in range(500):
                with suppress(psycopg.OperationalError), psycopg.connect(server.url(port=port)):
                    break
                assert process.poll() is None, (folder / "log").read_text()[-2_000:]
                time.sleep(0.02)
            yield port
        finally:
            process.terminate()
            process.wait()


def skip_without_postgres() -> None:
    """Skip where PostgreSQL or PgBouncer is not installed; where CI runs, fail."""
    missing = [name for name in ("postgres", "initdb") if not BIN or not Path(BIN, name).exists()]
    missing += [] if Path("/usr/sbin/pgbouncer").exists() else ["pgbouncer"]
    if not missing:
        return
    if os.environ.get("CI"):
        pytest.fail(f"{', '.join(missing)} not installed, and CI is to test it")
    pytest.skip(f"{', '.join(missing)} not installed")
