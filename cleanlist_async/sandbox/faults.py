"""Faults on demand: what a network or a gateway can do to an answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Literal

from pydantic import Field

from .fields import Count, Length, Positive, check_fields
from .ledger import same_path


@dataclass(frozen=True, slots=True)
class Fault:
    """One disturbance, for the ``nth`` to the ``nth + times - 1``-th request that matches.

    Requests that fail authentication or the rate limit neither match nor count. ``path`` is given with or
    without ``/api/v1/public``; ``*`` in it stands for any text, so that ``*/lead-lists`` is both prefixes;
    None matches every path, as ``method`` None does every method.

    ``when="after"`` executes the operation and then spoils its answer; ``when="before"`` does not execute
    it if the fault has an answer of its own (``status``, ``body``, ``size``, ``reset`` or ``close``), and
    only holds it up by ``delay_s`` otherwise.
    """

    path: str | None = None
    _: KW_ONLY
    method: str | None = None
    nth: Positive = 1
    times: Annotated[float, Field(ge=0)] = 1
    """How many requests; ``math.inf`` for all from the nth on."""
    when: Literal["before", "after"] = "before"
    """Whether it strikes before or after the operation."""
    status: Annotated[int, Field(ge=100, le=999)] | None = None
    """Answer with this status; without ``body``, in the documented words for it."""
    body: object = None
    """Answer with this body: text or bytes as they are, anything else as JSON."""
    headers: Sequence[tuple[str, str]] = ()
    """Set on the answer, over those it has; ``content-type`` is JSON unless given here."""
    reset: bool = False
    """Reset the connection (TCP RST) instead of answering, or after ``truncate`` bytes of the body."""
    close: bool = False
    """Close the connection without a byte of an answer."""
    delay_s: Length = 0.0
    """Seconds before the operation, or between the operation and its answer."""
    truncate: Count | None = None
    """Cut the body after so many bytes, promise the whole length, and close."""
    drip: tuple[Positive, Length] | None = None
    """Send the body in pieces of so many bytes, one each so many seconds."""
    duplicate: bool = False
    """Put the whole answer on the wire twice."""
    size: Annotated[float, Field(ge=0)] | None = None
    """Answer with a body of so many bytes; ``math.inf`` never ends."""

    def __post_init__(self) -> None:
        """Refuse what could not work. Raises ConfigurationError."""
        check_fields(self)

    @property
    def answers(self) -> bool:
        """Whether the fault has an answer of its own."""
        own = (self.status, self.body, self.size)
        return self.reset or self.close or any(part is not None for part in own)

    @property
    def executes(self) -> bool:
        """Whether the operation takes place."""
        return self.when == "after" or not self.answers

    def matches(self, method: str, path: str) -> bool:
        """Return whether the fault applies to a request, whatever its number."""
        return (self.path is None or same_path(path, self.path)) and self.method in {None, method}


class FaultPlan:
    """The faults that are armed, and how many requests each has seen."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._armed: list[_Armed] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Arm a fault; it counts requests from now on."""
        self._armed.append(_Armed(fault))

    def clear(self) -> None:
        """Disarm every fault."""
        self._armed.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Count a request, and return the first fault that strikes it."""
        # Every fault counts the request, even if an earlier one strikes it.
        struck = [armed.fault for armed in self._armed if armed.strikes(method, path)]
        return struck[0] if struck else None


@dataclass(slots=True)
class _Armed:
    fault: Fault
    seen: int = 0

    def strikes(self, method: str, path: str) -> bool:
        if not self.fault.matches(method, path):
            return False
        self.seen += 1
        return self.fault.nth <= self.seen < self.fault.nth + self.fault.times
