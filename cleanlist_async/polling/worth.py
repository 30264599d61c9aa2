"""When is a question worth a token? Pure.

Tokens that are idle are worth nothing, so all of them are spent: each question is asked at the same chance of
being the last that its workflow needs. That chance is the number of workflows that are expected to be done
within a time, divided by the tokens of that time; the tightest time decides.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

HORIZONS: Final = (0.0, 1 / 60, 1 / 30, 1 / 15, 1 / 8, 1 / 4, 1 / 2, 0.98, 2.0, 4.0, 8.0, 16.0)
"""The times that are looked at, in windows."""
SURE: Final = 0.99
"""The chance at which a question is worth a token that others wait for."""
LEAST: Final = 0.001
"""The chance at which a question is worth a token that nothing else needs."""
ALMOST_SURE: Final = 0.95
"""The chance from which on a question is not speculative: no token is kept from it."""


def tokens_within(openings: Sequence[float], seconds: float, now: float, window_s: float) -> float:
    """Return how many tokens there are within so many seconds; each comes again after a window."""
    if seconds <= window_s:
        return float(bisect_right(openings, now + seconds))
    return len(openings) * seconds / window_s


def least_chance(expected: Sequence[float], tokens: Sequence[float]) -> float:
    """Return the chance at which a question is worth a token, by what is done and the tokens of each time.

    Where more will be done within a time than it has tokens for, there is nothing to keep them for: the best
    questions take them as they come. Where that holds of all times, only one that is sure is worth a token.
    """
    if tokens[0] < 1:
        return SURE
    chances = [done / left for done, left in zip(expected, tokens, strict=True) if done < left * SURE]
    return max(LEAST, *chances) if chances else SURE
