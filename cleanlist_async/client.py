"""AsyncCleanlist: every operation of a client, each passed to the part of the runtime that performs it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sized
from os import PathLike
from typing import TYPE_CHECKING
from warnings import warn

from cleanlist_async import facts
from cleanlist_async.api.operations import Operations
from cleanlist_async.batcher.operations import SingleOperations
from cleanlist_async.checks import check_webhook_url, checked_path
from cleanlist_async.enrich.frame_operations import FrameOperations
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.runtime.base_client import BaseClient

if TYPE_CHECKING:
    from cleanlist_async.api.modern import Session
    from cleanlist_async.api.raw_responses import RawResponses
    from cleanlist_async.batcher.batcher import Batcher
    from cleanlist_async.enrich.client_spending import BudgetControl
    from cleanlist_async.enrich.plan import Plan
    from cleanlist_async.enrich.report import EnrichmentReport, Progress
    from cleanlist_async.enrich.result_stream import ResultStream
    from cleanlist_async.enrich.row_results import Dedupe
    from cleanlist_async.enrich.service import BulkService
    from cleanlist_async.http.options import CallOptions
    from cleanlist_async.job.job import Job
    from cleanlist_async.job.journal.records import HalfFullPrice
    from cleanlist_async.job.source import JobSource
    from cleanlist_async.job.spec import ChosenMode
    from cleanlist_async.job.unknown import OnUnknown
    from cleanlist_async.results import EnrichmentResult
    from cleanlist_async.storage.store.store import Store
    from cleanlist_async.tables.contact_rows import Columns, Extra
    from cleanlist_async.tables.input_options import ContactSource, Suppress


class JobsClient(BaseClient):
    """Adds `job` and `unfinished` to a client."""

    async def job(
        self,
        name: str | PathLike[str],
        source: JobSource | None = None,
        *,
        enrichment_type: EnrichmentType | None = None,
        max_credits: float | None = None,
        webhook_url: str | None = None,
        submit_mode: ChosenMode = "auto",
        on_unknown: OnUnknown = "hold",
        max_duplicate_credits: float | None = None,
        cache: str | PathLike[str] | None = None,
        cache_ttl_s: float = facts.CACHE_TTL_S,
        half_full_price: HalfFullPrice = "full",
        max_open_workflows: int = facts.MAX_OPEN_WORKFLOWS,
        adopt: bool = False,
        columns: Columns | None = None,
        extra: Extra = "ignore",
        suppress: Suppress | None = None,
        webhook: str | None = None,
    ) -> Job:
        """Begin a durable bulk job, or go on with it: the same call does both. Sends nothing yet.

        The job is written down before this returns, with a copy of its contacts. Until it is closed
        (``async with``) it is this client's alone, then anybody's who shares the store. One that an error has
        paused is among `unfinished`, and this call with its name alone goes on with it.

        What every job takes:

        - *name*: that of a job in the client's `store`. A path is a journal; see below.
        - *source*: a CSV, TSV or JSON Lines file, or an iterable that can be read again. Without it the job
          goes on with its copy.
        - `enrichment_type`: ``"partial"`` by default, and that of the job once it is begun.
        - `max_credits`: a budget in credits over all runs. It may change when the job is opened again;
          without a *source* None leaves it.
        - *columns*, `extra` and `suppress`: as in `enrich`; a job does not remember `suppress`.
        - `max_open_workflows`: how many workflows may be open at once.
        - `adopt`: whether to take over the job of another organization, which has bought nothing yet; for a
          journal see below. It is not needed where the API never accepted a call with the key that the job
          was begun with, and the store serves no other organization.
        - `cache` (deprecated): a file of results that were bought with the same API key (of several, the
          first), and are reused for `cache_ttl_s` seconds. A job with a name moves them into the store.

        Raises JobNotFoundError without a *source* where there is no such job, or it is another
        organization's; JobLockedError while another process runs it; InputChangedError where the *source* has
        other contacts, which it names, or the options are not those that the job began with; JobPurgedError
        once its contacts were removed; StoreError or JournalError when its memory cannot be used.

        **A journal** is a job in a file of this machine. A path names one, and so does text with a slash or
        that ends in ``.journal``: check a name that comes from a URL, for it may say where a file is made. A
        journal shares its purchases through the store, if there is one, and takes these options too:

        - `webhook_url`: the public address of your receiver, for `Job.receive`; by default that of
          `webhooks`, which needs no such call. `webhook` is its old name.
        - `submit_mode`: how a submit whose answer was lost is found again; see `Job.promise`.
        - `on_unknown`: holds such a submit, or sends it again at the cost of at most `max_duplicate_credits`,
          or asks a function of yours.
        - `half_full_price`: what ``full`` costs where only one half was found, and the server reports no
          price: ``"full"`` 11 credits, ``"each"`` those of the half. It is not documented.
        - `adopt`: a journal is refused that is older than the last run of its job (recorded in
          ``~/.local/state/cleanlist-async``), is a copy, has a hard link, or is new where another had sent
          contacts, for it would buy them again. This accepts it, and refuses the other copies: look at what
          was bought first.
        """
        from cleanlist_async.job.open_job import open_job
        from cleanlist_async.job.spec import JobSpec
        from cleanlist_async.job.unknown import UnknownPolicy
        from cleanlist_async.tables.input_options import InputOptions

        try:
            if webhook is not None:
                webhook_url = _renamed(webhook, webhook_url)
            spec = JobSpec(
                enrichment_type="partial" if enrichment_type is None else enrichment_type,
                max_credits=max_credits,
                webhook_url=webhook_url,
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
                input=InputOptions.of(columns, extra, suppress),
            ).checked()
        except ConfigurationError as refusal:
            raise refusal.with_traceback(None) from None  # as in `enrich`
        finally:
            del webhook_url, webhook
        bulk, session = self._runtime.bulk, self._runtime.spending.session
        return await open_job(bulk, session, name, source, spec, asked_type=enrichment_type)

    async def unfinished(self) -> AsyncIterator[str]:
        """Yield the names of jobs in the `store` that have something left to do, and that no process runs.

        Only those that ``client.job(name)`` can go on with: `Store.unfinished` has all. The first call may
        ask the API, for free, for the organization of the key.
        """
        from cleanlist_async.job.open_job import unfinished_names

        for name in await unfinished_names(self._runtime.spending.session):
            yield name


def _renamed(webhook: str, webhook_url: str | None) -> str:
    check_webhook_url(webhook, "webhook")
    if webhook_url is not None:
        raise ConfigurationError("webhook is the old name of webhook_url: give one of them.")
    warn("job(webhook=) is called webhook_url=, as in enrich()", DeprecationWarning, stacklevel=3)
    return webhook


class AsyncCleanlist(SingleOperations, FrameOperations, Operations, JobsClient):
    """The Cleanlist API at its full rate, without a 429, and without a credit spent twice.

    No method raises anything but the errors of :mod:`cleanlist_async.errors`.
    """

    @property
    def with_raw_response(self) -> RawResponses:
        """The operations of the API, each returning a `RawResponse`: its status, headers and request id too.

        ``answer = await client.with_raw_response.public.credits_balance()`` has ``answer.request_id`` beside
        ``answer.value``. What takes many requests, such as `enrich`, is not among them.
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

        A mapping may have columns of any name: *columns* says which field each holds (None: none;
        ``full_name`` is split), others are guessed as of a file. What is left is ignored, unless `extra`
        forbids it. A frame is read too; see `enrich_frame`. `suppress` keeps contacts back: a file, an
        iterable or a function that names e-mail addresses, domains (with all below them) and LinkedIn
        addresses; they are ``invalid``, "suppressed".

        `max_credits` is a budget in credits: the worst case is reserved before each submit. An error is
        raised only if no contact was accepted, refused by name, or found in the store; else it is in the
        ``stopped_by`` of the report. A call that is cancelled leaves what it had in :attr:`abandoned`.

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
        not taken: slower, if less than a window. From a source without a length, at most 50,000 duplicates of
        contacts in flight are held. `dedupe` is by default ``"all"`` for a source with a length, which is
        read twice, else ``"window"`` (the last 50,000 identities).
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
        """Fetch results that were pending, for free, in the order given; some may still be pending."""
        return await self._runtime.bulk.collect(pending, self._options)

    @property
    def abandoned(self) -> list[EnrichmentResult]:
        """Results of `enrich` calls that were cancelled, and of streams that were left: also pending ones.

        All of the latest such call, and the latest 10,000 of those before. Clear the list when you have what
        you need.
        """
        return self._runtime.bulk.abandoned
