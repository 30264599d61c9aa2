"""The options of a job in a journal, and how it is opened: a new plan, or a check that it is the same job."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, get_args

from cleanlist_async import facts
from cleanlist_async.checks import (
    check_choice,
    check_enrichment_type,
    check_flag,
    check_seconds,
    check_webhook_url,
    check_whole,
)
from cleanlist_async.contacts.identity import Invalid, Prepared
from cleanlist_async.enrich.chunk import RunBudget
from cleanlist_async.errors import ConfigurationError, InputChangedError, JobNotFoundError, JournalError
from cleanlist_async.facts import ApiVersion, EnrichmentType
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.job.cache import ResultCache
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.lock import Fence, JournalLock
from cleanlist_async.job.journal.records import HalfFullPrice, Header, SubmitMode, now
from cleanlist_async.job.planning import Walk, read_through, write_plan
from cleanlist_async.job.source import Comparison, Source, marks
from cleanlist_async.job.status import is_finished, job_is_closed
from cleanlist_async.job.unknown import UnknownPolicy
from cleanlist_async.storage.filesystem import refuse_network
from cleanlist_async.tables.input_options import NOTHING_SAID, InputOptions
from cleanlist_async.webhooks.receiver import WebhookReceiver

ChosenMode: TypeAlias = Literal["auto", "plain", "tracked", "exact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """The options given to `client.job`. `max_credits` is in credits, `cache_ttl_s` in seconds."""

    enrichment_type: EnrichmentType
    max_credits: float | None
    webhook_url: str | None
    submit_mode: ChosenMode
    policy: UnknownPolicy
    options: CallOptions
    cache: Path | None = None
    cache_ttl_s: float = facts.CACHE_TTL_S
    max_open_workflows: int = facts.MAX_OPEN_WORKFLOWS
    half_full_price: HalfFullPrice = "full"
    adopt: bool = False
    """Whether to take a journal that is older than its last run, emptied, or a copy."""
    api_version: ApiVersion = "v2"
    receiver: WebhookReceiver | None = None
    """The client's own; its address is used where `webhook_url` is not given."""
    input: InputOptions = NOTHING_SAID
    """How the rows of the source are read, and whom to leave out."""

    @property
    def mode(self) -> SubmitMode:
        """The submit mode: `auto` is tracked with a webhook, else plain."""
        if self.submit_mode == "auto":
            return "tracked" if self.address else "plain"
        return self.submit_mode

    @property
    def address(self) -> str | None:
        """Where webhooks are sent: `webhook_url` if given, else the client's receiver if the mode uses it."""
        if self.webhook_url is not None or self.receiver is None or self.submit_mode in {"plain", "exact"}:
            return self.webhook_url
        return self.receiver.public_url

    def checked(self) -> Self:
        """Return it. Raises ConfigurationError for what cannot work."""
        check_enrichment_type(self.enrichment_type)
        check_webhook_url(self.webhook_url)
        RunBudget(self.max_credits, self.enrichment_type)  # for its checks alone
        if self.policy.on_unknown == "resubmit" and self.enrichment_type not in facts.WORST_CASE_CREDITS:
            raise ConfigurationError(
                f"on_unknown='resubmit' has no bound for {self.enrichment_type!r}, which costs a credit per"
                " discovered contact.",
                fix="Hold what is unknown, or decide with a function.",
            )
        check_flag("adopt", self.adopt)
        check_choice("half_full_price", self.half_full_price, get_args(HalfFullPrice))
        check_choice("submit_mode", self.submit_mode, get_args(ChosenMode))
        check_seconds("cache_ttl_s", self.cache_ttl_s)
        check_whole("max_open_workflows", self.max_open_workflows, at_least=1)
        if self.mode == "tracked" and not self.address:
            raise ConfigurationError(
                "submit_mode='tracked' needs a webhook: the public address of your receiver."
            )
        if self.mode == "exact" and self.enrichment_type not in facts.PERSON_TYPES:
            raise ConfigurationError(
                f"submit_mode='exact' takes an enrichment_type of {', '.join(facts.PERSON_TYPES)}."
            )
        return self


async def begin(journal: Journal, source: Source | None, spec: JobSpec, pipeline: Pipeline) -> Header:
    """Plan a new job. The journal holds all of the plan, or none."""
    if source is None:
        raise _needs_its_input(journal)
    salt = secrets.token_bytes(16)  # also what tells copies of this journal from other journals
    # The header goes last: a journal without one was never planned to its end, and is planned again.
    with journal.transaction():
        given = journal.keeping(source.prepared())
        contacts, duplicates_digest = await write_plan(journal, given, salt, spec.mode)
        if contacts == 0:
            raise source.has_no_contacts()
        header = Header(
            name=journal.path.name,
            created_at=now(),
            origin=_origin(pipeline),
            enrichment_type=spec.enrichment_type,
            submit_mode=spec.mode,
            half_full_price=spec.half_full_price,
            webhook=spec.address,
            max_credits=spec.max_credits,
            source_name=source.name,
            source_digest=source.digest,
            salt=salt,
            contacts=contacts,
            duplicates_digest=duplicates_digest,
        )
        journal.begin(header)
    return header


