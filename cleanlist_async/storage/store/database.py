"""What a store needs of a database."""

from __future__ import annotations

from typing import Protocol, TypeVar

from cleanlist_async.storage.store.statements import Operation

T = TypeVar("T")


class Database(Protocol):
    """Runs operations, each as one transaction. Any event loop and thread may call."""

    @property
    def name(self) -> str:
        """What messages call it, without a user or password."""
        ...

    @property
    def address(self) -> str:
        """What ``--store`` takes: the path of a file; ``URL`` for an address, which may hold a password."""
        ...

    async def run(
        self,
        operation: Operation[T],
        *,
        commit_unless: T | None = None,
        answer_s: float | None = None,
    ) -> T:
        """Run an operation, and return its value once that is durable.

        A server has *answer_s* seconds for it, by default `facts.STORE_ANSWER_S`.

        A value equal to *commit_unless* is returned without a trace of the operation. Raises
        StoreUnavailableError for what may pass, StoreError for what will not. A caller that is cancelled
        waits for the end of the transaction.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
