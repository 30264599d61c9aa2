"""The kinds of event that are about contacts and their results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from cleanlist_async.facts import EnrichmentType
from cleanlist_async.results import ResultStatus

RunKind: TypeAlias = Literal["enrich", "enrich_one", "job"]
"""What buys contacts. `enrich_one` has no runs; its batches settle results."""


@dataclass(frozen=True, slots=True)
class ContactStarted:
    """A call of `enrich_one` started. `caller` is its number in this process."""

    caller: int
    enrichment_type: EnrichmentType
    """What was asked for."""


@dataclass(frozen=True, slots=True)
class ContactFinished:
    """A call of `enrich_one` returned or raised.

    Attributes
    ----------
    caller
        The number of its `ContactStarted`.
    status
        That of the result; None if the call raised.
    workflow_id
        The workflow of the batch that bought it, where there is one.
    credits
        Credits of this result; 0 for a duplicate, and for what was bought before.
    duration_s
        Seconds from the call to its end.
    error
        The name of the error's class (``CancelledError`` is one); None if the call returned.

    """

    caller: int
    status: ResultStatus | None
    workflow_id: str | None
    credits: float
    duration_s: float
    error: str | None


@dataclass(frozen=True, slots=True)
class ResultsSettled:
    """Results of a workflow are final. The sum of all `credits`, over all clients, is what was spent.

    That of a client that is gone is reported by the one that fetches its results from the store.

    `contacts` excludes what is still pending, and `found` counts those with a result. `kind` is what bought
    them. `workflow_id` is None where the server named none.
    """

    kind: RunKind
    workflow_id: str | None
    contacts: int
    found: int
    credits: float


@dataclass(frozen=True, slots=True)
class ContactsUndelivered:
    """The client was closed while contacts that it had bought, or may have, were not handed to a caller.

    `contacts` counts them; `workflow_ids` are their workflows, whose results `collect` fetches for free.
    """

    contacts: int
    workflow_ids: tuple[str, ...]
