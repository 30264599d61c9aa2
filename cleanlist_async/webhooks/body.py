"""Reads the body of a post to a webhook address: JSON of a limited size, few at once for one address."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterable, Generator
from contextlib import contextmanager
from typing import Final

import anyio.lowlevel

from cleanlist_async import facts
from cleanlist_async.webhooks.event import RefusedEventError

_CHUNKS_AT_ONCE: Final = 1_000
"""Chunks of a body read between two checkpoints."""


def check_content_type(content_type: str | None) -> None:
    """Raise RefusedEventError 415 unless it is a type of JSON."""
    kind = content_type if isinstance(content_type, str) else ""  # pyright: ignore[reportUnnecessaryIsInstance]
    kind = kind.partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise RefusedEventError(415, "not application/json")


class BodyReader:
    """Reads bodies of at most *limit* bytes, at most MAX_WEBHOOKS_READ_AT_ONCE at once per token."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: Counter[str] = Counter()

    async def read(self, token: str, body: bytes | AsyncIterable[bytes]) -> bytes:
        """Return the whole body.

        Raises RefusedEventError: 413 as soon as it is too long, 429 without reading it while too many are
        being read for this token, 400 when the sender disconnects.
        """
        if isinstance(body, bytes | bytearray | memoryview):
            if len(body) > self._limit:
                raise RefusedEventError(413, "too large")
            return bytes(body)
        with self._place(token):
            return await self._read(body)

    async def _read(self, body: AsyncIterable[bytes]) -> bytes:
        whole, chunks = bytearray(), 0
        try:
            async for chunk in body:
                whole += chunk
                chunks += 1
                if len(whole) > self._limit:
                    break  # refused below: in here, that would be taken for a disconnect
                if not chunks % _CHUNKS_AT_ONCE:  # reading a buffered body never yields
                    await anyio.lowlevel.checkpoint()
        except Exception:  # noqa: BLE001  # frameworks raise different errors when the sender disconnects
            raise RefusedEventError(400, "incomplete body") from None
        if len(whole) > self._limit:
            raise RefusedEventError(413, "too large")
        return bytes(whole)

    @contextmanager
    def _place(self, token: str) -> Generator[None]:
        if self._open[token] >= facts.MAX_WEBHOOKS_READ_AT_ONCE:
            raise RefusedEventError(429, "too many at once")
        self._open[token] += 1
        try:
            yield
        finally:
            self._open[token] -= 1
            if not self._open[token]:  # forged tokens must not fill the memory
                del self._open[token]
