"""A program of a user: it imports stable names only, and names the type of everything it gets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import polars as pl
import sqlalchemy as sa
from fastapi import FastAPI

from cleanlist_async import (
    UNSET,
    APIError,
    AsyncCleanlist,
    CleanlistError,
    CohortId,
    Contact,
    EnrichmentReport,
    EnrichmentResult,
    FileMailbox,
    ImportReport,
    Job,
    JobReport,
    JobStatus,
    Pages,
    Plan,
    Progress,
    Quote,
    RateLimiter,
    RateLimits,
    ResultStream,
    Statistics,
    Store,
    UnknownChunk,
    WebhookAnswer,
    WebhookReceiver,
    WorkflowStatus,
)
from cleanlist_async.errors import Billed, FieldError, InsufficientCreditsError, RequestValidationError
from cleanlist_async.events import BucketState, CallFinished, Event, Listener, RateLimited
from cleanlist_async.integrations.asgi import Readiness, readiness_of
from cleanlist_async.integrations.dlt import enriched_contacts
from cleanlist_async.integrations.fastapi import CleanlistDep, cleanlist_lifespan, install_error_handlers
from cleanlist_async.integrations.opentelemetry import OpenTelemetry
from cleanlist_async.integrations.prometheus import PrometheusMetrics
from cleanlist_async.integrations.sql import SqlContacts, SqlResults, contacts_from, results_to
from cleanlist_async.sandbox import Fault, Sandbox
from cleanlist_async.testing import MemoryNetwork, StrictServer, run
from cleanlist_async.types import (
    JSON,
    AddedLeads,
    BulkStatus,
    BulkSubmission,
    Columns,
    Company,
    CompanyEnrichment,
    ContactLike,
    ContactSource,
    CreditsBalance,
    Dedupe,
    EnrichmentRow,
    EnrichmentType,
    EventStore,
    FrameStream,
    HalfFullPrice,
    JobRecord,
    JobSource,
    Lead,
    LeadList,
    LeadLists,
    LeadsPage,
    ListEnrichment,
    OnUnknown,
    Pace,
    PeoplePage,
    PersonFound,
    PersonResult,
    Pilot,
    Receipt,
    ResultStatus,
    SmartAgentResult,
    SmartAgentResults,
    StartedSmartAgent,
    SubmitMode,
    UsageReport,
    Whoami,
)


def on_event(event: Event) -> None:
    """Count what happens."""
    match event:
        case CallFinished(error=error, credits=credits_charged):
            print(error, credits_charged)
        case RateLimited(buckets=buckets):
            first: BucketState = buckets[0]
            print(first.capacity)
        case _:
            pass


async def one(client: AsyncCleanlist, contact: ContactLike, wanted: EnrichmentType) -> str | None:
    """Enrich one contact."""
    try:
        result: EnrichmentResult = await client.enrich_one(contact, enrichment_type=wanted)
    except InsufficientCreditsError as error:
        shortfall: float | None = error.shortfall_credits
        print(shortfall)
        return None
    except RequestValidationError as error:
        wrong: Sequence[FieldError] = error.field_errors
        print(wrong[0].contact_index)
        return None
    except APIError as error:
        billed: Billed = error.billed
        details: JSON = error.details
        print(billed, details)
        return None
    status: ResultStatus = result.status
    return result.email if status == "found" else None


async def many(client: AsyncCleanlist, contacts: ContactSource, dedupe: Dedupe) -> EnrichmentReport:
    """Enrich many contacts, first as a whole, then one by one."""

    def progress(now: Progress) -> None:
        print(now)

    plan: Plan = await client.plan(contacts)
    print(plan)
    stream: ResultStream = client.stream(contacts, dedupe=dedupe, progress=progress)
    async with stream:
        async for result in stream:
            print(result.index)
    report: EnrichmentReport = await client.enrich(contacts, max_credits=5.0)
    stopped_by: CleanlistError | None = report.stopped_by
    print(stopped_by)
    return await client.collect(report.pending)


async def job(client: AsyncCleanlist, source: JobSource, price: HalfFullPrice) -> JobReport:
    """Run a job."""

    def decide(chunk: UnknownChunk) -> None:
        print(chunk)

    on_unknown: OnUnknown = decide
    opened: Job = await client.job("x.journal", source, half_full_price=price, on_unknown=on_unknown)
    async with opened:
        pilot: Pilot = await opened.pilot()
        status: JobStatus = await opened.status()
        mode: SubmitMode = opened.submit_mode
        receipts: list[Receipt] = [receipt async for receipt in opened.receipts()]
        print(pilot, status.state, mode, receipts)
        return await opened.run()


async def jobs_by_name(client: AsyncCleanlist, store: Store) -> list[JobRecord]:
    """Go on with what other processes left unfinished."""
    async for name in store.unfinished():
        async with await client.job(name) as job:
            report: JobReport = await job.run()
            report.raise_for_error()
    return await store.jobs()


async def public(client: AsyncCleanlist) -> tuple[EnrichmentRow, ...]:
    """Call the Public API."""
    submission: BulkSubmission = await client.public.submit_bulk([Contact(email="ada@example.com")])
    status: BulkStatus = await client.public.bulk_status(workflow_id=submission.workflow_id)
    return status.rows


async def modern(client: AsyncCleanlist) -> PersonResult | None:
    """Call the modern operations."""
    me: Whoami = await client.workspace.whoami()
    left: CreditsBalance = await client.workspace.credits_balance()
    usage: UsageReport = await client.workspace.usage_report(days=7)
    quote: Quote = await client.workspace.credits_estimate("enrich_list", list_id="l")
    lists: LeadLists = client.lead_lists
    made: LeadList = await lists.create_list("Leads")
    await lists.update_list(made.list_id, name="New", folder_id=UNSET)
    pages: Pages[LeadsPage, Lead] = lists.list_leads_in_list(made.list_id)
    async for lead in pages:
        print(lead.email)
    found: PeoplePage = await client.search.people(titles=["CTO"])
    people: tuple[PersonFound, ...] = found.results
    cohort: CohortId | None = found.task_id
    added: AddedLeads = await lists.add_leads_to_list(made.list_id, task_id=cohort)
    imported: ImportReport = await lists.import_csv(made.list_id, "x.csv")
    company: CompanyEnrichment = await client.enrichment.enrich_company(domain="example.com")
    known: Company = company.company
    started: ListEnrichment = await client.enrichment.enrich_list(made.list_id, quote_id=quote)
    status: WorkflowStatus = await client.enrichment.wait(started)
    agent: StartedSmartAgent = await client.smart_agents.run_smart_agent(
        made.list_id, column_name="Intro", prompt="Say hello.", max_credits=5.0
    )
    results: SmartAgentResults = await client.smart_agents.wait(agent)
    rows: tuple[SmartAgentResult, ...] = results.results
    answer: JSON = await client.request("GET", "/api/v2/folders")
    print(me, left, usage, people, added, imported, known, rows, answer)
    return status.person


async def data(client: AsyncCleanlist, leads: pl.DataFrame, engine: sa.Engine) -> pl.DataFrame:
    """Enrich frames, and the rows of a database."""
    columns: Columns = {"Company": "company_name", "Owner": None}
    made: Plan = await client.plan_frame(leads, columns=columns)
    enriched: pl.DataFrame = await client.enrich_frame(leads, columns=columns, suppress=["rival.example"])
    await client.enrich(leads, columns=columns)
    await client.plan(leads, columns=columns)
    client.stream(leads.lazy())
    await client.job("leads", leads)
    stream: FrameStream = client.stream_frame(leads.lazy(), prefix="cl_")
    async with stream as parts:
        async for part in parts:
            print(part)
    rows: SqlContacts = contacts_from(engine, "SELECT id AS key FROM leads")
    table: SqlResults = results_to(engine, "enriched", key="id")
    report = await client.enrich(rows)
    print(
        made,
        await table.write(report.results),
        report.to_dicts(),
        enriched_contacts(AsyncCleanlist, key="id"),
    )
    return enriched.vstack(report.to_polars())


def client_of(pace: Pace, listener: Listener, store: EventStore) -> AsyncCleanlist:
    """Make a client."""
    receiver = WebhookReceiver("https://app.example/hooks", mailbox=store)
    limiter = RateLimiter(RateLimits(org=30))
    return AsyncCleanlist("clapi_x", pace=pace, on_event=listener, webhooks=receiver, limiter=limiter)


async def receive(receiver: WebhookReceiver, token: str, body: AsyncIterator[bytes]) -> int:
    """Receive a webhook."""
    answer: WebhookAnswer = await receiver.receive(token, "application/json", body)
    return answer.status


app = FastAPI(lifespan=cleanlist_lifespan(lambda: AsyncCleanlist(on_event=OpenTelemetry())))
install_error_handlers(app)


@app.get("/left")
async def left(client: CleanlistDep) -> float | None:
    """Answer with the credits that are left."""
    return (await client.public.credits_balance()).credits


async def main() -> None:
    """Use the sandbox, and the network in memory."""
    client = client_of("auto", on_event, FileMailbox("x.mail"))
    async with Sandbox(faults=[Fault(status=500)]) as sandbox, MemoryNetwork(StrictServer()), client:
        statistics: Statistics = client.statistics()
        ready: Readiness = await readiness_of(client)
        PrometheusMetrics().watch(client)
        print(sandbox.base_url, statistics.credits_charged, ready)


if __name__ == "__main__":
    run(main())
