"""Submits that can be repeated safely: CSV imports with an idempotency key and a single-use quote.

Each chunk is imported into a list of its own (docs.cleanlist.ai/mcp-api/lead-lists). For 24 hours the server
answers a repeated import, by its key, as it answered the first. But it stores that answer last, so an import
is repeated only when the first must be over; until then the quote, which is good once, prevents a second.
"""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal, TypeVar
from uuid import uuid4

from cleanlist_async import facts
from cleanlist_async.api.enrichment import ENRICHMENT_STATUS
from cleanlist_async.api.lead_lists import CREATE_LIST, CSV_IMPORT, GET_LIST, LIST_LEADS_IN_LIST
from cleanlist_async.api.models.base import ModernAnswer
from cleanlist_async.api.models.enrichment import WorkflowStatus
from cleanlist_async.api.models.lead_lists import CsvImport, Lead
from cleanlist_async.api.modern import ModernGroup, Session, affordable
from cleanlist_async.api.public import VALIDATE_KEY
from cleanlist_async.api.request_models import CreateList, Estimate, ImportCsv, ListLeads, RequestModel
from cleanlist_async.api.workspace import CREDITS_ESTIMATE
from cleanlist_async.contacts.contact import API_FIELDS
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.submit_outcome import ENDS_EVERY_SUBMIT
from cleanlist_async.errors import (
    BadRequestError,
    CleanlistError,
    ConfigurationError,
    InsufficientCreditsError,
    NotFoundError,
    QuoteAlreadyRedeemedError,
    QuoteError,
    SpendCapExceededError,
    UnknownOutcomeError,
)
from cleanlist_async.http.calls import Call, Operation, Reply, Spend
from cleanlist_async.http.options import CallOptions
from cleanlist_async.job.exact_results import FinishedImport, leave_out_repeated
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import Acceptance, Attempt, AttemptOutcome, ChunkRow, Header
from cleanlist_async.job.submits import Intent, age_of
from cleanlist_async.ratelimit import RequestClass
from cleanlist_async.results import EnrichmentResult

_KEPT: Final = {"list_id", "workflow_id", "rows_imported", "rows_skipped", "idempotency_replayed"}
"""Fields of an answer that the journal keeps: any other could hold contact data."""
_REPLAY_AFTER_S: Final = 90.0
"""Age at which an import must be over, answered or not."""
_KEY_LIFETIME_S: Final = 23 * 3_600.0
"""Age up to which the server certainly remembers a key: it does so for 24 hours."""
_REPLAYS: Final = 3
"""Times that one run repeats the import of one chunk."""
_AFTER_KEY_LOOKUP: Final = (QuoteError, SpendCapExceededError, InsufficientCreditsError)
"""Refusals that come only after the server looked the key up: it knows of no import under it."""
A = TypeVar("A", bound=ModernAnswer)
_NOTHING_IMPORTED: Final = "nothing_imported"
_UNSAFE_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class _Order:
    """What one import sends, except for its quote."""

    list_id: str
    key_name: str | None
    idempotency_key: str
    rows: Sequence[Mapping[str, str]]


