"""An older SQLite, as Enterprise Linux 9 has it: everything works, or says what is needed."""

import sqlite3
from contextlib import closing

import pytest

from cleanlist_async import ConfigurationError, JournalError, RateLimiter, StoreError
from cleanlist_async.storage.sqlite_version import for_this_sqlite
from cleanlist_async.storage.store.store import Store
from tests.job.worlds import Bench
from tests.support.virtual_sandbox import people


@pytest.fixture
def is_version(monkeypatch):
    def pretend(*version):
        monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
        monkeypatch.setattr(sqlite3, "sqlite_version", ".".join(map(str, version)))

    return pretend


def strict_tables(path):
    with closing(sqlite3.connect(path)) as rows:
        return [sql for (sql,) in rows.execute("SELECT sql FROM sqlite_master") if sql and "STRICT" in sql]


async def test_a_job_runs_on_a_sqlite_that_does_not_know_strict(world, tmp_path, is_version):
    is_version(3, 34, 1)
    bench = Bench(world, tmp_path, people(30))
    report = await bench.run()
    assert report.status.state == "complete"
    assert strict_tables(bench.path) == []
    bench.check(unknown_at_most=0)


async def test_its_tables_are_strict_on_one_that_does(world, tmp_path):
    bench = Bench(world, tmp_path, people(30))
    await bench.run()
    assert len(strict_tables(bench.path)) > 5


async def test_a_sqlite_that_is_too_old_is_named_with_what_is_needed(world, tmp_path, is_version):
    is_version(3, 31, 1)
    with pytest.raises(ConfigurationError, match=r"3\.31\.1.*3\.33"):
        RateLimiter.sqlite(tmp_path / "limits.db")
    with pytest.raises(JournalError, match=r"3\.31\.1"):
        await Bench(world, tmp_path, people(3)).run()
    with pytest.raises(StoreError, match=r"3\.31\.1"):
        await Store(str(tmp_path / "store.db")).open()


def test_strict_is_left_out_wherever_it_stands(is_version):
    is_version(3, 36, 0)
    tables = "CREATE TABLE a (x TEXT) STRICT; CREATE TABLE b (y INT PRIMARY KEY) STRICT, WITHOUT ROWID;"
    tables += " CREATE TABLE c (z INT PRIMARY KEY) WITHOUT ROWID, STRICT;"
    with closing(sqlite3.connect(":memory:")) as rows:
        rows.executescript(for_this_sqlite(tables))
    assert "STRICT" not in for_this_sqlite(tables)
    assert for_this_sqlite(tables).count("WITHOUT ROWID") == 2
