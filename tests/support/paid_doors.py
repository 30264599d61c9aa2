"""Every call that can spend credits, over real sockets, against a server that gives one odd answer to it."""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from cleanlist_async import AsyncCleanlist, CleanlistError, EnrichmentResult
from tests.support.clients import ADA, against, json_answer
from tests.support.faulty_server import Answer, Request, answer
from tests.support.refusals import Said
from tests.surface.groups import OPERATIONS, PUBLIC

ODD_ANSWERS = 2
"""How often the odd answer is given, before the server accepts: enough to see a paid request sent again."""
_PATIENCE_CALLS = 40
"""Calls of one client: it has retries for no more than these."""
_PAID = re.compile(
    "|".join(
        ".*" + re.sub(r"\\{\w+\\}", "[^/]+", re.escape(operation.path))
        for operation in (*PUBLIC, *itertools.chain(*OPERATIONS.values()))
        if operation.paid
    )
)
_ROW = {"task_id": "t_1", "status": "completed", "primary_email": "ada@analytical.example", "input": ADA}

Door = Callable[[AsyncCleanlist, Path], Awaitable[object]]


async def _job(client: AsyncCleanlist, folder: Path) -> list[EnrichmentResult]:
    async with await client.job(folder / "run.journal", [ADA]) as job:
        return [result async for result in job]


async def _enrich(client: AsyncCleanlist, _folder: Path) -> list[EnrichmentResult]:
    return list((await client.enrich([ADA])).results)


async def _stream(client: AsyncCleanlist, _folder: Path) -> list[EnrichmentResult]:
    async with client.stream([ADA]) as results:
        return [result async for result in results]


WITHOUT_A_KEY: dict[str, Door] = {
    "submit_bulk": lambda client, _: client.public.submit_bulk([ADA]),
    "enrich": _enrich,
    "stream": _stream,
    "enrich_one": lambda client, _: client.enrich_one(ADA),
    "job": _job,
    "person": lambda client, _: client.enrichment.enrich_person("l", email="a@b.example"),
    "company": lambda client, _: client.enrichment.enrich_company(domain="c.example"),
}
WITH_A_QUOTE: dict[str, Door] = {
    "quoted person": lambda client, _: client.enrichment.enrich_person(
        "l", email="a@b.example", quote_id="q_1"
    ),
    "quoted list": lambda client, _: client.enrichment.enrich_list("l", quote_id="q_1"),
    "list": lambda client, _: client.enrichment.enrich_list("l", max_credits=5),
    "by task": lambda client, _: client.enrichment.enrich_by_task("t", data_points=["Email"], max_credits=5),
    "agent": lambda client, _: client.smart_agents.run_smart_agent(
        "l", column_name="c", prompt="p", max_credits=5
    ),
    "import": lambda client, _: client.lead_lists.import_csv(
        "l",
        b"email\na@b.example\n",
        dispatch_enrichment=True,
        enrichment_type="partial",
        max_credits=1,
    ),
}
DOORS = WITHOUT_A_KEY | WITH_A_QUOTE


@dataclass
class Server:
    """Answers paid requests with `odd`, and after `ODD_ANSWERS` of them properly."""

    odd: Answer | None = None
    paid: int = 0
    bought: int = 0

    def __call__(self, request: Request, _number: int) -> Answer:
        path = request.target.partition("?")[0]
        if request.method == "POST" and _PAID.fullmatch(path):
            self.paid += 1
            if self.odd is not None and self.paid <= ODD_ANSWERS:
                return self.odd.ending("fin")
            self.bought += 1
            return json_answer(
                {
                    "workflow_id": f"wf_{self.bought}",
                    "smart_agent_task_id": "sat_1",
                    "status": "processing",
                    "task_ids": ["t_1"],
                    "total_contacts": 1,
                    "list_id": "l",
                    "rows_parsed": 1,
                    "rows_imported": 1,
                    "company": {"name": "C"},
                    "credits_charged": 1,
                }
            ).ending("fin")
        if path.endswith("/credits/estimate"):
            quote = {"quote_id": "q_2", "estimated_cost": 1, "tool": "t", "sufficient": True, "row_count": 1}
            return json_answer(quote)
        if path.endswith("/validate-key"):  # which goes before a submit after an unclear one
            return json_answer({"valid": True})
        return json_answer({"status": "completed", "results": [_ROW], "summary": {"total": 1}})


@dataclass
class Seen:
    """What came of one call: how often its paid request was sent, and what it says of the money."""

    said: Said
    door: str
    sent: int
    error: CleanlistError | None
    results: list[EnrichmentResult] = field(default_factory=list)

    @property
    def billed(self) -> set[str]:
        """What the error and the results say was billed."""
        return {one.billed for one in (*self.results, *([self.error] if self.error else []))}


def answer_of(said: Said) -> Answer:
    """The answer as bytes. A 429 asks for no wait to speak of."""
    headers = {"retry-after": "0.001"} if said.status == 429 else {}
    return answer(said.status, said.body, headers)


async def knock(client: AsyncCleanlist, server: Server, said: Said, door: str) -> Seen:
    """Call once, and see."""
    server.odd, server.paid = answer_of(said), 0
    seen = Seen(said, door, 0, None)
    with TemporaryDirectory() as folder:
        try:
            value = await DOORS[door](client, Path(folder))
        except CleanlistError as error:
            seen.error = error
        else:
            found = value if isinstance(value, list) else [value]
            seen.results = [one for one in found if isinstance(one, EnrichmentResult)]
    seen.sent = server.paid
    return seen


async def knock_on_all(cases: Iterable[tuple[Said, str]]) -> AsyncIterator[Seen]:
    """Make a call for each case, with a fresh client now and then."""
    left = iter(cases)
    while some := list(islice(left, _PATIENCE_CALLS)):
        server = Server()
        async with against(server) as (client, _):
            for said, door in some:
                yield await knock(client, server, said, door)
