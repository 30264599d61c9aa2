"""The submits that a run still has to make, as far as that is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cleanlist_async import facts
from cleanlist_async.enrich.chunk_submitter import ChunkSubmitter


@dataclass(eq=False, slots=True)
class UnsentContacts:
    """Contacts of a run that are in no submit yet.

    `total` is None where the source does not say how many it has. `ahead` is how many may be read before
    results are taken, None without a limit; `read` is how many came from it so far, and `gathered` how many
    of those wait to be put into a submit. `is_over` once nothing more is read.
    """

    submitter: ChunkSubmitter
    total: int | None
    ahead: int | None
    read: int = 0
    gathered: int = 0
    is_over: bool = False

    def is_far_ahead(self, taken: int) -> bool:
        """Whether as many contacts as may be were read beyond the results that were *taken*."""
        return self.ahead is not None and self.read - taken >= self.ahead

    def submits(self) -> int | None:
        """Return how many submits are still to be made; None if that cannot be known."""
        if self.is_over:
            return self.submitter.in_line
        if self.total is None:
            return None
        unsent = max(0, self.total - self.read) + self.gathered
        return self.submitter.in_line + math.ceil(unsent / facts.MAX_CONTACTS_PER_REQUEST)
