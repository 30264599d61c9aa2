"""Finds the key with the most free tokens: by a linear scan, or from an index."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Sequence
from typing import Final

from cleanlist_async.ratelimit.buckets import NamedBucket
from cleanlist_async.ratelimit.indexed_heap import IndexedHeap

_AT_ONCE: Final = -math.inf


def scan_keys(
    buckets: Iterable[NamedBucket], now: float, keep: int, busy: Container[str]
) -> tuple[NamedBucket | None, float]:
    """Return the bucket with the most free tokens above *keep*, or the time when one will qualify.

    Buckets in *busy* do not count. Buckets with equally many take turns.
    """
    best: NamedBucket | None = None
    first = (math.inf, 1, 0)  # later than any bucket that opens at all
    for bucket in buckets:
        if bucket.name in busy:
            continue
        tokens = bucket.window.available(now)
        # The usual case needs no `opens_at`, which does much more.
        bucket_opens = now if tokens and not keep else bucket.window.opens_at(now, keep)
        rank = (bucket_opens, -tokens, bucket.taken)
        if rank < first:
            best, first = bucket, rank
    return best, first[0]


class KeyIndex:
    """Finds the same among many buckets, and reads only those that may have changed.

    A bucket is read again after its tokens were touched, and when time alone gives it one more.
    """

    def __init__(self, buckets: Sequence[NamedBucket]) -> None:
        self._buckets = buckets
        self._places = {bucket.name: place for place, bucket in enumerate(buckets)}
        self._by_tokens: IndexedHeap[int] = IndexedHeap()
        self._by_change: IndexedHeap[int] = IndexedHeap()
        for name in self._places:
            self.touch(name)

    def touch(self, name: str) -> None:
        """Note that tokens of this bucket were taken or returned, or that it was paused."""
        self._by_change[self._places[name]] = _AT_ONCE

    def find(self, now: float, busy: Container[str]) -> tuple[NamedBucket | None, float]:
        """Return what `scan_keys` would without *keep*."""
        for place in self._by_change.take_until(now):
            self._read(place, now)
        but = {place for name, place in self._places.items() if name in busy} if busy else ()
        _, first = self._by_tokens.first(but)
        if first is not None:
            return self._buckets[first], now
        return None, self._by_change.first(but)[0]

    def _read(self, place: int, now: float) -> None:
        bucket = self._buckets[place]
        window = bucket.window
        tokens = window.available(now)
        changes = window.opens_at(now, ahead=tokens)
        if tokens and changes == math.inf:  # a window that probes does not say when it has its second
            changes = min(window.state()["returning"], default=math.inf)
        # A part of one: among equally many tokens, the bucket that gave fewer so far comes first.
        turn = bucket.taken / (bucket.taken + 1)
        self._by_tokens[place] = turn - tokens if tokens or changes <= now else math.inf
        self._by_change[place] = changes
