"""Async tests run in virtual time, in a `world` if they take one; the marker `anyio` is for real time."""

from __future__ import annotations

import functools
import inspect
from collections import ChainMap
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from cleanlist_async.testing import run
from tests.support.cases import run_apart


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Return what tests in real time run on."""
    return "asyncio"


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    """The file of the store of a `world` that has one."""
    return tmp_path / "store.db"


@pytest.fixture
def world(request: pytest.FixtureRequest) -> AbstractAsyncContextManager:
    """A sandbox and a client of it, with the options of ``@pytest.mark.world(...)``.

    It is opened in the virtual time of the test, so another fixture has it unopened. ``with_store=True`` is
    among these options, and gives the client a store in `store_path`.
    """
    from tests.support.virtual_sandbox import open_world

    options = world_options(request)
    if options.pop("with_store", False):
        options["store"] = request.getfixturevalue("store_path")
    return open_world(**options)


def world_options(request: pytest.FixtureRequest) -> dict[str, object]:
    """Return what a test, its class and its module ask of its world."""
    return dict(ChainMap(*(marker.kwargs for marker in request.node.iter_markers("world"))))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    test = pyfuncitem.obj
    _run_each_example(test, pyfuncitem)
    if not inspect.iscoroutinefunction(test) or pyfuncitem.get_closest_marker("anyio"):
        return None
    fixtures = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    if "world" in fixtures:
        run(_in_world(test, **fixtures))
    else:
        run_apart(test, run, **fixtures)
    return True


def _run_each_example(test: Callable, item: pytest.Function) -> None:
    """Let each example of an async property have a loop of its own."""
    handle = getattr(test, "hypothesis", None)
    if handle is None or item.get_closest_marker("anyio"):
        return
    inner = handle.inner_test
    if inspect.iscoroutinefunction(inner):
        handle.inner_test = functools.wraps(inner)(lambda **given: run(inner(**given)))


async def _in_world(test: Callable, world: AbstractAsyncContextManager, **fixtures: object) -> None:
    async with world as opened:
        await test(world=opened, **fixtures)
