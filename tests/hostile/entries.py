"""Every public entry that reads an answer, and what its answers look like."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cleanlist_async import AsyncCleanlist, facts
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.results import EnrichmentResult

PEOPLE = [
    {"first_name": f"Ada{number}", "last_name": f"Lovelace{number}", "company_domain": "analytical.example"}
    for number in range(250)
]
PENDING = [
    EnrichmentResult(number, Contact(**person), "pending", task_id=f"t_{number}", workflow_id="wf_1")  # type: ignore[arg-type]
    for number, person in enumerate(PEOPLE)
]
SMALL, LARGE, STATUS = facts.MAX_SMALL_ANSWER_BYTES, facts.MAX_ANSWER_BYTES, facts.MAX_STATUS_BYTES


@dataclass(frozen=True, slots=True)
class Entry:
    """A use of the client. `items` is what its list of items is called, `most_bytes` what it takes."""

    call: Callable[[AsyncCleanlist], Awaitable[object]]
    items: str = "results"
    most_bytes: int = SMALL
    kind: str = "call"


async def _streamed(client: AsyncCleanlist) -> list[object]:
    async with client.stream(PEOPLE, max_credits=1e6) as results:
        return [result async for result in results]


async def _job(client: AsyncCleanlist) -> object:
    with tempfile.TemporaryDirectory() as folder:
        async with await client.job(Path(folder) / "a.job", PEOPLE, max_credits=1e6) as job:
            return await job.run()


async def _downloaded(client: AsyncCleanlist) -> object:
    with tempfile.TemporaryDirectory() as folder:
        return await client.export.download_csv("l_1", Path(folder) / "a.csv")


async def _imported(client: AsyncCleanlist) -> object:
    return await client.lead_lists.import_csv("l_1", b"email\na@b.example\n")


def _all(pages: Callable[[AsyncCleanlist], Any]) -> Callable[[AsyncCleanlist], Awaitable[object]]:
    return lambda client: pages(client).all()


async def _raw(client: AsyncCleanlist) -> object:
    return await client.request("GET", "/api/v2/folders")


ENTRIES: dict[str, Entry] = {
    "public.validate_key": Entry(lambda client: client.public.validate_key()),
    "public.credits_balance": Entry(lambda client: client.public.credits_balance()),
    "public.submit_bulk": Entry(
        lambda client: client.public.submit_bulk(PEOPLE), "task_ids", facts.MAX_SUBMIT_ANSWER_BYTES
    ),
    "public.bulk_status": Entry(
        lambda client: client.public.bulk_status(workflow_id="wf_1"), "results", STATUS
    ),
    "public.webhook_deliveries": Entry(
        lambda client: client.public.webhook_deliveries("wf_1"), "deliveries", facts.MAX_SUBMIT_ANSWER_BYTES
    ),
    "workspace.whoami": Entry(lambda client: client.workspace.whoami(), "scopes"),
    "workspace.credits_balance": Entry(lambda client: client.workspace.credits_balance()),
    "workspace.credits_estimate": Entry(lambda client: client.workspace.credits_estimate("enrich_list")),
    "workspace.list_api_keys": Entry(lambda client: client.workspace.list_api_keys(), "keys", LARGE),
    "workspace.usage_report": Entry(lambda client: client.workspace.usage_report(), "rows", LARGE),
    "lead_lists.list_lists": Entry(_all(lambda client: client.lead_lists.list_lists()), "lists", LARGE),
    "lead_lists.create_list": Entry(lambda client: client.lead_lists.create_list("A")),
    "lead_lists.get_list": Entry(lambda client: client.lead_lists.get_list("l_1")),
    "lead_lists.update_list": Entry(lambda client: client.lead_lists.update_list("l_1", name="B")),
    "lead_lists.delete_list": Entry(lambda client: client.lead_lists.delete_list("l_1")),
    "lead_lists.list_leads_in_list": Entry(
        _all(lambda client: client.lead_lists.list_leads_in_list("l_1")), "leads", LARGE
    ),
    "lead_lists.add_leads_to_list": Entry(
        lambda client: client.lead_lists.add_leads_to_list("l_1", lead_ids=["a"])
    ),
    "lead_lists.remove_leads_from_list": Entry(
        lambda client: client.lead_lists.remove_leads_from_list("l_1", lead_ids=["a"])
    ),
    "lead_lists.import_csv": Entry(_imported, "sample_skip_rows"),
    "enrichment.enrich_person": Entry(
        lambda client: client.enrichment.enrich_person("partial", email="a@b.example")
    ),
    "enrichment.enrich_company": Entry(lambda client: client.enrichment.enrich_company(domain="a.example")),
    "enrichment.status": Entry(lambda client: client.enrichment.enrichment_status("wf_1")),
    "enrichment.wait": Entry(lambda client: client.enrichment.wait("wf_1", timeout_s=0.2)),
    "smart_agents.list_smart_agents": Entry(
        lambda client: client.smart_agents.list_smart_agents(), "runs", LARGE
    ),
    "smart_agents.get_smart_agent_results": Entry(
        lambda client: client.smart_agents.get_smart_agent_results("wf_1"), "results", LARGE
    ),
    "search.people": Entry(_all(lambda client: client.search.people(titles=["CEO"])), "results", LARGE),
    "search.companies": Entry(
        _all(lambda client: client.search.companies(industries=["x"])), "results", LARGE
    ),
    "export.export_csv": Entry(lambda client: client.export.export_csv("l_1")),
    "export.download_csv": Entry(_downloaded),
    "export.export_json": Entry(_all(lambda client: client.export.export_json("l_1")), "leads", LARGE),
    "request": Entry(_raw, "results", LARGE),
    "enrich": Entry(lambda client: client.enrich(PEOPLE, max_credits=1e6), "results", STATUS, "flow"),
    "stream": Entry(_streamed, "results", STATUS, "flow"),
    "collect": Entry(lambda client: client.collect(PENDING), "results", STATUS, "flow"),
    "enrich_one": Entry(
        lambda client: client.enrich_one(PEOPLE[0], deadline_s=0.3), "results", STATUS, "flow"
    ),
    "job": Entry(_job, "results", STATUS, "flow"),
    "enrichment.enrich_list": Entry(lambda client: client.enrichment.enrich_list("l_1", quote_id="q_1")),
    "enrichment.enrich_by_task": Entry(
        lambda client: client.enrichment.enrich_by_task("t_1", data_points=["Email"], quote_id="q_1"),
        "results",
        LARGE,
    ),
    "smart_agents.run_smart_agent": Entry(
        lambda client: client.smart_agents.run_smart_agent(
            "l_1", column_name="c", prompt="p", quote_id="q_1"
        ),
    ),
}
