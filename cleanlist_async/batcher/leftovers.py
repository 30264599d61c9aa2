"""Results that were paid for, and that callers left before they had them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from cleanlist_async import facts
from cleanlist_async.batcher.purchase import Name
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.row_results import copy_for
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store.records import Freshness


@dataclass(slots=True)
class _Leftover:
    result: EnrichmentResult
    since: float
    is_taken: bool


class Leftovers:
    """The latest 10,000 of a day, for the same client: a caller whose call was cancelled may come back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[Name, _Leftover] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, name: Name) -> bool:
        return name in self._kept

    def untaken(self) -> list[EnrichmentResult]:
        """Return those that nobody has taken yet, the latest last."""
        self._drop_old()
        return [kept.result for kept in self._kept.values() if not kept.is_taken]

    def keep(self, name: Name, result: EnrichmentResult, *, is_taken: bool) -> None:
        """Keep a result; *is_taken* if another caller has it, whose result names the cost."""
        self._kept.pop(name, None)  # so that it stands last
        self._kept[name] = _Leftover(result, self._clock(), is_taken)
        if len(self._kept) > facts.MAX_UNTAKEN_RESULTS:
            del self._kept[next(iter(self._kept))]

    def take(self, name: Name, contact: Prepared, freshness: Freshness) -> EnrichmentResult | None:
        """Return a result that may be reused, as that of *contact*. The first taker's names the cost."""
        self._drop_old()
        kept = self._kept.get(name)
        if kept is None or not freshness.allows(kept.result.status, self._clock() - kept.since):
            return None
        if kept.is_taken:
            return copy_for(contact, kept.result)
        kept.is_taken = True
        return replace(kept.result, contact=contact.contact, key=contact.contact.key)

    def _drop_old(self) -> None:
        oldest = self._clock() - facts.UNTAKEN_KEPT_S
        while self._kept and next(iter(self._kept.values())).since < oldest:
            del self._kept[next(iter(self._kept))]

    def discard(self, name: Name) -> None:
        """Forget a result that everybody who asked for it has taken."""
        self._kept.pop(name, None)
