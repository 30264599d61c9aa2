"""How long a 429 pauses a bucket."""

from __future__ import annotations

from random import Random

from cleanlist_async import facts


def pause_s(rejections: int, rng: Random, asked_s: float | None) -> float:
    """Return for how many seconds a 429 pauses a bucket; *rejections* counts those in a row, from 1.

    Without a time from the server (the ``detail`` form of the 429): 2^n seconds
    (docs.cleanlist.ai/api-reference/errors, "Recommended retry strategy").
    """
    if asked_s is not None:  # the jitter is added: coming early would draw the next 429
        return asked_s + facts.MARGIN_S + rng.uniform(0.0, 0.25)
    # The exponent is bounded for large counts; the longest step is reached at 6.
    step = min(facts.LONGEST_429_BACKOFF_S, facts.LEGACY_429_BACKOFF_S ** min(max(rejections, 1), 8))
    return step + rng.uniform(0.0, 0.5)
