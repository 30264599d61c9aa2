"""The source of a job that was begun: what its journal kept of the input."""

from __future__ import annotations

from collections.abc import Iterator

from cleanlist_async.contacts.identity import Invalid, Prepared
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import Header
from cleanlist_async.job.source import Source


class KeptSource(Source):
    """The contacts of a journal. The input itself may change, or be gone."""

    def __init__(self, journal: Journal, header: Header) -> None:
        self.name = header.source_name
        self.digest = ""
        self.table = None
        self._journal = journal
        self._count = header.contacts

    def prepared(self) -> Iterator[Prepared | Invalid]:
        """Yield the contacts in their order."""
        return self._journal.kept(self._count)
