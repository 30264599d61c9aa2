"""Passes what a webhook says about one workflow to the task that waits for that workflow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


def _wake_nobody() -> None:
    pass


class WebhookSignal(Generic[T]):
    """News about a workflow that came by webhook, as far as it is trusted.

    Attributes
    ----------
    is_expected
        Whether to wait for a webhook before the workflow is asked about.
    answer
        The final answer, once it came: then no question is needed.
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
        """Accept *answer* as the end of the workflow."""
        self.answer = answer
        self.wake()

    def hint(self) -> None:
        """Have the workflow asked about now."""
        self.is_hint = True
        self.is_expected = False
        self.wake()
