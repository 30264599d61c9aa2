"""Waiting for work that must not be left half known."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import anyio

T = TypeVar("T")


async def to_end(work: asyncio.Future[T]) -> T:
    """Await *work* to its end, even if the caller is cancelled meanwhile; then raise CancelledError."""
    is_cancelled = False
    with anyio.CancelScope(shield=True):
        while not work.done():
            try:
                await asyncio.wait([work])
            except asyncio.CancelledError:  # a shield does not stop those of asyncio, such as of its timeouts
                is_cancelled = True
    if work.cancelled():
        raise asyncio.CancelledError  # a new one: the traceback of the old one holds the frames of the work
    if is_cancelled:
        work.exception()  # taken notice of
        raise asyncio.CancelledError
    return work.result()
