"""Splitting contacts into bulk requests: at most 250 contacts and a number of bytes each. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic_core import to_json

from cleanlist_async import facts
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.facts import EnrichmentType


class Chunker:
    """Fills one request after the other, in the order of the contacts.

    The cap of 250 contacts is documented (docs.cleanlist.ai/api-reference/errors, 400); the cap in bytes
    is ours, since the server's own is not published.
    """

    __slots__ = ("_bytes", "_chunk", "_overhead", "max_bytes", "max_contacts")

    def __init__(
        self,
        max_contacts: int = facts.MAX_CONTACTS_PER_REQUEST,
        max_bytes: int = facts.MAX_REQUEST_BYTES,
        *,
        overhead: int = 4_096,
    ) -> None:
        self.max_contacts = max_contacts
        self.max_bytes = max_bytes
        self._overhead = overhead  # for the other fields of a request, such as a long webhook address
        self._chunk: list[Prepared] = []
        self._bytes = overhead

    def __len__(self) -> int:
        return len(self._chunk)

    def add(self, contact: Prepared) -> list[Prepared] | None:
        """Add one contact; return the chunk that it completed or did not fit into, if there is one."""
        size = len(contact.payload) + 1  # and a comma
        # An empty chunk takes any contact: its fields are limited far below the cap.
        full = self.flush() if self._chunk and self._bytes + size > self.max_bytes else None
        self._chunk.append(contact)
        self._bytes += size
        if full is None and len(self._chunk) >= self.max_contacts:
            full = self.flush()
        return full

    def flush(self) -> list[Prepared] | None:
        """Return what is left, or None."""
        chunk, self._chunk, self._bytes = self._chunk, [], self._overhead
        return chunk or None


def chunked(contacts: Iterator[Prepared], chunker: Chunker) -> Iterator[list[Prepared]]:
    """Split *contacts* into chunks."""
    for contact in contacts:
        if chunk := chunker.add(contact):
            yield chunk
    if rest := chunker.flush():
        yield rest


def bulk_body(
    contacts: Sequence[Prepared], enrichment_type: EnrichmentType, webhook_url: str | None = None
) -> bytes:
    """Build the JSON of one bulk request from contacts that are JSON already."""
    options = {"enrichment_type": enrichment_type} | ({"webhook_url": webhook_url} if webhook_url else {})
    # The bytes that were checked, measured and digested are the bytes that are sent.
    listed = b",".join([contact.payload for contact in contacts])
    return b'{"contacts":[' + listed + b"]," + to_json(options)[1:]
