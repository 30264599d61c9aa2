"""Splitting contacts into bulk requests: at most 250 contacts and a number of bytes each. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from pydantic_core import to_json

from cleanlist_async import facts
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.facts import EnrichmentType

_MOST_HELD: Final = 1_000
"""Contacts that wait for a request without one that is like them."""


class Apart(Protocol):
    """The contacts of one request, and which others must not be among them."""

    def clear(self) -> None:
        """Begin another request."""
        ...

    def add(self, contact: Prepared, /) -> None:
        """Take a contact into the request."""
        ...

    def has_like(self, contact: Prepared, /) -> bool:
        """Whether this contact must not be in the request."""
        ...


class Chunker:
    """Fills one request after the other, in the order of the contacts.

    The cap of 250 contacts is documented (docs.cleanlist.ai/api-reference/errors, 400); the cap in bytes is
    ours, since the server's own is not published. Contacts that must be *apart* from one in the request wait
    for another one, or end the request if they are *in_order*.
    """

    __slots__ = ("_apart", "_bytes", "_chunk", "_held", "_in_order", "_overhead", "max_bytes", "max_contacts")

    def __init__(
        self,
        max_contacts: int = facts.MAX_CONTACTS_PER_REQUEST,
        max_bytes: int = facts.MAX_REQUEST_BYTES,
        *,
        overhead: int = 4_096,
        apart: Apart | None = None,
        in_order: bool = False,
    ) -> None:
        self.max_contacts = max_contacts
        self.max_bytes = max_bytes
        self._overhead = overhead  # for the other fields of a request, such as a long webhook address
        self._apart = apart
        self._in_order = in_order
        self._held: deque[Prepared] = deque()
        self._chunk: list[Prepared] = []
        self._bytes = overhead

    def __len__(self) -> int:
        return len(self._chunk) + len(self._held)

    def add(self, contact: Prepared) -> list[Prepared] | None:
        """Add one contact; return the chunk that it completed or did not fit into, or None."""
        full = self.flush() if self._chunk and self._must_end(contact) else None
        if self._has_like(contact):
            self._held.append(contact)
            return full
        self._take(contact)
        if full is None and len(self._chunk) >= self.max_contacts:
            full = self.flush()
        return full

    def flush(self) -> list[Prepared] | None:
        """Return a chunk of what is left, or None. There may be another one: see `rest`."""
        chunk, self._chunk, self._bytes = self._chunk, [], self._overhead
        if self._apart is not None:
            self._apart.clear()
            self._take_held()
        return chunk or None

    def rest(self) -> list[list[Prepared]]:
        """Return all that is left, in as many chunks as it takes."""
        return list(iter(self.flush, None))

    def _must_end(self, contact: Prepared) -> bool:
        """Whether the chunk ends before this contact: it has no room, or the contact cannot wait."""
        # An empty chunk takes any contact: its fields are limited far below the cap.
        if self._bytes + _size(contact) > self.max_bytes:
            return True
        # A list of nothing but look-alikes must not be held in memory.
        return (self._in_order or len(self._held) >= _MOST_HELD) and self._has_like(contact)

    def _has_like(self, contact: Prepared) -> bool:
        return self._apart is not None and self._apart.has_like(contact)

    def _take(self, contact: Prepared) -> None:
        self._chunk.append(contact)
        self._bytes += _size(contact)
        if self._apart is not None:
            self._apart.add(contact)

    def _take_held(self) -> None:
        """Move contacts that waited into a new chunk, where they leave room for others."""
        for _ in range(len(self._held)):
            contact = self._held.popleft()
            has_room = 2 * len(self._chunk) < self.max_contacts and 2 * self._bytes < self.max_bytes
            if self._chunk and (not has_room or self._has_like(contact)):
                self._held.append(contact)
            else:
                self._take(contact)


def _size(contact: Prepared) -> int:
    return len(contact.payload) + 1  # and a comma


def chunked(contacts: Iterator[Prepared], chunker: Chunker) -> Iterator[list[Prepared]]:
    """Split *contacts* into chunks."""
    for contact in contacts:
        if chunk := chunker.add(contact):
            yield chunk
    yield from chunker.rest()


def bulk_body(
    contacts: Sequence[Prepared], enrichment_type: EnrichmentType, webhook_url: str | None = None
) -> bytes:
    """Build the JSON of one bulk request from contacts that are JSON already."""
    options = {"enrichment_type": enrichment_type} | ({"webhook_url": webhook_url} if webhook_url else {})
    # The bytes that were checked, measured and digested are the bytes that are sent.
    listed = b",".join([contact.payload for contact in contacts])
    return b'{"contacts":[' + listed + b"]," + to_json(options)[1:]
