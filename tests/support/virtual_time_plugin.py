"""Async tests run in virtual time, in a `world` if they take one; the marker `anyio` is for real time."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from cleanlist_async.testing import run
from tests.support.cases import run_apart


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Return what tests in real time run on."""
    return "asyncio"


@pytest.fixture
def world(request: pytest.FixtureRequest) -> AbstractAsyncContextManager:
    """A sandbox and a client of it, with the options of ``@pytest.mark.world(...)``.

    It is opened in the virtual time of the test, so another fixture has it unopened.
    """
    from tests.support.virtual_sandbox import open_world

    return open_world(**world_options(request))


def world_options(request: pytest.FixtureRequest) -> dict[str, object]:
    """Return what a test asks of its world."""
    marker = request.node.get_closest_marker("world")
    return dict(marker.kwargs) if marker else {}


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test) or pyfuncitem.get_closest_marker("anyio"):
        return None
    fixtures = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    if "world" in fixtures:
        run(_in_world(test, **fixtures))
    else:
        run_apart(test, run, **fixtures)
    return True


async def _in_world(test: Callable, world: AbstractAsyncContextManager, **fixtures: object) -> None:
    async with world as opened:
        await test(world=opened, **fixtures)
