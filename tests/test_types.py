"""Every type that a user meets can be imported from a stable name, and is loaded when it is asked for."""

import subprocess
import sys
from importlib import import_module

import pytest

from cleanlist_async.errors import CleanlistError
from cleanlist_async.ratelimit.shared.backend import BackendUnavailableError
from tests.support.cases import each_case
from tests.support.examples import some
from tests.support.public_surface import STABLE, importable, missing_types

LAZY = ("cleanlist_async", "cleanlist_async.types", "cleanlist_async.events", "cleanlist_async.testing")


@pytest.mark.slow
def test_every_type_of_a_public_signature_is_importable_from_a_stable_name():
    assert missing_types(importable()) == {}, "add them to cleanlist_async/types.py"


@pytest.mark.scaled
@each_case(
    "name",
    some(["Lead", "BulkStatus", "Receipt", "Pilot", "Whoami", "EnrichmentType", "TableFormat", "Event"]),
)
def test_a_type_that_is_not_offered_is_found(name):
    offered = importable()
    del offered[name]
    assert name in missing_types(offered)


def test_every_error_is_importable_from_a_stable_name():
    for module in STABLE:
        import_module(module)
    kinds, left = set(), [CleanlistError]
    while left:
        left += (found := left.pop().__subclasses__())
        kinds.update(kind for kind in found if kind.__module__.startswith("cleanlist_async"))
    kinds.discard(BackendUnavailableError)  # between a limiter and its store
    offered = importable()
    assert {kind.__name__ for kind in kinds if kind not in offered.get(kind.__name__, ())} == set()


@each_case("name", LAZY)
def test_a_lazy_module_lists_and_loads_its_names(name):
    module = import_module(name)
    assert {*module.__all__} <= {*dir(module)}
    for public in module.__all__:
        assert getattr(module, public) is vars(module)[public]


@each_case("name", LAZY)
def test_a_name_that_a_lazy_module_does_not_have_is_an_attribute_error(name):
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'Nothing'"):
        import_module(name).Nothing  # noqa: B018


@pytest.mark.sockets  # a process
def test_importing_the_lazy_modules_loads_nothing_else():
    ours = "sorted(name for name in sys.modules if name.startswith(('cleanlist_async', 'httpx', 'pydantic')))"
    code = f"import sys, {', '.join(LAZY)}; print(*{ours})"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.split() == sorted(LAZY)
