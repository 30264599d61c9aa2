"""A store to which something happens at a statement of choice."""

from __future__ import annotations

from collections.abc import Callable

from cleanlist_async import Store
from cleanlist_async.storage.store.operations import Operation

COMMIT = -1
"""The number of a transaction's commit, however many statements it has."""


class StruckStore(Store):
    """Calls `strike` once, before the statement number `strike_at` of a transaction, or before its commit."""

    strike_at: int | None = None
    strike: Callable[[], object]
    has_struck = False

    async def run(self, operation, *, commit_unless=None):
        if self.strike_at is not None:
            operation = self._struck(operation, self.strike_at)
        return await super().run(operation, commit_unless=commit_unless)

    def _struck(self, operation: Operation, strike_at: int) -> Operation:
        number, answer = 0, None
        try:
            while True:
                statement = operation.send(answer)
                if number == strike_at:
                    self._strike_once()
                number += 1
                answer = yield statement
        except StopIteration as end:
            if strike_at in {number, COMMIT}:
                self._strike_once()
            return end.value

    def _strike_once(self) -> None:
        if not self.has_struck:
            self.has_struck = True
            self.strike()
