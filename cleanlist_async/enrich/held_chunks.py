"""Chunks that wait for credits of a budget in the store, which what is under way may give back."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from itertools import chain

from cleanlist_async import facts
from cleanlist_async.contacts.chunking import Chunker, chunked
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.chunk import Chunk
from cleanlist_async.enrich.look_alikes import LookAlikes


class HeldChunks:
    """They go one after the other, so that each submit takes all the credits that there are by then."""

    def __init__(self) -> None:
        self._chunks: list[Chunk] = []

    def __len__(self) -> int:
        return len(self._chunks)

    @contextmanager
    def holding(self, chunk: Chunk) -> Generator[None]:
        """Count a chunk among them within the block."""
        self._chunks.append(chunk)
        try:
            yield
        finally:
            self._chunks.remove(chunk)

    def is_next(self, chunk: Chunk) -> bool:
        """Whether none of them has earlier contacts."""
        return all(_first(chunk) <= _first(other) for other in self._chunks)

    def take_in(self, rest: Chunk) -> Chunk | None:
        """Put contacts before those of all chunks, and return a chunk of the last ones, if that is needed.

        The rest of a chunk that was split would else be a small submit of its own.
        """
        held = sorted(self._chunks, key=_first)
        contacts = chain.from_iterable(chunk.open.values() for chunk in (rest, *held))
        groups = list(
            chunked(iter(tuple(contacts)), Chunker(facts.MAX_CONTACTS_PER_REQUEST, apart=LookAlikes()))
        )
        if len(groups) > len(held) + 1:  # namesakes are told apart at the price of more chunks
            return rest
        # Chunks that are left over get none: their contacts are in the others now.
        for chunk, group in zip((*held, rest), (*groups, *[[] for _ in held]), strict=False):
            _fill(chunk, group)
        return rest if rest.open else None


def _first(chunk: Chunk) -> int:
    # One without contacts goes first: it has nothing to wait for, and ends.
    return next(iter(chunk.open), -1)


def _fill(chunk: Chunk, contacts: list[Prepared]) -> None:
    chunk.open = {contact.index: contact for contact in contacts}
    chunk.reserved = len(contacts)
