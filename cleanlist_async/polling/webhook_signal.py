"""What a webhook says of one workflow, on its way to the task that waits for that workflow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


def _wake_nobody() -> None:
    pass


class WebhookSignal(Generic[T]):
    """News of a workflow that come by webhook, as far as they are believed.

    Attributes
    ----------
    is_expected
        Whether it is worth waiting for before the workflow is asked about.
    answer
        What the workflow came to: then no question is needed.
    is_hint
        Whether something came that a question has to confirm.
    wake
        Called when either changes.

    """

    __slots__ = ("answer", "is_expected", "is_hint", "wake")

    def __init__(self, *, is_expected: bool = True) -> None:
        self.is_expected = is_expected
        self.answer: T | None = None
        self.is_hint = False
        self.wake: Callable[[], None] = _wake_nobody

    def believe(self, answer: T) -> None:
        """Take *answer* for the end of the workflow."""
        self.answer = answer
        self.wake()

    def hint(self) -> None:
        """Let the workflow be asked about now."""
        self.is_hint = True
        self.is_expected = False
        self.wake()
