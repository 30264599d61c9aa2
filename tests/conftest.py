"""What all tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell; processes inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["tests.support.virtual_time_plugin"]

settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


@pytest.fixture(autouse=True, scope="session")
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the records of journals out of the user's home, also those of processes that tests start."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder


REAL_SERVERS = {"sandbox", "cli", "live"}
"""Folders whose tests all talk to real servers or run real processes."""
SLOW, COMMAND_LINE = {"crash", "examples"}, "cli"
"""Tests of these folders, and those with this fixture, run processes: they are slow unless marked `smoke`."""
PATIENCE_S = 600
"""Seconds after which a slow test fails; others have those of pyproject.toml."""


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    root = Path(__file__).parent
    for item in items:
        folder = item.path.relative_to(root).parts[0] if item.path.is_relative_to(root) else ""
        if folder in REAL_SERVERS:
            item.add_marker(pytest.mark.sockets)
        is_slow = folder in SLOW or COMMAND_LINE in getattr(item, "fixturenames", ())
        if is_slow and item.get_closest_marker("smoke") is None:
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("slow") is not None:
            item.add_marker(pytest.mark.timeout(PATIENCE_S))
