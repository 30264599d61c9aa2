"""Questions about the Public API (docs.cleanlist.ai/api-reference)."""

from __future__ import annotations

import json
from typing import Final

from cleanlist_async.api.models.rows import is_final
from cleanlist_async.facts import FULL_CREDITS
from cleanlist_async.types import JSON
from tests.live.question import Found, Question
from tests.live.session import BULK, V1, V2, LiveSession, Seen, UnsettledError
from tests.live.shapes import member, name_of, shape, texts, word

_MANY: Final = "four invented contacts, at enrichment type none (shared)"


async def _status(session: LiveSession) -> Found:
    answers = await session.statuses()
    last = answers[-1].body
    words: list[JSON] = list(dict.fromkeys(word(member(seen.body, "status")) for seen in answers))
    lists = {name_of(name): len(rows) for name, rows in _members(last) if isinstance(rows, list)}
    where = ", ".join(f"{count} rows under {name}" for name, count in lists.items()) or "without rows"
    summary = f"{where}; statuses {', '.join(map(str, words))}"
    facts: dict[str, JSON] = {
        "statuses": words,
        "final": is_final(_text(last, "status")),
        "requests": len(answers),
        "workflow": shape(last),
    }
    ids = _task_ids(await session.bulk())
    if ids:
        task = await session.send("GET", f"{V1}/enrich/status", params={"task_id": ids[0]})
        facts |= {"task_status": task.status, "task": shape(task.body)}
    return Found(summary, facts)


async def _order(session: LiveSession) -> Found:
    await session.statuses()
    letters: list[str] = []
    for id_ in _task_ids(await session.bulk()):
        seen = (await session.send("GET", f"{V1}/enrich/status", params={"task_id": id_})).checked()
        text = json.dumps(seen.body).lower()
        letters.append("".join(one for one in set(BULK) if session.last_name(one).lower() in text) or "?")
    order = "".join(letters)
    if "?" in order or not order:
        raise UnsettledError("a task does not say whose it is")
    in_order = order in {BULK, "".join(dict.fromkeys(BULK))}
    return Found("in input order" if in_order else "not in input order", {"in_order": in_order})


async def _duplicates(session: LiveSession) -> Found:
    body = (await session.bulk()).body
    ids = texts(member(body, "task_ids"))
    facts: dict[str, JSON] = {
        "contacts": len(BULK),
        "task_ids": len(ids),
        "distinct_task_ids": len(set(ids)),
        "submit": shape(body),
    }
    if not ids:
        raise UnsettledError("the answer has no task_ids")
    kept = "kept apart" if len(set(ids)) == facts["contacts"] else "merged"
    return Found(f"a contact sent twice is {kept}: {len(set(ids))} task ids for {len(BULK)} contacts", facts)


async def _unknown_keys(session: LiveSession) -> Found:
    contact: JSON = {**session.person("e"), "doctor_note": "unknown"}
    body: JSON = {"contacts": [contact], "enrichment_type": "none"}
    seen = await session.submit(body, "e")
    await _see_through(session, seen)
    facts: dict[str, JSON] = {"status": seen.status, "answer": shape(seen.body)}
    return Found("taken" if seen.ok else f"refused with {seen.status}", facts)


async def _type(session: LiveSession) -> Found:
    body: JSON = {"contacts": [session.person("f")]}
    seen = await session.submit(body, "f")
    await _see_through(session, seen)
    facts: dict[str, JSON] = {"status": seen.status, "answer": shape(seen.body)}
    return Found("optional" if seen.ok else f"required: refused with {seen.status}", facts)


async def _deliveries(session: LiveSession) -> Found:
    workflow = await session.workflow()
    seen = await session.send("GET", f"{V1}/webhooks/deliveries", params={"workflow_id": workflow})
    form = "a list" if isinstance(seen.body, list) else "an object"
    facts: dict[str, JSON] = {"status": seen.status, "answer": shape(seen.checked().body)}
    return Found(f"{form}; without a webhook there is no row to look at", facts)


async def _balance(session: LiveSession) -> Found:
    bodies: dict[str, JSON] = {}
    for name, prefix in (("v1", V1), ("v2", V2)):
        seen = await session.send("GET", f"{prefix}/credits/balance")
        bodies[name] = shape(seen.body) if seen.ok else f"refused with {seen.status}"
    kinds = ", ".join(f"{name}: {member(body, 'credits') or body}" for name, body in bodies.items())
    same = bodies["v1"] == bodies["v2"]
    return Found(f"{'one body' if same else 'two bodies'} ({kinds})", bodies)


async def _default_list(session: LiveSession) -> Found:
    await session.statuses()
    names = ("Extension Leads", "DEFAULT")
    page = (await session.send("GET", f"{V2}/lead-lists", params={"limit": "100"})).checked().body
    lists = member(page, "lists")
    present = [member(one, "name") for one in lists] if isinstance(lists, list) else []
    found: list[JSON] = [name for name in names if name in present]
    if not found:
        raise UnsettledError("no list of a documented name is to be seen")
    return Found(" and ".join(map(str, found)), {"documented_names_found": found})


async def _see_through(session: LiveSession, seen: Seen) -> None:
    """Wait for a workflow, so that what it leaves behind can be cleaned up."""
    workflow = member(seen.body, "workflow_id") if seen.ok else None
    if isinstance(workflow, str):
        await session.until_final(f"{V1}/enrich/status", {"workflow_id": workflow})


def _task_ids(seen: Seen) -> list[str]:
    return list(dict.fromkeys(texts(member(seen.body, "task_ids"))))


def _text(body: JSON, name: str) -> str:
    value = member(body, name)
    return value if isinstance(value, str) else ""


def _members(body: JSON) -> list[tuple[str, JSON]]:
    return list(body.items()) if isinstance(body, dict) else []


QUESTIONS: Final = (
    Question("public-status", "What does the status of a bulk workflow look like?", _MANY, _status),
    Question("task-order", "Do task ids follow the order of the contacts?", _MANY, _order),
    Question("duplicates", "What becomes of a contact sent twice in one request?", _MANY, _duplicates),
    Question("deliveries", "What does the log of webhook deliveries look like?", _MANY, _deliveries),
    Question("default-list", "What is the list called that bulk results go to?", _MANY, _default_list),
    Question(
        "unknown-keys",
        "Are unknown keys of a contact refused?",
        "one invented contact, at none",
        _unknown_keys,
    ),
    Question(
        "type-optional",
        "May enrichment_type be left out?",
        "one invented contact without it",
        _type,
        credits=FULL_CREDITS,  # whatever type the server takes it for
    ),
    Question("balance", "Which body has the balance, and is it whole?", "two reads", _balance),
)
