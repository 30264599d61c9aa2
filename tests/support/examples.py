"""How many examples a property test tries."""

from __future__ import annotations

from hypothesis import settings

_HYPOTHESIS_DEFAULT = 100


def examples(number: int) -> int:
    """Return *number* where slow tests run too, and the share of it that the profile leaves otherwise."""
    return max(1, number * settings.default.max_examples // _HYPOTHESIS_DEFAULT)
