"""The enrichment of single contacts, as a client has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cleanlist_async import facts
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.options import CallOptions, checked_deadline

if TYPE_CHECKING:
    from cleanlist_async.batcher.batcher import Batcher
    from cleanlist_async.contacts.identity import ContactLike
    from cleanlist_async.results import EnrichmentResult
    from cleanlist_async.tables.input_options import Suppress


class SingleOperations:
    """Enrichment of one contact at a time."""

    async def enrich_one(
        self,
        contact: ContactLike,
        *,
        enrichment_type: EnrichmentType = "partial",
        deadline_s: float = facts.ENRICH_ONE_DEADLINE_S,
        fresh: bool = False,
        max_age_s: float | None = None,
        suppress: Suppress | None = None,
    ) -> EnrichmentResult:
        """Enrich one contact, batched with concurrent callers into one request. Spends credits.

        A single call is sent at once; while tokens are scarce, up to 250 calls share a request. Concurrent
        calls with the same contact and type share one purchase: all but the first get the result as a
        duplicate (``duplicate_of`` 0), which costs nothing.

        The outcome of the contact is returned, as by `enrich`: ``found``, ``not_found``, ``invalid`` (not
        sent, or refused by the server), ``failed``, or ``pending`` if the workflow is finished without a row
        that is certainly this contact's. Everything else is raised: WaitTimeoutError after `deadline_s`
        seconds (or the client's, if that is shorter), whose ``pending`` can be given to `collect` if the
        contact was accepted by then (if it was not sent, it is not bought later); OverloadedError when too
        many contacts wait for its turn to come in time; UnknownOutcomeError when it is not known whether the
        request was processed; the server's refusal. Cancelling a call before its contact is sent buys
        nothing; cancelling it later never affects other callers, and the result is there for a later call.

        With a `store`, what was bought before costs nothing, as in `enrich`, where `fresh` and `max_age_s`
        (seconds) are explained. Only a workflow that cannot be fetched now is ``pending`` besides. StoreError
        when the store cannot be used: then nothing was sent. Without a store, the client remembers what
        callers left before they had it, up to 10,000 results.

        A contact that *suppress* covers, as in `enrich`, is ``invalid`` and never sent. Keep one
        `Suppression` of a file or a list for all calls, since each call reads what it is given.
        """
        from cleanlist_async.tables.input_options import Suppression  # noqa: PLC0415  # loads the tables

        batcher, options = self._batching()
        deadline_s = checked_deadline(deadline_s, options.deadline_s)
        return await batcher.enrich_one(
            contact,
            enrichment_type,
            options,
            deadline_s,
            fresh=fresh,
            max_age_s=max_age_s,
            suppression=Suppression.of(suppress),
        )

    def _batching(self) -> tuple[Batcher, CallOptions]:
        raise NotImplementedError