class ExactSubmitter:
    """One list, one quote and one keyed import for each chunk."""

    promise = (
        "a submit whose answer is lost is repeated under its own key, and bought once; each chunk makes a"
        " list of its own, and its rows are matched only by what they say of the person"
    )

    def __init__(self, session: Session, journal: Journal, header: Header) -> None:
        self._calls = _Calls(session)
        self._session = session
        self._pipeline = session.pipeline
        self._options: CallOptions = session.options
        self._journal = journal
        self._header = header
        self._first_looks: dict[int, float] = {}
        self._replays: dict[int, int] = {}

    # -- submitting ----------------------------------------------------------------------------

    async def prepare(self, chunk: ChunkRow, contacts: Sequence[Prepared]) -> Attempt:
        """Create the list and ask for the price. Free. Raises the errors of `quotes.affordable`."""
        rows = leave_out_repeated(contacts)
        # Only a pilot can be too large: the plan cuts other chunks by the same limit.
        if len(csv_of(rows)) > facts.MAX_IMPORT_BYTES:
            raise ConfigurationError(
                "These contacts do not fit into one import.", fix="Take a smaller pilot."
            )
        key_name = self._key_of(chunk)
        # Free to repeat after a crash: a name that is there already gives the same list.
        call = self._calls.build(CREATE_LIST, CreateList.checked(name=self._list_name(chunk)), key=key_name)
        list_id = (await self._call(call)).list_id
        # On disk before the import: an unknown chunk is looked for in this list, with this key.
        self._journal.set_list(chunk.number, list_id, key_name)
        order = _Order(list_id, key_name, self._idempotency_key(chunk.number), rows)
        return Attempt(
            submission=uuid4().hex,
            chunk=chunk.number,
            idempotency_key=order.idempotency_key,
            quote_id=await self._quote(order),
        )

    async def submit(self, intent: Intent, chunk: ChunkRow, contacts: Sequence[Prepared]) -> Acceptance:
        """Import the contacts and have them enriched."""
        latest = self._journal.chunk(chunk.number)  # with the list that `prepare` has made
        key = intent.attempt.idempotency_key or ""
        order = _Order(latest.list_id or "", self._key_of(latest), key, leave_out_repeated(contacts))
        return _accepted(await self._import(order, intent.attempt.quote_id, intent.write))

    def _key_of(self, chunk: ChunkRow) -> str | None:
        """Return the key of a chunk's own: lists belong to users, so all its calls are made with one."""
        keys = self._pipeline.route.keys
        if not keys:
            return None
        # By number, so that a chunk keeps its key over restarts and the keys share the work.
        return chunk.key_name if chunk.key_name in keys else keys[chunk.number % len(keys)]

    def _list_name(self, chunk: ChunkRow) -> str:
        job = _UNSAFE_IN_A_NAME.sub("-", self._header.name)[:80]
        # With the fingerprint: another job of the same name must not get the list of this one.
        return f"cl-{job}-{chunk.number}-{chunk.fingerprint.hex()}"

    def _idempotency_key(self, chunk: int) -> str:
        """Return the key of an attempt that may have been accepted, while it lives; else a new one."""
        attempts = self._journal.attempts(chunk)
        # A new key for an attempt that may have been accepted would buy it twice.
        in_doubt = {one.idempotency_key for one in attempts if one.outcome in {"ambiguous", "crash"}}
        key = attempts[-1].idempotency_key if attempts else None
        if key is not None and key in in_doubt and self._key_age_s(chunk, key) < _KEY_LIFETIME_S:
            return key
        return uuid4().hex

    async def _quote(self, order: _Order) -> str:
        request = Estimate.checked(
            tool="bulk_import_csv",
            list_id=order.list_id,
            row_count=len(order.rows),
            enrichment_type=self._header.enrichment_type,
        )
        quote = await self._call(self._calls.build(CREDITS_ESTIMATE, request, key=order.key_name))
        # A price above the list's would break the budget, which holds the worst case of the list.
        return affordable(quote, len(order.rows) * facts.WORST_CASE_CREDITS[self._header.enrichment_type])

    async def _import(
        self, order: _Order, quote_id: str | None, before: Callable[[], Awaitable[None]]
    ) -> Reply[CsvImport]:
        request = ImportCsv.checked(
            csv_content_base64=base64.b64encode(csv_of(order.rows)).decode(),
            column_mapping={name: name for name in API_FIELDS},
            # Said, though it is the default: without it nothing would be bought.
            dispatch_enrichment=True,
            enrichment_type=self._header.enrichment_type,
            quote_id=quote_id,
            idempotency_key=order.idempotency_key,
        )
        call = replace(
            self._calls.build(CSV_IMPORT, request, key=order.key_name, list_id=order.list_id),
            belongs=partial(_is_of, "list_id", order.list_id),
            check=Call(VALIDATE_KEY),
            shield_answer=True,
            before=before,
            spend=lambda: Spend.of_contacts("job", self._header.enrichment_type, len(order.rows)),
            # A repetition at once would overtake the server's note of the key: see `look`.
            single_attempt=True,
        )
        return await self._pipeline.call(call, self._options)

    async def _call(self, call: Call[A]) -> A:
        return (await self._pipeline.call(call, self._options)).value

    # -- unknown -------------------------------------------------------------------------------

    def may_learn(self, chunk: ChunkRow) -> bool:
        """Whether another look at an unknown chunk may find what the last one did not."""
        return self._replays.get(chunk.number, 0) < _REPLAYS and bool(self._journal.attempts(chunk.number))

    async def look(self, chunk: ChunkRow, contacts: Sequence[Prepared]) -> Acceptance | bool | None:
        """Repeat the import under the same key and quote, once the last attempt must be over.

        Raises errors that every chunk would end with, such as those of a bad API key.
        """
        last = self._journal.attempts(chunk.number)[-1]
        if not self.may_learn(chunk) or not self._is_over(last):
            return None
        self._replays[chunk.number] = self._replays.get(chunk.number, 0) + 1
        self._first_looks.pop(chunk.number, None)  # the repetition has to be over too before the next one
        order = _Order(
            chunk.list_id or "", self._key_of(chunk), last.idempotency_key or "", leave_out_repeated(contacts)
        )
        age_s = self._key_age_s(chunk.number, order.idempotency_key)
        if not order.list_id or not order.idempotency_key:
            return None
        if age_s >= _KEY_LIFETIME_S:
            # The server may have forgotten the key: the same import could buy again.
            self._replays[chunk.number] = _REPLAYS
            return await self._look_into_list(order, age_s)
        return await self._replay(chunk.number, order, last.quote_id, age_s)

    def _is_over(self, attempt: Attempt) -> bool:
        """Whether an attempt is old enough by the system clock, which may be wrong, or by the limiter's."""
        # Either will do: one set back would stop the job for years, and after one set forward the quote
        # still prevents a second import.
        horizon_s = max(_REPLAY_AFTER_S, self._options.request_timeout_s)
        clock = self._pipeline.limiter.clock()
        waited_s = clock - self._first_looks.setdefault(attempt.chunk, clock)
        return max(waited_s, age_of(attempt.started_at)) >= horizon_s

    def _key_age_s(self, chunk: int, idempotency_key: str) -> float:
        attempts = self._journal.attempts(chunk)
        return max(age_of(one.started_at) for one in attempts if one.idempotency_key == idempotency_key)

    async def _replay(
        self, chunk: int, order: _Order, quote_id: str | None, age_s: float
    ) -> Acceptance | bool | None:
        attempt = Attempt(
            submission=uuid4().hex, chunk=chunk, idempotency_key=order.idempotency_key, quote_id=quote_id
        )
        # It may buy, if the first import never arrived: so it needs an intent on disk as any submit does.
        intent = Intent(self._journal, attempt, len(order.rows), again=True)
        try:
            return replace(_accepted(await self._import(order, quote_id, intent.write)), attempt=attempt)
        except CleanlistError as error:
            # This closes the attempt; the chunk stays unknown unless the answer proves something below.
            if intent.written:
                is_unknown = isinstance(error, UnknownOutcomeError)
                outcome = AttemptOutcome.of(error, "ambiguous" if is_unknown else "rejected")
                self._journal.answered(attempt, outcome)
            said = error.answer if isinstance(error, UnknownOutcomeError) else error
            if isinstance(said, QuoteAlreadyRedeemedError):
                # An import redeemed it, and may have failed after that: the list shows.
                return await self._look_into_list(order, age_s)
            if isinstance(said, _AFTER_KEY_LOOKUP) or getattr(said, "code", None) == _NOTHING_IMPORTED:
                return False
            # These come before the key is looked up, so they say nothing of the first import.
            if isinstance(said, ENDS_EVERY_SUBMIT):
                raise
            return None

    async def _look_into_list(self, order: _Order, age_s: float) -> Literal[False] | None:
        """Return False if the chunk's list is empty long after its import; else None."""
        call = self._calls.build(GET_LIST, key=order.key_name, list_id=order.list_id)
        try:
            is_empty = (await self._call(call)).lead_count == 0
        except NotFoundError:
            return None  # its owner removed it, or a replica lags: no proof
        # A filled list proves an import, but not which workflow: no result could be fetched by that.
        return False if is_empty and age_s >= facts.NEW_WORKFLOW_GRACE_S else None

    # -- results -------------------------------------------------------------------------------

    async def results(
        self, chunk: ChunkRow, contacts: Sequence[Prepared], at: float | None, finished: Callable[[], None]
    ) -> list[EnrichmentResult]:
        """Wait for the workflow, read its list, and match the leads by what they say of the person."""
        workflow_id = chunk.workflow_id or ""
        question: Call[WorkflowStatus] = replace(
            self._calls.build(
                ENRICHMENT_STATUS, key=self._key_of(chunk), workflow_id=workflow_id, kind=RequestClass.STATUS
            ),
            belongs=partial(_is_of, "workflow_id", workflow_id),
        )
        status = await self._session.polls().finished(
            question,
            submitted_at=self._pipeline.limiter.clock() if at is None else at,
            options=self._options,
            is_new=at is not None,
        )
        finished()
        leads = [] if status.ended_badly else await self._leads(chunk)
        done = FinishedImport(workflow_id, status, leads, self._header.enrichment_type)
        return done.results(contacts)

    async def _leads(self, chunk: ChunkRow) -> list[Lead]:
        leads: dict[str, Lead] = {}
        cursor: str | None = None
        seen: set[str | None] = set()
        while cursor not in seen:  # else a server that repeats a cursor would be asked for ever
            seen.add(cursor)
            request = ListLeads.checked(limit=facts.MAX_LEADS_PER_PAGE, cursor=cursor)
            call = self._calls.build(
                LIST_LEADS_IN_LIST,
                request,
                key=self._key_of(chunk),
                kind=RequestClass.STATUS,
                list_id=chunk.list_id or "",
            )
            page = await self._call(call)
            # By id: a page that shifts while others are read repeats leads.
            leads |= {lead.lead_id: lead for lead in page.leads}
            cursor = page.cursor
            if cursor is None:
                break
        return list(leads.values())


