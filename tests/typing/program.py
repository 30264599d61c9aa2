"""A program of a user that fits the client into a system: keys, tenants, threads, answers, values, tests."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from cleanlist_async import (
    AsyncCleanlist,
    AuthenticationError,
    CleanlistError,
    Contact,
    EnrichmentReport,
    EnrichmentResult,
    JobReport,
    RateLimits,
    Statistics,
)
from cleanlist_async.events import CallFinished, Event, UnknownPart
from cleanlist_async.sandbox import AcceptedContact, Fault, ThreadedSandbox
from cleanlist_async.sync import (
    Cleanlist,
    SyncJob,
    SyncPages,
    SyncResults,
)
from cleanlist_async.testing import VirtualCleanlist, VirtualSandbox, no_double_charge
from cleanlist_async.types import (
    JSON,
    ClientOptions,
    ContactDict,
    CreditsBalance,
    LeadListsPage,
    LeadListSummary,
    RawResponse,
    ResultStatus,
    Whoami,
)

LIMITS = RateLimits(org=6_000, key=3_000)
ACME, OLD, NEW = "clapi_acme_key", "clapi_old_key_1", "clapi_new_key_2"


def contact(number: int, company: str = "engines.example") -> ContactDict:
    """Make a contact as a dictionary."""
    return {
        "first_name": f"Ada{number}",
        "last_name": "Lovelace",
        "company_domain": company,
        "key": str(number),
    }


class Log:
    """Counts what happens."""

    def __init__(self) -> None:
        self.calls = 0
        self.unknown: list[str] = []

    def __call__(self, event: Event) -> None:
        match event:
            case CallFinished(operation=operation, duration_s=duration_s):
                self.calls += 1
                assert operation
                assert duration_s >= 0
            case UnknownPart(part=name):
                self.unknown.append(name)
            case _:
                pass


# -- keys and tenants --------------------------------------------------------------------------------


class Vault:
    """Keeps the key, which is changed now and then."""

    def __init__(self, key: str) -> None:
        self.key = key

    def read(self) -> str:
        """Return the key of today."""
        return self.key


async def rotate(sandbox: ThreadedSandbox, log: Log) -> str | None:
    """Go on with a new key, and for another organization on the same connections."""
    vault = Vault(OLD)
    client: AsyncCleanlist
    async with AsyncCleanlist(
        vault.read,
        base_url=sandbox.base_url,
        on_event=log,
        rate_limits=LIMITS,
        default_headers={"X-Team": "growth"},
    ) as client:
        await client.public.credits_balance()
        vault.key = NEW
        sandbox.revoke(OLD)
        me: RawResponse[Whoami] = await client.with_raw_response.workspace.whoami()
        content_type: str | None = me.headers.get("Content-Type")
        assert (me.status_code, content_type) == (200, "application/json")
        owner: Whoami = me.value
        tenant: AsyncCleanlist = client.with_options(api_key=ACME, max_retries=0)
        theirs: RawResponse[CreditsBalance] = await tenant.with_raw_response.public.credits_balance()
        raw: RawResponse[JSON] = await tenant.with_raw_response.request("GET", "/api/v2/whoami")
        document: dict[str, JSON] = dict(json.loads(raw.content))
        assert document["organization_id"] == "org_acme" != owner.organization_id
        assert theirs.value.credits == 50
        try:
            await client.with_options(api_key="clapi_nobody").public.validate_key()
        except AuthenticationError as error:
            request_id: str | None = error.request_id
            return request_id
    raise AssertionError("a key of nobody was accepted")


# -- synchronous code --------------------------------------------------------------------------------


def options_of(sandbox: ThreadedSandbox) -> ClientOptions:
    """Return what every client here has in common."""
    return {"base_url": sandbox.base_url, "deadline_s": 30.0, "max_retries": 2, "rate_limits": LIMITS}


def work_in_threads(client: Cleanlist, count: int) -> list[str | None]:
    """Enrich contacts in many threads, as the workers of a queue do."""

    def enrich(number: int) -> str | None:
        result: EnrichmentResult = client.enrich_one(contact(number, "threads.example"))
        return result.email

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(enrich, range(count)))


def stream(client: Cleanlist, people: Callable[[], Iterator[ContactDict]]) -> dict[str, ResultStatus]:
    """Enrich what a generator yields, never more than 40 contacts ahead of this loop."""
    statuses: dict[str, ResultStatus] = {}
    results: SyncResults
    with client.stream(people(), ahead=40) as results:
        for result in results:
            statuses[result.key or ""] = result.status
    assert results.stopped_by is None
    return statuses


def keep_and_collect(client: Cleanlist, report: EnrichmentReport) -> EnrichmentReport:
    """Keep results in a database between two processes, and fetch what was pending."""
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE results (json TEXT)")
        rows = [(result.to_json(),) for result in report.results]
        database.executemany("INSERT INTO results VALUES (?)", rows)
        kept: list[tuple[str]] = database.execute("SELECT json FROM results").fetchall()
    results = [EnrichmentResult.from_json(text) for (text,) in kept]
    assert results == list(report.results)
    return client.collect(results)


def run_job(client: Cleanlist, folder: Path, people: Sequence[ContactDict]) -> JobReport:
    """Run a durable job."""
    job: SyncJob
    with client.job(folder / "crm.journal", people, webhook_url=None, max_credits=100) as job:
        report: JobReport = job.run()
    report.raise_for_error()
    return report


def lists_of(client: Cleanlist) -> list[LeadListSummary]:
    """Return all lists, page by page."""
    client.lead_lists.create_list("Engines")
    pages: SyncPages[LeadListsPage, LeadListSummary] = client.lead_lists.list_lists(limit=1)
    first: LeadListsPage = pages.page()
    assert len(first.lists) == 1
    return list(pages)


def work_synchronously(sandbox: ThreadedSandbox, folder: Path) -> Statistics:
    """Use the blocking client for everything."""
    with Cleanlist(NEW, **options_of(sandbox)) as client:
        emails = work_in_threads(client, 40)
        assert any(emails)
        statuses = stream(client, lambda: (contact(n, "stream.example") for n in range(60)))
        assert len(statuses) == 60
        report: EnrichmentReport = client.enrich([contact(n, "kept.example") for n in range(10)])
        collected = keep_and_collect(client, report)
        fields: dict[str, object] = dataclasses.asdict(collected.summary)
        assert fields["contacts"] == 10
        assert (
            run_job(client, folder, [contact(n, "job.example") for n in range(10)]).status.state == "complete"
        )
        assert [found.name for found in lists_of(client) if found.name == "Engines"]
        return client.statistics()


# -- tests of one's own code -------------------------------------------------------------------------


async def campaign(client: VirtualCleanlist) -> int:
    """Return how many of 600 people were found, in virtual time."""
    report = await client.enrich([Contact(**contact(n, "campaign.example")) for n in range(600)])
    return report.summary.statuses["found"]


def test_campaign() -> float:
    """Test it against a workflow of an hour; return the seconds that it would have taken."""
    sandbox = VirtualSandbox(workflow_s=3_600, faults=[Fault("/enrich/bulk", status=429)])
    found: int = sandbox.run(campaign)
    assert found > 300
    no_double_charge(sandbox)
    return sandbox.now


def main() -> None:
    """Run it all."""
    log = Log()
    acme = ThreadedSandbox(organization_id="org_acme", api_keys=[ACME], credits=50)
    with (
        TemporaryDirectory() as folder,
        ThreadedSandbox(
            api_keys=[OLD, NEW], organizations=[acme], workflow_s=0.05, org_limit=6_000, key_limit=3_000
        ) as sandbox,
    ):
        asyncio.run(rotate(sandbox, log))
        statistics = work_synchronously(sandbox, Path(folder))
        accepted: list[AcceptedContact] = sandbox.ledger.accepted_contacts()
        assert len(accepted) == 120
        no_double_charge(sandbox)
    assert log.calls >= 5
    assert log.unknown == []
    assert statistics.rejected_429 == 0
    assert test_campaign() > 3_600
    print("done")


if __name__ == "__main__":
    try:
        main()
    except CleanlistError as error:
        raise SystemExit(str(error)) from error
