"""A store to which something happens at a statement of choice."""

from __future__ import annotations

from collections.abc import Callable

from cleanlist_async import Store
from cleanlist_async.storage.store.operations import Operation

COMMIT = -1
"""The number of a transaction's commit, however many statements it has."""


class StruckStore(Store):
    """Calls `strike` once, before the statement number `strike_at` of a transaction, or before its commit.

    Statements count once the transaction is begun in the database: from the first answer on.
    """

    strike_at: int | None = None
    strike: Callable[[], object]
    has_struck = False

    async def run(self, operation, *, commit_unless=None):
        if self.strike_at is not None:
            operation = self._struck(operation, self.strike_at)
        return await super().run(operation, commit_unless=commit_unless)

    def _struck(self, operation: Operation, strike_at: int) -> Operation:
        number, answer, is_begun = 0, None, False
        try:
            while True:
                statement = operation.send(answer)
                if is_begun:
                    self._strike_if(number == strike_at)
                    number += 1
                answer = yield statement
                is_begun = is_begun or not statement.is_deferred
        except StopIteration as end:
            self._strike_if(is_begun and strike_at in {number, COMMIT})
            return end.value

    def _strike_if(self, is_time) -> None:
        if is_time and not self.has_struck:
            self.has_struck = True
            self.strike()
