"""Buying each identity once: later contacts with the same data follow the first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

import anyio.lowlevel

from cleanlist_async.bulk.report import EnrichmentResult
from cleanlist_async.identity import ContactLike, FirstSeen, Prepared, prepare

Dedupe: TypeAlias = Literal["all", "window", "off"]

WINDOW: Final = 50_000
"""Identities remembered of a source that cannot be read twice."""


@dataclass(eq=False, slots=True)
class _First:
    """The first contact of an identity, and who waits for its result."""

    index: int
    result: EnrichmentResult | None = None
    followers: list[Prepared] = field(default_factory=list[Prepared])


class Duplicates:
    """Links each contact to the first one of the same identity.

    Parameters
    ----------
    mode
        ``"all"`` links across the whole input, ``"window"`` across its last 50,000 identities, ``"off"`` not.
    repeated
        The identities that occur more than once, where that is known beforehand: only their results
        need to be remembered.

    """

    def __init__(self, mode: Dedupe, repeated: Collection[bytes] | None = None) -> None:
        self._mode = mode
        self._repeated = repeated
        self._firsts: OrderedDict[bytes, _First] = OrderedDict()

    def follow(self, contact: Prepared) -> EnrichmentResult | bool:
        """Return False for the first of its identity, a result that is there already, or True: it will come."""
        if self._mode == "off" or (self._repeated is not None and contact.identity not in self._repeated):
            return False
        first = self._firsts.get(contact.identity)
        if first is None:
            self._firsts[contact.identity] = _First(contact.index)
            if self._mode == "window" and len(self._firsts) > WINDOW:
                self._forget()
            return False
        if first.result is not None:
            return copy_for(contact, first.result)
        first.followers.append(contact)
        return True

    def settle(self, identity: bytes, result: EnrichmentResult) -> Iterable[EnrichmentResult]:
        """Take the result of a first, and return those of its followers."""
        first = self._firsts.get(identity)
        if first is None:
            return ()
        first.result = result
        followers, first.followers = first.followers, []
        return [copy_for(follower, result) for follower in followers]

    def _forget(self) -> None:
        """Drop the oldest identity whose result is there; one in flight may still gain followers."""
        for identity, first in self._firsts.items():
            if first.result is not None:
                del self._firsts[identity]
                return


def copy_for(contact: Prepared, result: EnrichmentResult) -> EnrichmentResult:
    """Return the result of the first contact as that of its duplicate, which cost nothing."""
    return replace(
        result,
        index=contact.index,
        contact=contact.contact,
        key=contact.contact.key,
        duplicate_of=result.index,
        credits_charged=None if result.credits_charged is None else 0.0,
        credits_estimated=0.0,
    )


async def repeated_identities(contacts: Iterable[ContactLike]) -> set[bytes]:
    """Read *contacts* once and return the identities that occur more than once."""
    seen, repeated = FirstSeen(), set[bytes]()
    for index, given in enumerate(contacts):
        contact = prepare(index, given)
        if isinstance(contact, Prepared) and seen.setdefault(contact.identity, index) != index:
            repeated.add(contact.identity)
        if index % 1_000 == 0:
            await anyio.lowlevel.checkpoint()
    return repeated
