"""Remembers which key started which workflow: other keys of the client may not see its results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Origin:
    """The key that started a workflow, and the time of the answer by the limiter's clock."""

    key: str | None
    at: float


class WorkflowKeys:
    """The origins of the latest 10,000 workflows of a client."""

    def __init__(self) -> None:
        self._origins: dict[str, Origin] = {}

    def __contains__(self, id_: object) -> bool:
        return id_ in self._origins

    def remember(self, id_: object, origin: Origin) -> None:
        """Record the origin of a workflow; anything but non-empty text is not an id."""
        if isinstance(id_, str) and id_:
            self._origins[id_] = origin
            # Ten thousand are almost three hours of submits at 60 a minute; the oldest goes first.
            if len(self._origins) > _KEPT:
                del self._origins[next(iter(self._origins))]

    def origin(self, id_: str) -> Origin | None:
        """Return the origin of a workflow; None where it is no longer known, or never was."""
        return self._origins.get(id_)
