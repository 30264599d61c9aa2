"""Integrations; each needs its own extra and is imported on demand."""

from __future__ import annotations

from cleanlist_async.checks import with_extras


def explain_missing(missing: ModuleNotFoundError, sentence: str, extra: str, *packages: str) -> None:
    """Raise an error that names the extra, if *missing* is one of its own *packages*.

    A package that is missing inside one of them is another problem, and does nothing here.
    """
    if (missing.name or "").partition(".")[0] in packages:
        raise ModuleNotFoundError(
            f"{sentence} one more package: {with_extras(extra)}.", name=missing.name
        ) from missing