async def resumed(
    journal: Journal, header: Header, source: Source | None, spec: JobSpec, pipeline: Pipeline
) -> Header:
    """Check that this is the same job; only the budget may differ."""
    # Other options would change the price of what is left, or lose the evidence on unknown chunks.
    # A client that has got a receiver since must not turn an old job into a tracked one.
    by_default = (
        spec.submit_mode == "auto" and spec.address != spec.webhook_url and header.submit_mode != "exact"
    )
    asked: dict[str, tuple[Any, Any]] = {
        "enrichment_type": (header.enrichment_type, spec.enrichment_type),
        "submit_mode": (header.submit_mode, header.submit_mode if by_default else spec.mode),
        "half_full_price": (header.half_full_price, spec.half_full_price),
        "webhook": (header.webhook, header.webhook if by_default else spec.address),
        "base_url": (header.origin, _origin(pipeline)),
    }
    for name, (old, new) in asked.items():
        if old != new:
            raise InputChangedError(
                f"The job was started with {name} = {old!r}, and is now opened with {new!r}.",
                fix="Resume it with the old value, or start a new job with another journal.",
            )
    await _check_input(journal, header, source)
    if header.max_credits != spec.max_credits and (source is not None or spec.max_credits is not None):
        journal.set_budget(spec.max_credits)
    if (latest := journal.header) is None:
        raise JournalError("The journal has lost its header.")
    return latest


async def _check_input(journal: Journal, header: Header, source: Source | None) -> None:
    """Raise InputChangedError, which names what changed, unless the source is what the job began with.

    The contacts and their keys count, and nothing else that a file may hold. Of a finished job nothing is
    looked at: nothing of it is sent any more.
    """
    if source is None:
        if not journal.keeps_input:
            raise _needs_its_input(journal)
    elif not journal.keeps_input:  # of an earlier version, or purged: there are fingerprints to compare with
        await read_through(Walk(journal, header, source))
        with journal.transaction():
            await read_through(journal.keeping(source.prepared()))
    elif not is_finished(journal) and not source.is_of(header.source_digest):
        comparison = Comparison.of(await marks(journal.kept(header.contacts)), await marks(source.prepared()))
        comparison.require_same(journal.path.name, source)


def _needs_its_input(journal: Journal) -> ConfigurationError:
    return ConfigurationError(
        f"The job {journal.path.name} needs its input: the journal has no copy of it.",
        fix="Give it once more.",
    )


def _origin(pipeline: Pipeline) -> str:
    # Without the name of the organization: a rotated key must not end a job.
    return pipeline.route.organization.rpartition("@")[2]


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


@dataclass(slots=True)
class OpenJournal:
    """The journal of a job, locked against other processes, and the cache of results, if it has one."""

    journal: Journal
    header: Header
    lock: JournalLock
    cache: ResultCache | None
    source: Source
    is_closed: bool = False

    @classmethod
    async def open(cls, path: Path, source: Source | None, spec: JobSpec, pipeline: Pipeline) -> OpenJournal:
        """Open the journal at *path*, or plan a new job and write it there. Sends nothing.

        Raises JournalError for a journal that is not the latest of its job; see :class:`Fence`.
        Raises JobNotFoundError without a source where one is needed.
        """
        refuse_network(path, "journal", JournalError)
        # Before any look at the journal: two processes must not both find none, and both plan one.
        lock = JournalLock(path)
        lock.take()
        fence = Fence(path, adopt=spec.adopt)
        journal: Journal | None = None
        cache: ResultCache | None = None
        try:
            fence.check_place()  # before a journal is created where one with purchases has been
            if spec.cache is not None:
                cache = ResultCache(spec.cache, pipeline.secret, ttl_s=spec.cache_ttl_s)
            # After the cache: options that are refused must leave no journal behind.
            journal = _at(path, source)
            fence.check(journal)
            header = journal.header
            if header is None:
                header = await begin(journal, source, spec, pipeline)
            else:
                header = await resumed(journal, header, source, spec, pipeline)
                journal.recover()  # with the lock held, nobody else can be sending what is SENDING
            fence.raise_generation(journal)  # last: what was refused above must stay as it was
        except BaseException:
            for opened in (journal, cache):
                if opened is not None:
                    opened.close()
            lock.give_back()  # after the files, as in `close`
            raise
        # From here on the copy: what was given may change while the job runs.
        return cls(journal, header, lock, cache, KeptSource(journal, header))

    def check(self) -> None:
        """Raise ConfigurationError once it is closed."""
        if self.is_closed:
            raise job_is_closed()

    def purge(self) -> None:
        """Remove all contact data from the journal and the cache."""
        self.journal.purge()
        if self.cache is not None:
            self.cache.purge()

    def close(self) -> None:
        """Close the files, and release them to other processes."""
        self.is_closed = True
        self.journal.close()
        if self.cache is not None:
            self.cache.close()
        # Last: the next process must find no open transaction of this one.
        self.lock.give_back()


def _at(path: Path, source: Source | None) -> Journal:
    if source is None and not path.exists():
        raise JobNotFoundError(f"There is no journal {path}.", fix="Begin the job with an input.")
    return Journal.at(path)
