"""Questions about the modern operations (docs.cleanlist.ai/mcp-api)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import uuid4

from cleanlist_async.types import JSON
from tests.live.question import Found, Question
from tests.live.session import DOMAIN, V1, V2, LiveSession, Seen, UnsettledError, require_text
from tests.live.shapes import member, shape, word

_TOO_LARGE_BYTES: Final = 160_000


async def _validation(session: LiveSession) -> Found:
    facts: dict[str, JSON] = {}
    forms: list[str] = []
    for name, prefix in (("v2", V2), ("v1", V1)):
        seen = await session.send("POST", f"{prefix}/credits/estimate", {"doctor_note": True})
        form = next((form for form in ("detail", "error") if member(seen.body, form) is not None), "neither")
        forms.append(f"{name}: {seen.status} with {form}")
        facts[name] = {"status": seen.status, "envelope": form, "answer": shape(seen.body)}
    return Found("; ".join(forms), facts)


async def _missing(session: LiveSession) -> Found:
    facts: dict[str, JSON] = {}
    for name, prefix in (("v2", V2), ("v1", V1)):
        seen = await session.send("GET", f"{prefix}/lead-lists/{uuid4()}")
        facts[name] = {"status": seen.status, "code": seen.code, "answer": shape(seen.body)}
    details = [one for one in ("details", "suggested_actions") if member(facts["v2"], "answer", "error", one)]
    return Found(f"{member(facts['v2'], 'status')}; {', '.join(details) or 'no details'}", facts)


async def _folders(session: LiveSession) -> Found:
    seen = await session.send("GET", f"{V2}/folders")
    return _refusal_or(seen, "it is there")


async def _search(session: LiveSession) -> Found:
    body: JSON = {"filters": {"company_domains": ["example.com"]}, "limit": 1}
    seen = (await session.send("POST", f"{V2}/search/people", body, paid=True)).checked()
    charged = member(seen.body, "credits_charged")
    price = f"{charged:g} credits" if isinstance(charged, int | float) else "no price named"
    return Found(price, {"answer": shape(seen.body)})


async def _company_quote(session: LiveSession) -> Found:
    seen = await session.estimate("enrich_company", row_count=1)
    return _refusal_or(seen, "enrich_company is a tool of the estimate")


async def _subset_quote(session: LiveSession) -> Found:
    list_id, _, ids = await session.leads()
    seen = (
        await session.estimate("run_smart_agent", list_id=list_id, agent_type="custom_ai", row_count=1)
    ).checked()
    rows = member(seen.body, "row_count")
    whose = "the subset" if rows == 1 else "the whole list" if rows == len(ids) else "neither"
    return Found(f"the price is for {whose}", {"asked": 1, "leads": len(ids), "answer": shape(seen.body)})


async def _column_quote(session: LiveSession) -> Found:
    list_id, _, _ = await session.leads()
    seen = await session.estimate(
        "run_smart_agent", list_id=list_id, agent_type="custom_ai", extra={"column_name": "doctor"}
    )
    return _refusal_or(seen, "extra.column_name is taken")


async def _linkedin_price(session: LiveSession) -> Found:
    _, cohort, ids = await session.leads()
    seen = (
        await session.estimate("add_person_enrichments", task_id=cohort, data_points=["LinkedIn"])
    ).checked()
    cost = member(seen.body, "estimated_cost")
    if not isinstance(cost, int | float) or not ids:
        raise UnsettledError("the answer names no price")
    return Found(f"{cost / len(ids):g} credits each", {"leads": len(ids), "estimated_cost": cost})


async def _import_quote(session: LiveSession) -> Found:
    list_id, _, _ = await session.leads()
    seen = await session.estimate("bulk_import_csv", list_id=list_id, row_count=5, enrichment_type="partial")
    rows = member(seen.body, "row_count")
    return _refusal_or(seen, "for the rows asked" if rows == 5 else "for other rows than asked")


async def _quote_required(session: LiveSession) -> Found:
    list_id, cohort, ids = await session.leads()
    if not ids:
        raise UnsettledError("our list shows no leads")
    body: JSON = {
        "task_id": cohort,
        "data_points": ["Email"],
        "entity_ids": [ids[0]],
        "lead_list_id": list_id,
    }
    seen = await session.send("POST", f"{V2}/enrichment/by-task", body, paid=True)
    return _refusal_or(seen, "no quote is needed")


async def _too_large(session: LiveSession) -> Found:
    list_id = await session.own_list()
    row = f"Doctor,{session.last_name('g')},{DOMAIN},{'x' * _TOO_LARGE_BYTES}"
    seen = await session.import_csv(list_id, f"first,last,domain,filler\n{row}\n".encode())
    return _refusal_or(seen, f"{_TOO_LARGE_BYTES:,} bytes are taken")


async def _create_again(session: LiveSession) -> Found:
    list_id = await session.own_list()
    seen = (await session.send("POST", f"{V2}/lead-lists", {"name": session.list_name})).checked()
    reused = member(seen.body, "reused") is True and member(seen.body, "list_id") == list_id
    facts: dict[str, JSON] = {"first": session.created[0], "again": seen.status, "reused": reused}
    return Found(f"{seen.status}, {'the same list' if reused else 'another list'}", facts)


def _without_list(prefix: str) -> Callable[[LiveSession], Awaitable[Found]]:
    async def ask(session: LiveSession) -> Found:
        body: JSON = {
            "first_name": "Doctor",
            "last_name": session.last_name("h"),
            "domain": DOMAIN,
            "enrichment_type": "partial",
        }
        seen = await session.send("POST", f"{prefix}/enrichment/person", body, paid=True)
        session.strays |= {session.last_name("h")} if seen.ok else set()
        workflow, list_id = member(seen.body, "workflow_id"), member(seen.body, "lead_list_id")
        if seen.ok and isinstance(workflow, str):
            await session.until_final(f"{V2}/enrichment/status/{workflow}")
        if isinstance(list_id, str):
            session.lists.add(list_id)
        return _refusal_or(seen, "taken, into a list of the server's choice")

    return ask


async def _person(session: LiveSession) -> Found:
    list_id = await session.own_list()
    body: JSON = {
        "lead_list_id": list_id,
        "first_name": "Doctor",
        "last_name": session.last_name("i"),
        "domain": DOMAIN,
        "enrichment_type": "partial",
    }
    started = time.monotonic()
    begun = (await session.send("POST", f"{V2}/enrichment/person", body, paid=True)).checked()
    workflow = require_text(begun.body, "workflow_id")
    answers = await session.until_final(f"{V2}/enrichment/status/{workflow}")
    took = time.monotonic() - started
    words = list(dict.fromkeys(word(member(seen.body, "status")) for seen in answers))
    facts: dict[str, JSON] = {
        "statuses": list(words),
        "seconds": round(took, 1),
        "started": shape(begun.body),
        "finished": shape(answers[-1].body),
        "inner_status": word(member(answers[-1].body, "result", "status")),
    }
    return Found(f"{' then '.join(words)}, in {took:.0f} s", facts)


def _refusal_or(seen: Seen, taken: str) -> Found:
    facts: dict[str, JSON] = {"status": seen.status, "code": seen.code, "answer": shape(seen.body)}
    return Found(taken if seen.ok else f"refused with {seen.status} {seen.code}", facts)


_READ: Final = "reads"
_PRICE: Final = "asks for a price"
_LIST: Final = "asks for a price, for two invented leads in our list"
_ONE: Final = "one invented person without a list"

QUESTIONS: Final = (
    Question("validation", "Which form has a modern request's validation error?", _PRICE, _validation),
    Question("not-found", "What is in details and suggested_actions of an error?", _READ, _missing),
    Question("folders", "Are there folders to be listed?", _READ, _folders),
    Question("company-quote", "Which tool quotes a company?", _PRICE, _company_quote),
    Question("create-again", "How is a list answered that exists?", "our list's name again", _create_again),
    Question("subset-quote", "Is an agent over a subset priced by the subset?", _LIST, _subset_quote),
    Question("column-quote", "Does a quote for an agent take the column?", _LIST, _column_quote),
    Question("linkedin-price", "What does the data point LinkedIn cost?", _LIST, _linkedin_price),
    Question("import-quote", "Can an import be quoted before it is parsed?", _LIST, _import_quote),
    Question("too-large", "How is a CSV file refused that is too large?", "160 kB, one lead", _too_large),
    Question(
        "quote-required",
        "How is a cohort refused without a quote?",
        "one lead of it",
        _quote_required,
        credits=1,
    ),
    Question("no-list-v2", "Is a person taken without a list, on v2?", _ONE, _without_list(V2), credits=1),
    Question("no-list-v1", "Is a person taken without a list, on v1?", _ONE, _without_list(V1), credits=1),
    Question("person", "How does the enrichment of a person go?", "one invented person", _person, credits=1),
    Question("search", "What does a search cost and return?", "one search, one result", _search, credits=1),
)
