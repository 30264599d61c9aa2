"""AsyncCleanlist: every operation of a client, each handed to the part of the runtime that does it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sized
from os import PathLike
from typing import TYPE_CHECKING

from cleanlist_async import facts
from cleanlist_async.checks import checked_path
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.options import checked_deadline
from cleanlist_async.runtime import BaseClient

if TYPE_CHECKING:
    from cleanlist_async.api.enrichment import Enrichment
    from cleanlist_async.api.export import Export
    from cleanlist_async.api.groups import ModernAPI
    from cleanlist_async.api.lead_lists import LeadLists
    from cleanlist_async.api.public import PublicAPI
    from cleanlist_async.api.search import SearchAPI
    from cleanlist_async.api.smart_agents import SmartAgents
    from cleanlist_async.api.workspace import Workspace
    from cleanlist_async.contacts.identity import ContactLike
    from cleanlist_async.enrich.chunk import RunSpec
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


class AsyncCleanlist(BaseClient):
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

    # -- the modern operations -----------------------------------------------------------------

    @property
    def workspace(self) -> Workspace:
        """The owner of the key, credits and prices, keys, usage."""
        return self._modern.workspace

    @property
    def lead_lists(self) -> LeadLists:
        """Lists, the leads in them, and imports."""
        return self._modern.lead_lists

    @property
    def enrichment(self) -> Enrichment:
        """Enrichment of persons, companies, cohorts and lists."""
        return self._modern.enrichment

    @property
    def smart_agents(self) -> SmartAgents:
        """Agents that fill a column of a list."""
        return self._modern.smart_agents

    @property
    def export(self) -> Export:
        """Lists as CSV files and as JSON."""
        return self._modern.export

    @property
    def search(self) -> SearchAPI:
        """Searches of people and companies. Provisional."""
        return self._modern.search

    @property
    def _modern(self) -> ModernAPI:
        # Not cached: `with_options` copies attributes, and the groups hold the options.
        return self._runtime.modern(self._options, self._api_version)

    # -- one contact ---------------------------------------------------------------------------

    async def enrich_one(
        self,
        contact: ContactLike,
        *,
        enrichment_type: EnrichmentType = "partial",
        deadline_s: float = facts.ENRICH_ONE_DEADLINE_S,
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
        nothing; cancelling it later never affects other callers.
        """
        deadline_s = checked_deadline(deadline_s, self._options.deadline_s)
        return await self._runtime.batcher.enrich_one(contact, enrichment_type, self._options, deadline_s)

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
        spec = self._spec(enrichment_type=enrichment_type, fresh=fresh, max_age_s=max_age_s)
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
        spec = self._spec(
            enrichment_type=enrichment_type,
            max_credits=max_credits,
            webhook_url=webhook_url,
            dedupe=dedupe,
            fresh=fresh,
            max_age_s=max_age_s,
            progress=progress,
        )
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
        """Enrich *contacts* in flat memory, yielding each result as its workflow finishes. Spends credits.

        *contacts* may be any sync or async iterable, also an endless one: it is read at most 4,000
        contacts ahead of what was submitted, and at most `max_open_workflows` workflows are open (and, of a
        source without a length, 50,000 duplicates of contacts that are on their way).
        `dedupe` is ``"all"`` by default for a source with a length, which is read twice, and ``"window"``
        (its last 50,000 identities) for any other.
        """
        # "all" reads the source twice, which an iterator does not survive.
        if dedupe is None:
            dedupe = "all" if isinstance(contacts, Sized) else "window"
        spec = self._spec(
            enrichment_type=enrichment_type,
            max_credits=max_credits,
            webhook_url=webhook_url,
            dedupe=dedupe,
            fresh=fresh,
            max_age_s=max_age_s,
            progress=progress,
            max_open_workflows=max_open_workflows,
        )
        return self._runtime.bulk.stream(contacts, spec)

    async def collect(self, pending: Iterable[EnrichmentResult]) -> EnrichmentReport:
        """Fetch results that were pending, for free: they were submitted before.

        Returns them in the order given; what is still not there stays pending.
        """
        return await self._runtime.bulk.collect(pending, self._options)

    async def job(
        self,
        journal: str | PathLike[str],
        source: JobSource,
        *,
        enrichment_type: EnrichmentType = "partial",
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

        *journal* is the file that survives; *source* a CSV, TSV or JSON Lines file, or an iterable that can
        be read again. `max_credits` is a budget in credits, and may be another one, or none, on resume.
        `webhook` is the public address of your receiver, for `Job.receive`; by default that of `webhooks`,
        which needs no such call. `submit_mode` says how a submit whose answer was lost is found again; see
        `Job.promise`. `on_unknown` holds such a submit, or sends it again at the cost of at most
        `max_duplicate_credits`, or asks a function of yours. `cache` is a file of results that were bought
        before, found again with the same API key (of several, the first) and good for `cache_ttl_s` seconds.
        `half_full_price` is the reading of what
        ``full`` costs where one half was found, which is documented nowhere: ``"full"`` 11 credits,
        ``"each"`` those of the half; the server's own word, where it gives one, counts before it.

        A journal that is older than the last run of its job, a copy of one that is still there, or a new one
        where another had sent contacts, is refused, for it would buy them again; so is one with a hard link.
        What the last run was is recorded in ``$XDG_STATE_HOME/cleanlist-async`` (``~/.local/state``); without
        a record a warning is logged. `adopt` takes such a journal: look at what was bought first, with
        ``cleanlist-async usage``. Other copies are refused from then on.

        Raises JournalLockedError when another process works on the journal, InputChangedError when the source
        or what was asked for is not what the job was begun with, JournalError for a journal that is refused
        or damaged.
        """
        from cleanlist_async.job.job import Job
        from cleanlist_async.job.spec import JobSpec
        from cleanlist_async.job.unknown import UnknownPolicy

        spec = JobSpec(
            enrichment_type=enrichment_type,
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
        )
        return await Job.open(
            self._runtime.pipeline, self._runtime.polls, checked_path("journal", journal), source, spec
        )

    @property
    def abandoned(self) -> list[EnrichmentResult]:
        """Results of `enrich` calls that were cancelled: found ones, and pending ones for `collect`.

        All of the latest such call, and of those before it the latest, 10,000 in all. Clear the list when you
        have what you need.
        """
        return self._runtime.bulk.abandoned

    def _spec(
        self,
        *,
        enrichment_type: EnrichmentType,
        max_credits: float | None = None,
        webhook_url: str | None = None,
        dedupe: Dedupe = "all",
        fresh: bool,
        max_age_s: float | None,
        progress: Callable[[Progress], None] | None = None,
        max_open_workflows: int = facts.MAX_OPEN_WORKFLOWS,
    ) -> RunSpec:
        from cleanlist_async.enrich.chunk import RunSpec

        return RunSpec(
            enrichment_type,
            self._options,
            max_credits,
            webhook_url,
            dedupe,
            progress,
            max_open_workflows,
            fresh,
            max_age_s,
        )
