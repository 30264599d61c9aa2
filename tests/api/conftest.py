"""The world of the modern surface."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.support.modern_world import modern
from tests.support.virtual_time_plugin import world_options


@pytest.fixture
def version() -> str:
    return "v2"


@pytest.fixture
def world(request: pytest.FixtureRequest, version: str) -> Callable:
    """A sandbox and a client of it that speaks *version*, without a limit in the way."""
    return partial(modern, version=version, **world_options(request))
