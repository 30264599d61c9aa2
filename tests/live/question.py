"""One open question, and how it was settled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from cleanlist_async.types import JSON
from tests.live.session import LiveSession

Facts: TypeAlias = dict[str, JSON]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found out: a sentence, and the facts behind it (shapes, names, counts, statuses)."""

    summary: str
    facts: Facts = field(default_factory=Facts)


@dataclass(frozen=True, slots=True)
class Question:
    """What is not known, what asking sends and costs at most (credits), and how it is asked."""

    id: str
    text: str
    sends: str
    ask: Callable[[LiveSession], Awaitable[Found]]
    credits: float = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """A question and what came of it: `found`, or why not."""

    question: Question
    found: Found | None = None
    why_not: str = ""

    def as_json(self) -> dict[str, JSON]:
        """Return it for the file of answers."""
        return {
            "id": self.question.id,
            "question": self.question.text,
            "settled": self.found is not None,
            "answer": self.found.summary if self.found else f"could not be settled: {self.why_not}",
            "facts": self.found.facts if self.found else {},
            "credits_at_most": self.question.credits,
        }
