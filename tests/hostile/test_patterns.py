"""Every regular expression of the package takes time in proportion to the text that it reads."""

from __future__ import annotations

import importlib
import pkgutil
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import cleanlist_async

CHARACTERS = 100_000
MOST_CPU_S = 2.0
"""A hundred times what a linear pattern takes for so much text; a quadratic one takes minutes."""
READS_LITTLE = {
    ("cleanlist_async.cli.doctor.live.shapes", "_NAME"): "names of at most 40 characters",
}


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
    """Raise TimeoutError after so many CPU seconds of this process; `re` looks for signals while it matches."""

    def give_up(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def slow_texts(pattern: re.Pattern[str] | re.Pattern[bytes]) -> list[str]:
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode()
    slow: list[str] = []
    for text in texts(source):
        try:
            with at_most(MOST_CPU_S):
                if isinstance(pattern.pattern, bytes):
                    pattern.sub(b"", text.encode())  # type: ignore[arg-type]
                else:
                    pattern.sub("", text)  # type: ignore[arg-type]
                    pattern.fullmatch(text)  # type: ignore[arg-type]
        except TimeoutError:
            slow.append(text[:40])
            break
    return slow


def test_patterns_are_found():
    assert {("cleanlist_async.redact", "_TOKEN"), ("cleanlist_async.decode", "_WORKFLOW_ID")} <= set(PATTERNS)
    assert len(PATTERNS) > 40


@pytest.mark.parametrize("part", range(4))
def test_every_pattern_is_linear(part):
    mine = [place for place in sorted(PATTERNS) if place not in READS_LITTLE][part::4]
    assert {place: slow for place in mine if (slow := slow_texts(PATTERNS[place]))} == {}


@pytest.mark.parametrize(
    "quadratic",
    [
        r"eyJ[\w-]+\.[\w-]+\.[\w-]+",
        r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]{2,}",
        r"[A-Za-z_$][A-Za-z_]*\d{0,2}[A-Za-z_]*",
    ],
)
def test_a_quadratic_pattern_would_be_found(quadratic):
    assert slow_texts(re.compile(quadratic))
