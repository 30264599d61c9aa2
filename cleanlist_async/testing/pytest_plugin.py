"""Fixtures for pytest, found as soon as the package is installed: a sandbox, a client of it, virtual time.

``@pytest.mark.cleanlist(workflow_s=20, hit_rate=1.0)`` gives the sandbox of a test, class or module options.
Nothing is imported before a test asks for a fixture.
"""

from __future__ import annotations

import difflib
from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from cleanlist_async.client import AsyncCleanlist
    from cleanlist_async.sandbox import ThreadedSandbox
    from cleanlist_async.testing.virtual_sandbox import VirtualSandbox

# A test that makes a few dozen calls must not wait for a minute.
_QUICK: Final[Mapping[str, Any]] = {"window_s": 1.0, "workflow_s": 0.05}


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "cleanlist(**options): options of the test's Cleanlist sandbox")


@pytest.fixture
def cleanlist_sandbox(request: pytest.FixtureRequest) -> Iterator[ThreadedSandbox]:
    """Run a Cleanlist server on a real socket, in a thread of its own; its limits are for a second."""
    from cleanlist_async.sandbox import ThreadedSandbox  # noqa: PLC0415  # only for tests that want it

    with ThreadedSandbox(**{**_QUICK, **_options(request)}) as sandbox:
        yield sandbox


@pytest.fixture
def cleanlist_client(cleanlist_sandbox: ThreadedSandbox) -> AsyncCleanlist:
    """Make a client of `cleanlist_sandbox`, which is closed with the event loop of the test."""
    return cleanlist_sandbox.client()


@pytest.fixture
def cleanlist_virtual(request: pytest.FixtureRequest) -> VirtualSandbox:
    """Make a sandbox in virtual time: ``cleanlist_virtual.run(main)`` calls ``main(client)``."""
    from cleanlist_async.testing.virtual_sandbox import VirtualSandbox  # noqa: PLC0415  # as above

    return VirtualSandbox(**_options(request))


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    from cleanlist_async.errors import ConfigurationError  # noqa: PLC0415  # as above
    from cleanlist_async.sandbox.options import Options  # noqa: PLC0415

    node: pytest.Item = request.node
    markers = list(node.iter_markers("cleanlist"))
    if any(marker.args for marker in markers):
        raise ConfigurationError("@pytest.mark.cleanlist takes options by name: cleanlist(hit_rate=1.0).")
    options = dict(ChainMap(*(dict(marker.kwargs) for marker in markers)))
    known = [field.name for field in fields(Options)]
    for name in options:
        if name not in known:
            guess = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {guess[0]}?" if guess else "; its options are those of Sandbox."
            raise ConfigurationError(f"@pytest.mark.cleanlist has an unknown option {name!r}{hint}")
    return options
