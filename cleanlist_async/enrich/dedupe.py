"""Buying each identity once: later contacts with the same data follow the first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final, Literal, TypeAlias

from cleanlist_async.contacts.first_seen import FirstSeen
from cleanlist_async.contacts.identity import ContactLike, Prepared, prepare
from cleanlist_async.enrich.source_thread import read
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.tables.input_options import Prepare

Dedupe: TypeAlias = Literal["all", "window", "off"]

WINDOW: Final = 50_000
"""Identities remembered of a source that cannot be read twice."""


class Duplicates:
    """Links each contact to the first one of the same identity.

    Parameters
    ----------
    mode
        ``"all"`` links across the whole input, ``"window"`` across its last 50,000 identities (whose
        ``raw`` is not kept for later duplicates), ``"off"`` not.
    repeated
        The identities that occur more than once, where that is known beforehand: only their results
        need to be remembered.

    """

    def __init__(self, mode: Dedupe, repeated: Collection[bytes] | None = None) -> None:
        self._mode = mode
        self._repeated = repeated
        self._followers: dict[bytes, list[Prepared]] = {}
        self._results: OrderedDict[bytes, EnrichmentResult] = OrderedDict()
        self.waiting = 0
        """Contacts whose result is still to come with that of another."""

    def follow(self, contact: Prepared) -> EnrichmentResult | bool:
        """Return False for the first of its identity, the result if it is there, or True: it will come."""
        identity = contact.identity
        if self._mode == "off" or (self._repeated is not None and identity not in self._repeated):
            return False
        if (result := self._results.get(identity)) is not None:
            return copy_for(contact, result)
        if (followers := self._followers.get(identity)) is None:
            self._followers[identity] = []
            return False
        followers.append(contact)
        self.waiting += 1
        return True

    def settle(self, identity: bytes, result: EnrichmentResult) -> Sequence[EnrichmentResult]:
        """Take the result of a first, and return those of its followers."""
        followers = self._followers.pop(identity, None)
        if followers is None:
            return ()
        self.waiting -= len(followers)
        # `raw` is most of a result, and 50,000 of them would not be a flat memory.
        self._results[identity] = replace(result, raw=None) if self._mode == "window" else result
        if self._mode == "window" and len(self._results) > WINDOW:
            self._results.popitem(last=False)
        return [copy_for(follower, result) for follower in followers]


def copy_for(contact: Prepared, result: EnrichmentResult) -> EnrichmentResult:
    """Return the result of the first contact as that of its duplicate, which cost nothing."""
    return replace(
        result,
        index=contact.index,
        contact=contact.contact,
        key=contact.contact.key,
        duplicate_of=result.index,
        credits_charged=None if result.credits_charged is None else 0.0,  # None: the server named no price
        credits_estimated=0.0,
        bought_for=None if result.bought_for is None else 0.0,
    )


async def repeated_identities(contacts: Iterable[ContactLike], prepare: Prepare = prepare) -> set[bytes]:
    """Read *contacts* once and return the identities that occur more than once."""
    seen, repeated = FirstSeen(), set[bytes]()
    index = 0
    async for given in read(contacts):
        contact = prepare(index, given)
        if isinstance(contact, Prepared) and seen.setdefault(contact.identity, index) != index:
            repeated.add(contact.identity)
        index += 1
    return repeated
