"""Leaving things as they were: the list that was made, and invented people elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cleanlist_async.errors import CleanlistError
from cleanlist_async.facts import MAX_LEADS_PER_PAGE, MAX_LEADS_PER_REMOVAL, MAX_LISTS_PER_PAGE
from cleanlist_async.types import JSON
from tests.live.session import V2, LiveSession, UnsettledError
from tests.live.shapes import member

_DEFAULT_LISTS: Final = ("Extension Leads", "DEFAULT")
"""Names of the list that bulk results go to (docs.cleanlist.ai/api-reference/lead-lists)."""
_MOST_PAGES: Final = 10
"""Of 500 leads each: more would take a minute of the limit."""


@dataclass(slots=True)
class Cleaned:
    """What was cleaned up, and what could not be."""

    lists_deleted: int = 0
    leads_removed: int = 0
    left: list[str] = field(default_factory=list[str])

    def as_json(self) -> dict[str, JSON]:
        """Return it for the file of answers."""
        return {
            "lists_deleted": self.lists_deleted,
            "leads_removed": self.leads_removed,
            "left": list(self.left),
        }


async def clean_up(session: LiveSession) -> Cleaned:
    """Delete our list, and take the invented people off every list they may be on."""
    done, removed = Cleaned(), set[str]()
    try:
        lists = await _lists(session)
        for list_id in lists.get(session.list_name, ()):
            (await session.send("DELETE", f"{V2}/lead-lists/{list_id}")).checked()
            done.lists_deleted += 1
        others = session.lists.union(*(lists.get(name, ()) for name in _DEFAULT_LISTS))
        for list_id in sorted(others) if session.strays else ():
            ids = await _strays_on(session, list_id, removed)
            await _remove(session, list_id, ids)
            done.leads_removed += len(ids)
    except (CleanlistError, UnsettledError) as error:
        removed.clear()
        if session.list_wanted:
            done.left.append(f"perhaps the list {session.list_name} ({type(error).__name__})")
    if left := session.strays - removed:
        done.left.append(f"perhaps, on the list that bulk results go to: {', '.join(sorted(left))}")
    return done


async def _lists(session: LiveSession) -> dict[str, set[str]]:
    """Return the ids of the lists that can be seen, by name."""
    found: dict[str, set[str]] = {}
    async for one in session.client.lead_lists.list_lists(limit=MAX_LISTS_PER_PAGE):
        found.setdefault(one.name, set()).add(one.list_id)
    return found


async def _strays_on(session: LiveSession, list_id: str, found: set[str]) -> list[str]:
    """Return the ids of our strays on a list, and add their names to *found*."""
    ids: list[str] = []
    params = {"limit": str(MAX_LEADS_PER_PAGE)}
    for _ in range(_MOST_PAGES):
        page = (await session.send("GET", f"{V2}/lead-lists/{list_id}/leads", params=params)).checked().body
        leads = member(page, "leads")
        for lead in leads if isinstance(leads, list) else ():
            name, id_ = session.stray(lead), member(lead, "lead_id")
            if name is not None and isinstance(id_, str):
                found.add(name)
                ids.append(id_)
        cursor = member(page, "cursor")
        if not isinstance(cursor, str) or not cursor:
            break
        params["cursor"] = cursor
    return ids


async def _remove(session: LiveSession, list_id: str, ids: Sequence[str]) -> None:
    for start in range(0, len(ids), MAX_LEADS_PER_REMOVAL):
        body: JSON = {"lead_ids": list(ids[start : start + MAX_LEADS_PER_REMOVAL])}
        (await session.send("DELETE", f"{V2}/lead-lists/{list_id}/leads", body)).checked()