class _Calls(ModernGroup):
    """The calls of an import, each with a key and a rank in the queue of its caller's choice."""

    def build(
        self,
        operation: Operation[A],
        request: RequestModel | None = None,
        *,
        key: str | None,
        kind: RequestClass = RequestClass.SUBMIT,
        **ids: str,
    ) -> Call[A]:
        return replace(self._call(operation, request, **ids), key=key, kind=kind)


def _is_of(name: str, own_id: str, answer: ModernAnswer) -> bool:
    return getattr(answer, name) in {"", own_id}  # empty: the server did not say


def csv_of(rows: Sequence[Mapping[str, str]]) -> bytes:
    """Return a CSV file with all fields of a contact."""
    file = io.StringIO(newline="")
    writer: csv.DictWriter[str] = csv.DictWriter(file, API_FIELDS, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def _accepted(reply: Reply[CsvImport]) -> Acceptance:
    done = reply.value
    if done.workflow_id:
        body = done.model_dump_json(include=_KEPT)
        return Acceptance(done.workflow_id, key_name=reply.key, request_id=reply.request_id, body=body)
    if done.rows_parsed and not done.rows_imported:
        reasons = ", ".join(f"{count} {reason}" for reason, count in done.skip_reasons.items())
        raise BadRequestError(f"No row was imported: {reasons}.", code=_NOTHING_IMPORTED)
    raise UnknownOutcomeError("csv_import was answered without a workflow, and may have been processed.")
