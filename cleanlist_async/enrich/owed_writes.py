"""Writes to the store that must not be lost: one that fails is repeated until it succeeds."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import anyio

Write: TypeAlias = Callable[[], Awaitable[None]]


class OwedWrites:
    """Writes of one client, made in order, each of which may be repeated.

    What was sent, refused or settled is true whether the store takes it or not. Until it has, the store takes
    the contacts for under way, and whoever asks for them waits.
    """

    def __init__(self) -> None:
        self._writes: deque[Write] = deque()
        self._turn = anyio.Lock()

    def __len__(self) -> int:
        return len(self._writes)

    def add(self, write: Write) -> None:
        """Owe a write: it is made before the next one, or the next claim."""
        self._writes.append(write)

    async def make(self, write: Write) -> None:
        """Make a write after all that are owed. Raises StoreError, and then it is owed."""
        self.add(write)
        await self.repay()

    async def repay(self) -> None:
        """Make all writes that are owed. Raises StoreError."""
        if not self._writes:
            return
        async with self._turn:
            while self._writes:
                # Taken out when it is made: one that fails, or is cancelled, is still owed.
                await self._writes[0]()
                self._writes.popleft()
