"""AsyncCleanlist: every operation of a client, each passed to the part of the runtime that performs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sized
from os import PathLike
from typing import TYPE_CHECKING

from cleanlist_async import facts
from cleanlist_async.api.modern_operations import ModernOperations
from cleanlist_async.checks import checked_path
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.options import checked_deadline
from cleanlist_async.runtime import BaseClient

if TYPE_CHECKING:
    from cleanlist_async.api.modern import Session
    from cleanlist_async.api.public import PublicAPI
    from cleanlist_async.contacts.identity import ContactLike
    from cleanlist_async.enrich.budget_control import BudgetControl
    from cleanlist_async.enrich.dedupe import Dedupe
    from cleanlist_async.enrich.plan import ContactSource, Plan
    from cleanlist_async.enrich.report import EnrichmentReport, Progress
    from cleanlist_async.enrich.stream import ResultStream
    from cleanlist_async.job.job import Job
    from cleanlist_async.job.journal.records import HalfFullPrice
    from cleanlist_async.job.source import JobSource
    from cleanlist_async.job.spec import ChosenMode
    from cleanlist_async.job.unknown import OnUnknown
    from cleanlist_async.results import EnrichmentResult
    from cleanlist_async.storage.store.store import Store


class AsyncCleanlist(ModernOperations, BaseClient):
    """The Cleanlist API at its full rate, without a 429, and without a credit spent twice.

    No method raises anything but the errors of :mod:`cleanlist_async.errors`.
    """

    @property
    def public(self) -> PublicAPI:
        """The five operations of the Public API."""
        return self._runtime.public(self._options)

    @property
    def store(self) -> Store | None:
        """Where what is bought is remembered, if anywhere."""
        return self._runtime.store

    @property
    def budget(self) -> BudgetControl:
        """What the organization may spend in a day and a month, for all that share the `store`."""
        return self._runtime.spending.budget

    def _session(self) -> Session:
        # Not cached: `with_options` copies attributes, and a session holds the options.
        return self._runtime.session(self._options, self._api_version)

    # -- one contact ---------------------------------------------------------------------------

    async def enrich_one(
        self,
        contact: ContactLike,
        *,
        enrichment_type: EnrichmentType = "partial",
        deadline_s: float = facts.ENRICH_ONE_DEADLINE_S,
        fresh: bool = False,
        max_age_s: float | None = None,
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
        """
        deadline_s = checked_deadline(deadline_s, self._options.deadline_s)
        return await self._runtime.batcher.enrich_one(
            contact, enrichment_type, self._options, deadline_s, fresh=fresh, max_age_s=max_age_s
        )

    # -- bulk ----------------------------------------------------------------------------------

    async def plan(
        self,
        contacts: ContactSource,
        *,
        enrichment_type: EnrichmentType = "partial",
        fresh: bool = False,
        max_age_s: float | None = None,
    ) -> Plan:
        """Say what enriching *contacts* would take: requests, minutes, credits. Free; sends no contact.

        With a `store`, what `enrich` with the same `fresh` and `max_age_s` would find there costs nothing.
        """
        from cleanlist_async.enrich.chunk import RunSpec

        spec = RunSpec(enrichment_type, self._options, fresh=fresh, max_age_s=max_age_s).checked()
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
        progress: Callable[[Progress], None] | None = None,
    ) -> EnrichmentReport:
        """Enrich all *contacts* and return one result for each, in input order. Spends credits.

        `max_credits` is a budget in credits: the worst case is reserved before each submit. An error that
        ends the run before anything was accepted is raised; later errors are in ``stopped_by`` of the report,
        which is then always returned. A call that is cancelled leaves what it had in
        :attr:`abandoned`.

        With a `store`, what was bought before costs nothing: a result not older than `max_age_s` seconds (by
        default found ones of any age, ``not_found`` of 30 days), or one that another call or process is
        buying. `fresh` and ``dedupe="off"`` buy it again, knowingly.
        """
        from cleanlist_async.enrich.chunk import RunSpec

        try:
            spec = RunSpec(
                enrichment_type,
                self._options,
                max_credits=max_credits,
                webhook_url=webhook_url,
                dedupe=dedupe,
                fresh=fresh,
                max_age_s=max_age_s,
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
        progress: Callable[[Progress], None] | None = None,
        max_open_workflows: int = facts.MAX_OPEN_WORKFLOWS,
    ) -> ResultStream:
        """Enrich *contacts* in bounded memory, yielding each result as its workflow finishes. Spends credits.

        *contacts* may be any sync or async iterable, also an endless one: it is read at most 4,000
        contacts ahead of the last submit, and at most `max_open_workflows` workflows are open. From a source
        without a length, at most 50,000 duplicates of contacts in flight are held. `dedupe` is ``"all"`` by
        default for a source with a length, which is read twice, and ``"window"`` (its last 50,000 identities)
        for any other.
        """
        # "all" reads the source twice, which an iterator does not survive.
        if dedupe is None:
            dedupe = "all" if isinstance(contacts, Sized) else "window"
        from cleanlist_async.enrich.chunk import RunSpec

        try:
            spec = RunSpec(
                enrichment_type,
                self._options,
                max_credits=max_credits,
                webhook_url=webhook_url,
                dedupe=dedupe,
                fresh=fresh,
                max_age_s=max_age_s,
                progress=progress,
                max_open_workflows=max_open_workflows,
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

    async def job(
        self,
        name: str | PathLike[str],
        source: JobSource | None = None,
        *,
        enrichment_type: EnrichmentType | None = None,
        max_credits: float | None = None,
        webhook: str | None = None,
        submit_mode: ChosenMode = "auto",
        on_unknown: OnUnknown = "hold",
        max_duplicate_credits: float | None = None,
        cache: str | PathLike[str] | None = None,
        cache_ttl_s: float = facts.CACHE_TTL_S,
        half_full_price: HalfFullPrice = "full",
        max_open_workflows: int = facts.MAX_OPEN_WORKFLOWS,
        adopt: bool = False,
    ) -> Job:
        """Begin a durable bulk job, or resume it: the same call does both. Sends nothing yet.

        *name* is that of a job in the client's `store`, which any process that shares the store can run, one
        at a time. A path, or text that has a folder in it or ends in ``.journal``, is a journal: a file of
        this machine. *source* is a CSV, TSV or JSON Lines file, or an iterable that can be read again; a job
        in a store copies it, and is resumed without it too. `enrichment_type` is ``"partial"`` by default,
        and that of the job on resume. `max_credits` is a budget in credits over all runs and processes, and
        may be another one, or none, on resume; without a *source* None leaves it as it is.

        The other options are those of a journal. `webhook` is the public address of your receiver, for
        `Job.receive`; by default that of `webhooks`, which needs no such call. `submit_mode` says how a
        submit whose answer was lost is found again; see `Job.promise`. `on_unknown` holds such a submit, or
        sends it again at the cost of at most `max_duplicate_credits`, or asks a function of yours. `cache`
        (deprecated) is a file of results that were bought before with the same API key (of several, the
        first), and are reused for `cache_ttl_s` seconds; a job with a name takes them over into the store.
        `half_full_price` says what ``full`` costs where only one half was found, which is not documented:
        ``"full"`` 11 credits, ``"each"`` those of the half. If the server reports a price, that counts.

        A journal that is older than the last run of its job (recorded in ``~/.local/state/cleanlist-async``),
        a copy of one, one with a hard link, or a new one where another had sent contacts, is refused, for it
        would buy them again. `adopt` accepts it, and refuses other copies: look at what was bought first.

        Raises JobLockedError when another process runs the job, InputChangedError when the source or options
        are not those that it began with, JournalError or StoreError when its memory cannot be used.
        """
        from cleanlist_async.job.open_job import open_job
        from cleanlist_async.job.spec import JobSpec
        from cleanlist_async.job.unknown import UnknownPolicy

        try:
            spec = JobSpec(
                enrichment_type="partial" if enrichment_type is None else enrichment_type,
                max_credits=max_credits,
                webhook=webhook,
                submit_mode=submit_mode,
                policy=UnknownPolicy(on_unknown, max_duplicate_credits),
                options=self._options,
                cache=None if cache is None else checked_path("cache", cache),
                cache_ttl_s=cache_ttl_s,
                half_full_price=half_full_price,
                max_open_workflows=max_open_workflows,
                adopt=adopt,
                api_version=self._api_version,
                receiver=self.webhooks,
            ).checked()
        except ConfigurationError as refusal:
            raise refusal.with_traceback(None) from None  # as in `enrich`
        finally:
            del webhook
        bulk, session = self._runtime.bulk, self._runtime.spending.session
        return await open_job(bulk, session, name, source, spec, asked_type=enrichment_type)

    @property
    def abandoned(self) -> list[EnrichmentResult]:
        """Results of `enrich` calls that were cancelled: found ones, and pending ones for `collect`.

        All results of the latest such call, and the latest 10,000 of the calls before it. Clear the list when
        you have what you need.
        """
        return self._runtime.bulk.abandoned
