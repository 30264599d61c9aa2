"""Answers kept under an idempotency key; the first one wins (docs.cleanlist.ai/mcp-api/lead-lists)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from .moments import Moments

Answer: TypeAlias = Mapping[str, object]

REPLAY_TTL_S: Final = 86_400.0  # 24 hours, as documented


class Replays:
    """What was answered under each key within the last 24 hours."""

    def __init__(self, moments: Moments) -> None:
        self._moments = moments
        self._answers: dict[str, tuple[float, Answer]] = {}

    def get(self, key: str | None) -> Answer | None:
        """Return the answer kept under a key; None for no key, an unknown or an expired one."""
        # Nothing is kept under "", so a call without a key finds nothing.
        expires_at, answer = self._answers.get(key or "", (0.0, None))
        return answer if self._moments.epoch_s() < expires_at else None

    def keep(self, key: str | None, answer: Answer) -> None:
        """Keep an answer, if there is a key."""
        if key:
            self._answers[key] = (self._moments.epoch_s() + REPLAY_TTL_S, answer)
