"""Many small cases in one test."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_SHOWN = 10
"""Failures whose tracebacks are shown."""


def each_case(names: str | tuple[str, ...], values: Iterable) -> Callable[[Callable], Callable]:
    """Call a test with each of *values* in turn, as ``pytest.mark.parametrize`` does, but as a single test.

    For cases that take no time: thousands of tests would cost more to collect, in every worker, than to run.
    All cases run, and a failure names its case. They share the test's fixtures; only `tmp_path` is a folder
    of its own for each.
    """
    names = tuple(name.strip() for name in names.split(",")) if isinstance(names, str) else names
    cases = [_Case(names, value) for value in values]

    def decorate(test: Callable) -> Callable:
        if inspect.iscoroutinefunction(test):

            @functools.wraps(test)
            async def run_all(**fixtures: object) -> None:
                with _failures_of(cases) as attempt:
                    for case in cases:
                        with attempt(case):
                            await test(**case.arguments, **case.own(fixtures))

            run_all.cases = cases
        else:

            @functools.wraps(test)
            def run_all(**fixtures: object) -> None:
                with _failures_of(cases) as attempt:
                    for case in cases:
                        with attempt(case):
                            test(**case.arguments, **case.own(fixtures))

        signature = inspect.signature(test)
        rest = [parameter for name, parameter in signature.parameters.items() if name not in names]
        run_all.__signature__ = signature.replace(parameters=rest)
        return run_all

    return decorate


def run_apart(test: Callable, run: Callable, **fixtures: object) -> None:
    """Give an async test to *run*, or each of its cases by itself, so that each has a loop of its own."""
    cases = getattr(test, "cases", None)
    if cases is None:
        run(test(**fixtures))
        return
    with _failures_of(cases) as attempt:
        for case in cases:
            with attempt(case):
                run_apart(test.__wrapped__, run, **case.arguments, **case.own(fixtures))


class _Case:
    def __init__(self, names: tuple[str, ...], value: object) -> None:
        self.arguments = dict(zip(names, value if len(names) > 1 else [value], strict=True))
        self.label = ", ".join(f"{name}={repr(given)[:200]}" for name, given in self.arguments.items())

    def own(self, fixtures: dict[str, object]) -> dict[str, object]:
        """Return the fixtures of the test, with a folder for this case alone."""
        folder = fixtures.get("tmp_path")
        if not isinstance(folder, Path):
            return fixtures
        mine = folder / str(len(list(folder.iterdir())))
        mine.mkdir()
        return {**fixtures, "tmp_path": mine}


@contextmanager
def _failures_of(cases: list[_Case]) -> Iterator[Callable]:
    """Collect the failures of all cases, and raise them in the end."""
    failures: list[BaseException] = []

    @contextmanager
    def attempt(case: _Case) -> Iterator[None]:
        try:
            yield
        except (Exception, pytest.fail.Exception) as failure:  # noqa: BLE001 - raised below
            failure.add_note(f"case: {case.label}")
            failures.append(failure)

    yield attempt
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise BaseExceptionGroup(f"{len(failures)} of {len(cases)} cases failed", failures[:_SHOWN])
