"""Which of several keys has the most tokens to give: by asking each of them, or without."""

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
    """Return who of *buckets* has most tokens, more than *keep*, and *now*; else when one will have.

    Those in *busy* do not count. Those with as many take turns: no key has more to ask about at the end.
    """
    best: NamedBucket | None = None
    first = (math.inf, 1, 0)
    for bucket in buckets:
        if bucket.name in busy:
            continue
        tokens = bucket.window.available(now)
        bucket_opens = now if tokens and not keep else bucket.window.opens_at(now, keep)
        rank = (bucket_opens, -tokens, bucket.taken)
        if rank < first:
            best, first = bucket, rank
    return best, first[0]


class KeyIndex:
    """Finds the same in many buckets, asking only those that may have changed.

    A bucket is asked again after its tokens were touched, and when time alone brings it one more.
    """

    def __init__(self, buckets: Sequence[NamedBucket]) -> None:
        self._buckets = buckets
        self._places = {bucket.name: place for place, bucket in enumerate(buckets)}
        self._by_tokens: IndexedHeap[int] = IndexedHeap()
        self._by_change: IndexedHeap[int] = IndexedHeap()
        for name in self._places:
            self.touch(name)

    def touch(self, name: str) -> None:
        """Note that tokens of this bucket were taken or came back, or that it was paused."""
        self._by_change[self._places[name]] = _AT_ONCE

    def find(self, now: float, busy: Container[str]) -> tuple[NamedBucket | None, float]:
        """Return what `scan_keys` would."""
        for place in self._by_change.take_until(now):
            self._ask(place, now)
        but = {place for name, place in self._places.items() if name in busy} if busy else ()
        _, first = self._by_tokens.first(but)
        if first is not None:
            return self._buckets[first], now
        return None, self._by_change.first(but)[0]

    def _ask(self, place: int, now: float) -> None:
        bucket = self._buckets[place]
        window = bucket.window
        tokens = window.available(now)
        changes = window.opens_at(now, ahead=tokens)
        if tokens and changes == math.inf:  # while it probes, it does not say when it will have its second
            changes = min(window.state()["returning"], default=math.inf)
        turn = bucket.taken / (bucket.taken + 1)  # of those with as many tokens, who gave fewer so far
        self._by_tokens[place] = turn - tokens if tokens or changes <= now else math.inf
        self._by_change[place] = changes
