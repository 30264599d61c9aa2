"""AsyncCleanlist: every operation of a client, each passed to the part of the runtime that performs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sized
from typing import TYPE_CHECKING

from cleanlist_async import facts
from cleanlist_async.api.operations import Operations
from cleanlist_async.batcher.operations import SingleOperations
from cleanlist_async.enrich.frame_operations import FrameOperations
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.runtime.jobs_client import JobsClient

if TYPE_CHECKING:
    from cleanlist_async.api.modern import Session
    from cleanlist_async.api.raw_responses import RawResponses
    from cleanlist_async.batcher.batcher import Batcher
    from cleanlist_async.enrich.client_spending import BudgetControl
    from cleanlist_async.enrich.plan import Plan
    from cleanlist_async.enrich.report import EnrichmentReport, Progress
    from cleanlist_async.enrich.row_results import Dedupe
    from cleanlist_async.enrich.service import BulkService, ResultStream
    from cleanlist_async.http.options import CallOptions
    from cleanlist_async.results import EnrichmentResult
    from cleanlist_async.storage.store.store import Store
    from cleanlist_async.tables.contact_rows import Columns, Extra
    from cleanlist_async.tables.input_options import ContactSource, Suppress


class AsyncCleanlist(SingleOperations, FrameOperations, Operations, JobsClient):
    """The Cleanlist API at its full rate, without a 429, and without a credit spent twice.

    No method raises anything but the errors of :mod:`cleanlist_async.errors`.
    """

    @property
    def with_raw_response(self) -> RawResponses:
        """The operations of the API, each returning a `RawResponse`: its status, headers and request id too.

        ``answer = await client.with_raw_response.public.credits_balance()`` has ``answer.request_id`` beside
        ``answer.value``. What takes many requests, such as `enrich` or a wait, is not among them.
        """
        from cleanlist_async.api.raw_responses import RawResponses

        return RawResponses(self)

    @property
    def store(self) -> Store | None:
        """Where what is bought is remembered, if anywhere."""
        return self._runtime.shared.store

    @property
    def budget(self) -> BudgetControl:
        """What the organization may spend in a day and a month, for all that share the `store`."""
        return self._runtime.spending.budget

    def _batching(self) -> tuple[Batcher, CallOptions]:
        return self._runtime.batcher, self._options

    def _bulk(self) -> tuple[BulkService, CallOptions]:
        return self._runtime.bulk, self._options

    def _session(self) -> Session:
        # Not cached: `with_options` copies attributes, and a session holds the options.
        return self._runtime.session(self._options, self._api_version)

    async def plan(
        self,
        contacts: ContactSource,
        *,
        enrichment_type: EnrichmentType = "partial",
        fresh: bool = False,
        max_age_s: float | None = None,
        columns: Columns | None = None,
        extra: Extra = "ignore",
        suppress: Suppress | None = None,
    ) -> Plan:
        """Say what enriching *contacts* would take: requests, minutes, credits. Free; sends no contact.

        With a `store`, what `enrich` with the same `fresh` and `max_age_s` would find there costs nothing.
        """
        from cleanlist_async.enrich.chunk import RunSpec
        from cleanlist_async.tables.input_options import InputOptions

        spec = RunSpec(
            enrichment_type,
            self._options,
            fresh=fresh,
            max_age_s=max_age_s,
            input=InputOptions.of(columns, extra, suppress),
        ).checked()
        return await self._runtime.bulk.plan(contacts, spec)

    async def enrich(
        self,
        contacts: ContactSource,
        *,
        enrichment_type: EnrichmentType = "partial",
        max_credits: float | None = None,
        webhook_url: str | None = None,
        dedupe: Dedupe = "all",
        fresh: bool = False,
        max_age_s: float | None = None,
        columns: Columns | None = None,
        extra: Extra = "ignore",
        suppress: Suppress | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> EnrichmentReport:
        """Enrich all *contacts* and return one result for each, in input order. Spends credits.

        A mapping may have columns of any name: *columns* says which field each holds (None: none), others
        are guessed as of a file. What is left is ignored, unless `extra` forbids it. A frame is read too; see
        `enrich_frame`. `suppress` keeps contacts back: a file, an iterable or a function that names e-mail
        addresses, domains (with all below them) and LinkedIn addresses; they are ``invalid``, "suppressed".

        `max_credits` is a budget in credits: the worst case is reserved before each submit. An error is
        raised only if no contact was accepted, refused by name, or found in the store; else the report is
        returned, with the error that ended the run early in its ``stopped_by``. A call that is cancelled
        leaves what it had in :attr:`abandoned`.

        With a `store`, what was bought before costs nothing: a result not older than `max_age_s` seconds (by
        default found ones of any age, ``not_found`` of 30 days), or one that another call or process is
        buying. `fresh` and ``dedupe="off"`` buy it again, knowingly.
        """
        from cleanlist_async.enrich.chunk import RunSpec
        from cleanlist_async.tables.input_options import InputOptions

        try:
            spec = RunSpec(
                enrichment_type,
                self._options,
                max_credits=max_credits,
                webhook_url=webhook_url,
                dedupe=dedupe,
                fresh=fresh,
                max_age_s=max_age_s,
                input=InputOptions.of(columns, extra, suppress),
                progress=progress,
            ).checked()
        except ConfigurationError as refusal:
            raise refusal.with_traceback(None) from None  # its frames hold the address of the webhook
        finally:
            del webhook_url  # a traceback that shows local variables must not show the token in it
        return await self._runtime.bulk.enrich(contacts, spec)

    def stream(
        self,
        contacts: ContactSource,
        *,
        enrichment_type: EnrichmentType = "partial",
        max_credits: float | None = None,
        webhook_url: str | None = None,
        dedupe: Dedupe | None = None,
        fresh: bool = False,
        max_age_s: float | None = None,
        columns: Columns | None = None,
        extra: Extra = "ignore",
        suppress: Suppress | None = None,
        progress: Callable[[Progress], None] | None = None,
        max_open_workflows: int = facts.MAX_OPEN_WORKFLOWS,
        ahead: int | None = None,
    ) -> ResultStream:
        """Enrich *contacts* in bounded memory, yielding each result as its workflow finishes. Spends credits.

        *contacts* may be any sync or async iterable, also an endless one: it is read at most 4,000
        contacts ahead of the last submit, and at most `max_open_workflows` workflows are open. A synchronous
        one is read in a thread once a step of it takes 50 ms. No more is bought while a window's contacts
        (7,500 with one key) wait for the consumer; with `ahead`, while so many were read whose results it has
        not taken, which is slower where that is less than a window. From a source
        without a length, at most 50,000 duplicates of contacts in flight are held. `dedupe` is ``"all"`` by
        default for a source with a length, which is read twice, and ``"window"`` (its last 50,000 identities)
        for any other.
        """
        # "all" reads the source twice, which an iterator does not survive.
        if dedupe is None:
            dedupe = "all" if isinstance(contacts, Sized) else "window"
        from cleanlist_async.enrich.chunk import RunSpec
        from cleanlist_async.tables.input_options import InputOptions

        try:
            spec = RunSpec(
                enrichment_type,
                self._options,
                max_credits=max_credits,
                webhook_url=webhook_url,
                dedupe=dedupe,
                fresh=fresh,
                max_age_s=max_age_s,
                input=InputOptions.of(columns, extra, suppress),
                progress=progress,
                max_open_workflows=max_open_workflows,
                ahead=ahead,
            ).checked()
        except ConfigurationError as refusal:
            raise refusal.with_traceback(None) from None  # as in `enrich`
        finally:
            del webhook_url
        return self._runtime.bulk.stream(contacts, spec)

    async def collect(self, pending: Iterable[EnrichmentResult]) -> EnrichmentReport:
        """Fetch results that were pending, for free: they were submitted before.

        Returns them in the order given; those that are still not there stay pending.
        """
        return await self._runtime.bulk.collect(pending, self._options)

    @property
    def abandoned(self) -> list[EnrichmentResult]:
        """Results of `enrich` calls that were cancelled: found ones, and pending ones for `collect`.

        All results of the latest such call, and the latest 10,000 of the calls before it. Clear the list when
        you have what you need.
        """
        return self._runtime.bulk.abandoned
