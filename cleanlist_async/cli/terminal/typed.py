"""The options that printed commands repeat, so that each works as it is pasted."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Final

PLACEHOLDER: Final = "WORKFLOW_ID"
"""Stands for an id in a printed command."""
# No command follows where a message says to install cleanlist-async with an extra.
_PROGRAM: Final = re.compile(r"\bcleanlist-async (?=[a-z])(?!with\b)")


@dataclass(slots=True)
class Typed:
    """What was typed of the options that lead to the same data: one process runs one command.

    An address with ``://`` may hold a password, so a word stands in its place.
    """

    limits: str | None = None
    store: str | None = None

    def begin(self, limits: str | None) -> None:
        """Begin a command, with the *limits* that were typed before it."""
        self.limits, self.store = limits, None

    def note_store(self, store: str | None) -> str | None:
        """Note the store that was typed, and return it."""
        self.store = store
        return store

    @property
    def store_option(self) -> str:
        """The option of the store, with a blank before it."""
        return option("--store", self.store)

    def pasted(self, text: str) -> str:
        """Return *text* with what was typed before the command in each command that it names."""
        # By a function: a path may have what a pattern reads as a group.
        return _PROGRAM.sub(lambda _: f"cleanlist-async{option('--limits', self.limits)} ", text)


def option(name: str, value: str | None) -> str:
    """Return an option as it would be typed again, with a blank before it; nothing for None."""
    if not value:
        return ""
    is_plain = "://" not in value or value.startswith("sqlite:")
    return f" {name} {shlex.quote(value) if is_plain else 'URL'}"


typed: Final = Typed()
