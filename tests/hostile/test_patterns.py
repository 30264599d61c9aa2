"""Every regular expression of the package takes time in proportion to the text that it reads."""

from __future__ import annotations

import importlib
import pkgutil
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import cleanlist_async

CHARACTERS = 40_000
MOST_CPU_S = 0.5
"""A hundred times what a linear pattern takes for so much text; a quadratic one takes seconds."""


def patterns() -> dict[tuple[str, str], re.Pattern[str] | re.Pattern[bytes]]:
    """Every pattern that a module of the package holds."""
    found: dict[tuple[str, str], re.Pattern[str] | re.Pattern[bytes]] = {}
    for module in pkgutil.walk_packages(cleanlist_async.__path__, "cleanlist_async."):
        if module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            for number, pattern in enumerate(value if isinstance(value, tuple) else (value,)):
                pattern = pattern[-1] if isinstance(pattern, tuple) and pattern else pattern  # noqa: PLW2901
                if isinstance(pattern, re.Pattern):
                    found.setdefault((module.name, f"{name}[{number}]" if number else name), pattern)
    return found


def uses(module: str, name: str) -> set[str]:
    """Return the methods of a pattern that its module calls: to search costs more than to match."""
    source = Path(importlib.import_module(module).__file__ or "").read_text("utf-8")
    methods = "match|fullmatch|search|sub|split|findall|finditer"
    asked = rf"\b(?:{re.escape(name.partition('[')[0])}|pattern)\.({methods})\("
    return set(re.findall(asked, source))


PATTERNS = patterns()


def pumps(source: str) -> set[str]:
    """Return what a text can be made of that leads this pattern on: its words, its signs, and their pairs."""
    words = {
        word for word in re.findall(r"[A-Za-z_/:-]+", re.sub(r"\\[A-Za-z]", " ", source)) if len(word) > 1
    }
    signs = set("aA0 .-_@/:,;\"'\n\r[{<=+(\\") | set(re.findall(r"[^A-Za-z0-9\s]", source))
    joined = {word + sign for word in words for sign in ' ./:-"'} | {
        "a.",
        "a@",
        "a/",
        "0.",
        '""',
        "a,",
        "\r\n",
    }
    return words | signs | joined


def texts(source: str) -> Iterator[str]:
    for pump in sorted(pumps(source)):
        repeated = pump * (CHARACTERS // len(pump))
        yield repeated + "\0"
    for word in re.findall(r"[A-Za-z_/:]{2,}", source):
        for pump in " a./-0":
            yield word + pump * CHARACTERS + "\0"
    yield "a@" + "a." * (CHARACTERS // 2) + "@"


@contextmanager
def at_most(cpu_s: float) -> Iterator[None]:
    """Raise TimeoutError after so many CPU seconds: `re` looks for signals while it matches."""

    def give_up(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def slow_text(pattern: re.Pattern[str] | re.Pattern[bytes], methods: set[str]) -> str | None:
    """Return the beginning of a text that takes this pattern too long; None if no text does."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode()
    for text in texts(source):
        given = text if isinstance(pattern.pattern, str) else text.encode()
        try:
            with at_most(MOST_CPU_S):
                for method in methods & {"match", "fullmatch", "search"}:
                    getattr(pattern, method)(given)
                if methods & {"sub", "split", "findall", "finditer"}:
                    pattern.findall(given)  # type: ignore[arg-type]
        except TimeoutError:
            return text[:40]
    return None


def test_patterns_are_found():
    assert {("cleanlist_async.redact", "_TOKEN"), ("cleanlist_async.http.decode", "_WORKFLOW_ID")} <= set(
        PATTERNS
    )
    assert len(PATTERNS) > 35


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_every_pattern_is_linear(part):
    mine = sorted(PATTERNS)[part::4]
    assert all(uses(*place) for place in mine)
    assert {place: slow for place in mine if (slow := slow_text(PATTERNS[place], uses(*place)))} == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("quadratic", "method"),
    [
        (r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "search"),
        (r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]{2,}", "fullmatch"),
        (r"[A-Za-z_$][A-Za-z_]*\d{0,2}[A-Za-z_]*", "fullmatch"),
    ],
)
def test_a_quadratic_pattern_would_be_found(quadratic, method):
    assert slow_text(re.compile(quadratic), {method})
