"""What a run was asked to do, the credits that it may set aside, and one of its requests on the way."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Literal, Self, get_args

from cleanlist_async import facts
from cleanlist_async.checks import (
    check_choice,
    check_credits,
    check_enrichment_type,
    check_flag,
    check_function,
    check_seconds,
    check_webhook_url,
    check_whole,
    optional,
)
from cleanlist_async.contacts.chunking import Chunker, chunked
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.fetch import AcceptedWorkflow
from cleanlist_async.enrich.people import LookAlikes
from cleanlist_async.enrich.report import Progress
from cleanlist_async.enrich.row_results import Dedupe, without_row
from cleanlist_async.enrich.submit_record import SubmitRecord, Wanted
from cleanlist_async.errors import (
    APIError,
    AuthenticationError,
    BudgetExceededError,
    CleanlistError,
    ConfigurationError,
    PermissionDeniedError,
    UnknownOutcomeError,
)
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.options import CallOptions
from cleanlist_async.results import EnrichmentResult, ResultStatus
from cleanlist_async.storage.store.job_records import JobLease
from cleanlist_async.storage.store.records import REMEMBERED, Freshness
from cleanlist_async.tables.input_options import NOTHING_SAID, InputOptions
from cleanlist_async.webhooks.submission import Submission


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What the caller asked for. ``max_credits`` in credits, ``max_age_s`` in seconds.

    ``input`` says how rows are read, and whom to leave out. For a `job` in a store: the right to run it, and
    how many seconds ago it was begun.
    """

    enrichment_type: EnrichmentType
    options: CallOptions
    max_credits: float | None = None
    webhook_url: str | None = None
    dedupe: Dedupe = "all"
    progress: Callable[[Progress], None] | None = None
    max_open_workflows: int = facts.MAX_OPEN_WORKFLOWS
    ahead: int | None = None
    fresh: bool = False
    max_age_s: float | None = None
    job: JobLease | None = None
    job_age_s: float = 0.0
    input: InputOptions = NOTHING_SAID

    @property
    def kind(self) -> Literal["enrich", "job"]:
        """What buys."""
        return "enrich" if self.job is None else "job"

    @property
    def wanted(self) -> Wanted:
        """What it asks a store for. What was new enough when a job was begun is so until its end."""
        freshness = Freshness.of(self.max_age_s, fresh=self.fresh).since(self.job_age_s)
        return Wanted(self.enrichment_type, freshness, self.kind, self.job)

    @property
    def is_unclaimed(self) -> bool:
        """Whether it buys what may be bought already: each contact of its own, or what no store remembers."""
        return self.dedupe == "off" or self.enrichment_type not in REMEMBERED

    @property
    def is_remembered(self) -> bool:
        """Whether the same call again would take what it has bought from a store."""
        return not (self.is_unclaimed or self.fresh or self.max_age_s is not None)

    def checked(self) -> Self:
        """Return it. Raises ConfigurationError for what cannot work."""
        check_enrichment_type(self.enrichment_type)
        check_webhook_url(self.webhook_url)
        check_choice("dedupe", self.dedupe, get_args(Dedupe))
        check_whole("max_open_workflows", self.max_open_workflows, at_least=1)
        if self.ahead is not None:
            check_whole("ahead", self.ahead, "a number of contacts", at_least=1)
        optional(check_function, "progress", self.progress)
        check_flag("fresh", self.fresh)
        optional(check_seconds, "max_age_s", self.max_age_s)
        RunBudget(self.max_credits, self.enrichment_type)  # made only for its checks
        return self


