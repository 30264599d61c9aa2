"""What all tests share."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import HealthCheck, settings

from cleanlist_async.ratelimit import limiter

if TYPE_CHECKING:
    from tests.support.postgres_server import PostgresServer

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell; processes inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Compiling takes longer than most tests: workers, processes and later runs share what one of them compiled.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
gc.disable()  # until all is imported and collected: what it would search is kept

pytest_plugins = ["tests.support.virtual_time_plugin"]

ROOT = Path(__file__).parent
MEMORY, ROOM = Path("/dev/shm"), 2**30
"""A file system in memory, and the bytes it must have free to hold what tests write."""
if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM:
    # Journals wait for the disk at each step. pytest has asked for the folder before, which is remembered.
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

# How long an example takes says how busy the machine is.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("part", UNTIMED, max_examples=20)
settings.register_profile("whole", UNTIMED)


def pytest_configure(config: pytest.Config) -> None:
    """Try a part of the examples of each property by default, and all of them where slow tests run.

    Properties and what is marked `scaled` count as slow there, so that all of them is run by `-m slow` too.
    """
    settings.load_profile("whole" if _runs_slow_tests(config) else "part")


def pytest_collection(session: pytest.Session) -> None:
    """Let each worker begin with modules of its own, so that it finds the others compiled."""
    worker = getattr(session.config, "workerinput", None)
    if worker is None:
        return
    folders = [Path(arg) for arg in session.config.args if Path(arg).is_dir()]
    files = sorted(file for folder in folders for file in folder.rglob("test_*.py"))
    for file in files[int(worker["workerid"].removeprefix("gw")) :: worker["workercount"]]:
        with suppress(Exception, pytest.skip.Exception):  # which are told when it is collected
            import_module(".".join(file.resolve().relative_to(ROOT.parent).with_suffix("").parts))


def _is_property(item: pytest.Item) -> bool:
    return hasattr(getattr(item, "obj", None), "hypothesis")


def _runs_slow_tests(config: pytest.Config) -> bool:
    return "not slow" not in config.option.markexpr


@pytest.fixture(autouse=True, scope="session")
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the records of journals and the store out of the user's home, also those of started processes."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        patch.setenv("DLT_DATA_DIR", str(tmp_path_factory.mktemp("dlt")))
        patch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
        yield folder


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Undo what a framework sets: Litestar has the root logger write every line of INFO."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture(autouse=True)
def nothing_of_earlier_tests(state_folder: Path) -> None:
    """Forget their journals, whose folders pytest may give to this test, and clients not yet collected."""
    shutil.rmtree(state_folder / "cleanlist-async", ignore_errors=True)
    limiter._users.clear()
    limiter._recent.clear()


@pytest.fixture(autouse=True, scope="session")
def certificates_read_once() -> Iterator[None]:
    """Share what clients know of certificates: reading them takes 20 ms, more than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx, "create_ssl_context", lru_cache(httpx.create_ssl_context))
        yield


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave what was imported and collected, most of the heap, out of each later search for garbage."""
    gc.enable()
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that tests share. They are skipped where there is none, and fail where CI runs."""
    from tests.support.postgres_server import postgres_server, skip_without_postgres

    skip_without_postgres()
    with postgres_server() as server:
        yield server


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    """The name of an empty database in the PostgreSQL of the tests."""
    with postgres.database() as name:
        yield name


@pytest.fixture(scope="session")
def pgbouncer_port(postgres: PostgresServer) -> Iterator[int]:
    """The port of a PgBouncer before the PostgreSQL of the tests."""
    from tests.support.postgres_server import pgbouncer

    with pgbouncer(postgres) as port:
        yield port


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=[pytest.mark.sockets, pytest.mark.slow]),
        pytest.param("pgbouncer", marks=[pytest.mark.sockets, pytest.mark.slow]),
    ]
)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty store, in each database in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    if request.param == "postgres":
        with server.schema() as url:
            yield url
        return
    with server.database() as name:  # PgBouncer passes no search path on
        yield server.url(name, request.getfixturevalue("pgbouncer_port"))


REAL_SERVERS = {"sandbox", "cli", "live"}
"""Folders whose tests all talk to real servers or run real processes."""
SLOW_FOLDERS, SLOW_FIXTURES = {"crash", "examples"}, {"cli", "postgres"}
"""Tests of these folders, or with these fixtures, run processes: they are slow unless marked `smoke`."""
PATIENCE_S = 600
"""Seconds after which a slow test fails; others have those of pyproject.toml."""


def pytest_xdist_auto_num_workers() -> int | None:
    """Use half as many workers again as processors: many tests wait, for a window or a process."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else (os.cpu_count() or 1) * 3 // 2


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their markers
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    whole = _runs_slow_tests(config)
    for item in items:
        folder = item.path.relative_to(ROOT).parts[0] if item.path.is_relative_to(ROOT) else ""
        if folder in REAL_SERVERS:
            item.add_marker(pytest.mark.sockets)
        is_slow = (
            folder in SLOW_FOLDERS
            or not SLOW_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
            or (whole and (_is_property(item) or item.get_closest_marker("scaled") is not None))
        )
        if is_slow and item.get_closest_marker("smoke") is None:
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("slow") is not None:
            item.add_marker(pytest.mark.timeout(PATIENCE_S))
