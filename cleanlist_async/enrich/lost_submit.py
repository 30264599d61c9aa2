"""A submit whose answer was lost, and the webhook that names its workflow."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.fetch import Fetcher, Submitted
from cleanlist_async.errors import CleanlistError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.webhooks.submission import Submission

log: Final = logging.getLogger("cleanlist_async")


async def results_of_lost(
    submission: Submission,
    contacts: Sequence[Prepared],
    enrichment_type: EnrichmentType,
    *,
    fetcher: Fetcher,
    within_s: float,
    now: float,
) -> list[EnrichmentResult] | None:
    """Wait for the webhook of a submit that may have been accepted, and return the results of its workflow.

    Whoever knows the token can name any workflow. So it is the one only if the server, asked with our key,
    has a row for every contact. None if no webhook comes within *within_s* seconds, or it proves nothing.
    """
    if not submission.push.is_expected:
        return None
    workflow_id = await submission.workflow_named(within_s)
    if workflow_id is None:
        return None
    nothing_known = (None,) * len(contacts)
    named = Submitted(workflow_id, tuple(contacts), nothing_known, (), None, now, is_new=False, whole=False)
    try:
        fetched = await fetcher.fetch(named, enrichment_type)
    except CleanlistError as error:
        log.warning("a webhook names a workflow that cannot be confirmed: %s", type(error).__name__)
        return None
    return fetched if all(result.status in {"found", "not_found"} for result in fetched) else None