@dataclass(eq=False, slots=True)
class Chunk:
    """Contacts on their way through one request.

    Attributes
    ----------
    open
        By index, those that have no result yet.
    reserved
        Contacts whose worst case is set aside in the budget.
    in_line
        Whether it holds a place in the line of chunks that wait for a token.
    submission, record
        The latest submit, which may expect a webhook, and what the store has of it, if there is one.
    workflow, doubt, refusal
        How that ended: accepted as this workflow, with an unknown outcome, or refused.

    """

    open: dict[int, Prepared]
    reserved: int = 0
    in_line: bool = False
    submission: Submission | None = None
    record: SubmitRecord | None = None
    workflow: AcceptedWorkflow | None = None
    doubt: CleanlistError | None = None
    refusal: CleanlistError | None = None

    @classmethod
    def of(cls, contacts: Iterable[Prepared]) -> Chunk:
        """Make a chunk for which nothing is reserved yet."""
        return cls({contact.index: contact for contact in contacts})

    @property
    def to_submit(self) -> bool:
        """Whether there are contacts to submit, and no submit of them has an outcome yet."""
        return bool(self.open) and not (self.workflow or self.doubt or self.refusal)

    def split(self, keep: int | None = None) -> Chunk:
        """Cut off all but *keep* contacts, by default half, with what is reserved for them."""
        contacts = tuple(self.open.values())
        rest = Chunk.of(contacts[len(contacts) // 2 if keep is None else keep :])
        for index in rest.open:
            del self.open[index]
        rest.reserved = len(rest.open)
        self.reserved -= rest.reserved
        return rest

    def end(
        self, enrichment_type: EnrichmentType, stopped_by: CleanlistError | None
    ) -> list[tuple[Prepared, EnrichmentResult]]:
        """Close all that are open, each with the status that is true of it."""
        status, reason, workflow_id = self._state(stopped_by)
        workflow = self.workflow
        contacts, ids = (workflow.contacts, workflow.ids_before_the_end) if workflow else ((), ())
        id_of = {contact.index: task_id for contact, task_id in zip(contacts, ids, strict=True)}
        ended = [
            (
                contact,
                without_row(
                    contact,
                    status,
                    reason,
                    workflow_id=workflow_id,
                    task_id=id_of.get(index),
                    enrichment_type=enrichment_type,
                ),
            )
            for index, contact in self.open.items()
        ]
        self.open.clear()
        return ended

    def _state(self, stopped_by: CleanlistError | None) -> tuple[ResultStatus, str, str | None]:
        if self.workflow is not None:
            why = str(self.refusal) if self.refusal else "the run stopped before it was finished"
            if isinstance(self.refusal, AuthenticationError | PermissionDeniedError):
                why = f"{why} client.collect fetches it for free, with a key that the server takes."
            return "pending", why, self.workflow.workflow_id
        if self.doubt is not None:
            named = self.doubt.workflow_id if isinstance(self.doubt, UnknownOutcomeError) else None
            return "unknown", str(self.doubt), named
        # An answer with a status is the server's, to these very contacts.
        if isinstance(self.refusal, APIError) and self.refusal.status is not None:
            return "failed", f"refused: {self.refusal}", None
        error = self.refusal or stopped_by
        return "failed", f"never sent: {error}" if error else "never sent: the run was stopped", None


class HeldChunks:
    """Chunks that wait for credits of a budget in the store, which what is under way may give back.

    They go one after the other, so that each submit takes all the credits that there are by then.
    """

    def __init__(self) -> None:
        self._chunks: list[Chunk] = []

    def __len__(self) -> int:
        return len(self._chunks)

    @contextmanager
    def holding(self, chunk: Chunk) -> Generator[None]:
        """Count a chunk among them within the block."""
        self._chunks.append(chunk)
        try:
            yield
        finally:
            self._chunks.remove(chunk)

    def is_next(self, chunk: Chunk) -> bool:
        """Whether none of them has earlier contacts."""
        return all(_first(chunk) <= _first(other) for other in self._chunks)

    def take_in(self, rest: Chunk) -> Chunk | None:
        """Put contacts before those of all chunks, and return a chunk of the last ones, if needed.

        The rest of a chunk that was split would else be a small submit of its own.
        """
        held = sorted(self._chunks, key=_first)
        contacts = chain.from_iterable(chunk.open.values() for chunk in (rest, *held))
        groups = list(
            chunked(iter(tuple(contacts)), Chunker(facts.MAX_CONTACTS_PER_REQUEST, apart=LookAlikes()))
        )
        if len(groups) > len(held) + 1:  # namesakes are told apart at the price of more chunks
            return rest
        # Chunks that are left over get none: their contacts are in the others now.
        for chunk, group in zip((*held, rest), (*groups, *[[] for _ in held]), strict=False):
            chunk.open = {contact.index: contact for contact in group}
            chunk.reserved = len(group)
        return rest if rest.open else None


def _first(chunk: Chunk) -> int:
    # One without contacts goes first: it has nothing to wait for, and ends.
    return next(iter(chunk.open), -1)


class RunBudget:
    """A limit of credits that is never passed: reserve the worst case, then settle what it really cost.

    *max_credits* may be None. *enrichment_type* gives the worst case of one contact
    (docs.cleanlist.ai/api-reference/enrichment-types).
    """

    __slots__ = ("max_credits", "per_contact", "reserved", "spent")

    def __init__(self, max_credits: float | None, enrichment_type: EnrichmentType) -> None:
        worst_case = facts.WORST_CASE_CREDITS.get(enrichment_type)
        if max_credits is not None and worst_case is None:
            raise ConfigurationError(
                f"max_credits cannot bound {enrichment_type!r}, which costs a credit per discovered contact.",
                fix="Leave max_credits out, or choose another enrichment_type.",
            )
        optional(check_credits, "max_credits", max_credits)
        self.max_credits = max_credits
        self.per_contact = worst_case or 0
        self.reserved = 0.0
        self.spent = 0.0

    def affordable(self, contacts: int) -> int:
        """Return how many of *contacts* still fit, each at its worst case."""
        if self.max_credits is None or not self.per_contact:
            return contacts
        left = self.max_credits - self.reserved - self.spent
        return min(contacts, _covered(left, self.per_contact))

    def reserve(self, contacts: int) -> None:
        """Set the worst case of *contacts* aside."""
        self.reserved += contacts * self.per_contact

    def settle(self, contacts: int, spent: float = 0.0) -> None:
        """Give the reservation of *contacts* back, less the credits that they did cost."""
        self.reserved -= contacts * self.per_contact
        self.spent += spent

    def exceeded(self) -> BudgetExceededError:
        """Return the error for a contact that does not fit any more."""
        return BudgetExceededError.of_limit(self.max_credits, self.spent + self.reserved, self.per_contact)


def contacts_within(error: BudgetExceededError, enrichment_type: EnrichmentType) -> int:
    """Return how many contacts still fit into the budget that a request did not fit into."""
    price = facts.WORST_CASE_CREDITS.get(enrichment_type)
    if not price or error.max_credits is None or error.committed_credits is None:
        return 0
    return _covered(error.max_credits - error.committed_credits, price)


def _covered(left: float, price: float) -> int:
    """Return how many contacts the credits cover, whatever was lost to rounding."""
    return max(0, int((left + facts.ROUNDING_CREDITS) // price))
