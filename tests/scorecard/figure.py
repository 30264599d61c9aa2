"""One line of the scorecard."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value and the most that it may be, in the same unit.

    `of`: how many tries the value was counted over, where it was counted.
    """

    what: str
    value: float
    limit: float
    unit: str = ""
    of: int | None = None

    @property
    def holds(self) -> bool:
        """Whether the promise is kept."""
        return self.value <= self.limit

    @property
    def is_timed(self) -> bool:
        """Whether it depends on the speed of the machine, and on what else that does."""
        return self.unit in {"ms", "s"}

    def __str__(self) -> str:
        tries = "" if self.of is None else f" of {self.of:,}"
        verdict = "ok" if self.holds else "slow" if self.is_timed else "MISSED"
        return f"{verdict:6}  {self.what}: {self.value:,.6g}{tries} {self.unit}".rstrip() + (
            f" (at most {self.limit:,.6g})" if self.limit else ""
        )
