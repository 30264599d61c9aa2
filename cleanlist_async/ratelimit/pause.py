"""How long a 429 pauses a bucket."""

from __future__ import annotations

from random import Random
from typing import Final

from cleanlist_async import facts
from cleanlist_async.errors import RateLimitError

_TOO_SHORT: Final = 2
"""429s in a row."""


def pause_s(rejections: int, rng: Random, asked_s: float | None) -> float:
    """Return for how many seconds a 429 pauses a bucket; *rejections* counts those in a row, from 1.

    Without a time from the server (the ``detail`` form of the 429): 2^n seconds
    (docs.cleanlist.ai/api-reference/errors, "Recommended retry strategy").
    """
    # The exponent is bounded for large counts; the longest step is reached at 6.
    step = min(facts.LONGEST_429_BACKOFF_S, facts.LEGACY_429_BACKOFF_S ** min(max(rejections, 1), 8))
    if asked_s is None:
        return step + rng.uniform(0.0, 0.5)
    if rejections > _TOO_SHORT:  # what the server asked for was not enough, so often that it is no chance
        asked_s = max(asked_s, step)
    return asked_s + facts.MARGIN_S + rng.uniform(0.0, 0.25)  # added: coming early would draw the next 429


def paused_error(seconds: float) -> RateLimitError:
    """Return the error for a request that does not wait for a pause of so many seconds."""
    return RateLimitError(
        f"The server asked for a pause of {seconds:.0f} s.",
        code="rate_limited",
        retry_after_s=seconds,
        fix=f"Call again in {seconds:.0f} s.",
    )
