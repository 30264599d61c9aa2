"""The databases that `benchmarks.store` measures: how they are started, filled, and made to stand still."""

from __future__ import annotations

import os
import signal
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from tests.support.postgres_server import BIN, PostgresServer, postgres_server
from tests.support.store_owners import ORGANIZATION
from tests.support.tcp_proxy import TCPProxy, tcp_proxy

HALF_MS = 0.0005
RESULT = '{"status":"found","email":"someone@company.example","credits":1.0}'

FILL = {
    "SQLite": """
        WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last)
        INSERT INTO cleanlist_purchases (organization, digest, type, result, settled_at)
        SELECT :organization, printf('%08x%024x', i * 429, i), 'partial', :result, 1700000000 + i FROM n""",
    "PostgreSQL": """
        INSERT INTO cleanlist_purchases (organization, digest, type, result, settled_at)
        SELECT %(organization)s, lpad(to_hex(i * 429), 8, '0') || lpad(to_hex(i), 24, '0'), 'partial',
            %(result)s, 1700000000 + i
        FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n(i)""",
}
"""Digests in ascending order, all over the range: in a random order it would take hours."""

Fill = Callable[[int, int], None]


class Database:
    """An empty store, how it is filled and made to stand still, and the network before it, if there is one."""

    def __init__(
        self, name: str, url: str, fill: Fill, still: Callable[[], object], proxy: TCPProxy | None = None
    ) -> None:
        self.name, self.url, self.fill, self.still, self.proxy = name, url, fill, still, proxy


@contextmanager
def databases(folder: str | None) -> Iterator[list[Database]]:
    """Start all that there are; PostgreSQL as safe as it is by default."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        path = Path(name, "store.db")
        file = Database("SQLite", f"sqlite:///{path}", filler_of_file(path), lambda: locked(path))
        if not BIN:
            yield [file]
            return
        with servers() as others:
            yield [file, *others]


@contextmanager
def servers() -> Iterator[list[Database]]:
    with postgres_server(settings=()) as server:
        with server.database() as near, server.database() as far, tcp_proxy(server.port) as proxy:
            proxy.delay_s = HALF_MS
            yield [
                Database("PostgreSQL", server.url(near), filler_of(server, near), lambda: stopped(server)),
                Database(
                    "PostgreSQL, 1 ms away",
                    server.url(far, proxy.port),
                    filler_of(server, far),
                    lambda: stopped(server),
                    proxy,
                ),
            ]


def filler_of_file(path: Path) -> Fill:
    def fill(first: int, last: int) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            values = {"first": first, "last": last, "organization": ORGANIZATION, "result": RESULT}
            connection.execute(FILL["SQLite"], values)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    return fill


def filler_of(server: PostgresServer, database: str) -> Fill:
    import psycopg  # noqa: PLC0415  # of an extra

    def fill(first: int, last: int) -> None:
        with psycopg.connect(server.url(database), autocommit=True) as connection:
            values = {"first": first, "last": last, "organization": ORGANIZATION, "result": RESULT}
            connection.execute(FILL["PostgreSQL"], values)
            connection.execute("VACUUM ANALYZE cleanlist_purchases")
            connection.execute("CHECKPOINT")

    return fill


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def stopped(server: PostgresServer) -> Iterator[None]:
    pids = [server.process.pid if server.process else 0]
    pids += [
        pid for (pid,) in server.execute("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    ]
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        if number == signal.SIGSTOP:
            yield
