"""Async tests run in virtual time, in a `world` if they take one; the marker `anyio` is for real time."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial

import pytest

from cleanlist_async.testing import run


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Callable:
    """A sandbox and a client of it, with the options of ``@pytest.mark.world(...)``.

    As a fixture it is what opens them: only the test itself runs in their time.
    """
    from tests.support.virtual_sandbox import in_world

    return partial(in_world, **world_options(request))


def world_options(request: pytest.FixtureRequest) -> dict[str, object]:
    """Return what a test asks of its world."""
    marker = request.node.get_closest_marker("world")
    return dict(marker.kwargs) if marker else {}


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test) or pyfuncitem.get_closest_marker("anyio"):
        return None
    given = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    if "world" in given:
        open_world = given.pop("world")
        open_world(lambda opened: test(world=opened, **given))
    else:
        run(test(**given))
    return True
