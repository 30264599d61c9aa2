"""The world of the modern surface."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest

from tests.support.modern_world import modern_world
from tests.support.virtual_time_plugin import world_options


@pytest.fixture
def version() -> str:
    return "v2"


@pytest.fixture
def world(request: pytest.FixtureRequest, version: str) -> AbstractAsyncContextManager:
    """A sandbox and a client of it that speaks *version*, without a limit in the way."""
    return modern_world(version, **world_options(request))
