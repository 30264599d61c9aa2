"""What the questions share: one client, one budget of credits, invented people, one list."""

from __future__ import annotations

import base64
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import anyio

from cleanlist_async.api.models.rows import is_final
from cleanlist_async.cli.doctor.evidence import WatchedCleanlist
from cleanlist_async.errors import (
    APIError,
    AuthenticationError,
    CleanlistError,
    InsufficientCreditsError,
    InternalServerError,
    PermissionDeniedError,
    RateLimitError,
)
from cleanlist_async.facts import MODERN_PREFIXES, PUBLIC_PREFIX, WINDOW_S
from cleanlist_async.types import JSON
from tests.live.shapes import member, parsed, texts, word

T = TypeVar("T")

V2: Final = MODERN_PREFIXES["v2"]
V1: Final = PUBLIC_PREFIX
BULK: Final = "abca"
"""Whom the shared submit consists of."""
DOMAIN: Final = "cleanlist-doctor.example"
"""No such domain can exist (RFC 2606): nothing is ever found at it."""
_ASK_AFTER_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_NO_ANSWERS: Final = (
    AuthenticationError,
    PermissionDeniedError,
    RateLimitError,
    InsufficientCreditsError,
    InternalServerError,
)
"""Refusals that are about us or about today, and settle nothing."""
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


class UnsettledError(Exception):
    """A question could not be settled; the message says why, without a word of the server's prose."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer, whatever its status."""

    status: int
    body: JSON = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether the server said yes."""
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """The code of a refusal."""
        return word(member(self.body, "error", "code"))

    def checked(self) -> Seen:
        """Return it. Raises UnsettledError for a refusal."""
        if not self.ok:
            raise UnsettledError(f"answered with {self.status} {self.code}")
        return self


class LiveSession:
    """A client, and what was made through it."""

    def __init__(self, client: WatchedCleanlist, max_credits: float, window_s: float) -> None:
        self.client = client
        self.max_credits = max_credits
        self.held = 0.0
        self.marker = "".join(random.choices(_LETTERS, k=8))
        self.lists: set[str] = set()
        """Lists that may hold invented people, and are not ours."""
        self.strays: set[str] = set()
        """Last names of invented people who were sent elsewhere than to our list."""
        self.list_wanted = False
        self.created: list[int] = []
        """Statuses of creating our list."""
        self._scale = window_s / WINDOW_S
        self._kept: dict[str, object] = {}

    @property
    def touched(self) -> bool:
        """Whether there is anything to clean up."""
        return self.list_wanted or bool(self.strays)

    @property
    def list_name(self) -> str:
        """The name of the one list that is made."""
        return f"cleanlist-async doctor {self.marker}"

    def hold(self, credits_: float) -> None:
        """Set credits aside for good. Raises UnsettledError where that is more than may be spent."""
        if self.held + credits_ > self.max_credits:
            left = self.max_credits - self.held
            raise UnsettledError(f"it may cost {credits_:g} credits, and --max-credits leaves {left:g}")
        self.held += credits_

    def person(self, letter: str) -> dict[str, JSON]:
        """Return an invented contact of the Public API."""
        return {
            "first_name": "Doctor",
            "last_name": self.last_name(letter),
            "company_domain": DOMAIN,
        }

    def last_name(self, letter: str) -> str:
        """Return the last name by which an invented person is known again."""
        return f"Probe{self.marker}{letter}".capitalize()

    def stray(self, lead: JSON) -> str | None:
        """Return the last name of a lead, if it is one of our strays."""
        name = member(lead, "last_name") or member(lead, "full_name")
        said = name.lower() if isinstance(name, str) else ""
        return next((stray for stray in self.strays if stray.lower() in said), None)

    # -- asking --------------------------------------------------------------------------------

    async def send(
        self,
        method: str,
        path: str,
        body: JSON = None,
        params: Mapping[str, str] | None = None,
        *,
        paid: bool = False,
    ) -> Seen:
        """Ask, and return the answer, also a refusal. Raises CleanlistError for what settles nothing."""
        before = len(self.client.seen)
        try:
            value = await self.client.request(method, path, params=params, json=body, idempotent=not paid)
        except _NO_ANSWERS:
            raise
        except APIError as refusal:
            if refusal.status is None or len(self.client.seen) == before:
                raise
            observed = self.client.seen[-1]
            return Seen(observed.status, parsed(observed.body))
        return Seen(self.client.seen[-1].status, value)

    async def once(self, name: str, make: Callable[[], Awaitable[T]]) -> T:
        """Return what *make* brought the first time. Raises again what it raised then."""
        if name not in self._kept:
            try:
                self._kept[name] = await make()
            except (CleanlistError, UnsettledError) as error:
                self._kept[name] = error
        kept = self._kept[name]
        if isinstance(kept, CleanlistError | UnsettledError):
            raise kept
        return kept  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    async def until_final(self, path: str, params: Mapping[str, str] | None = None) -> list[Seen]:
        """Ask for a status until it is final, or for a minute; return every answer."""
        answers: list[Seen] = []
        for wait_s in _ASK_AFTER_S:
            await anyio.sleep(wait_s * self._scale)
            answers.append((await self.send("GET", path, params=params)).checked())
            status = member(answers[-1].body, "status")
            if isinstance(status, str) and is_final(status):
                break
        return answers

    # -- what the questions share ------------------------------------------------------------------

    async def bulk(self) -> Seen:
        """Return the answer to four contacts, the fourth like the first, at enrichment type none."""
        return await self.once("bulk", self._submit)

    async def workflow(self) -> str:
        """Return the workflow of these four."""
        return require_text((await self.bulk()).body, "workflow_id")

    async def statuses(self) -> list[Seen]:
        """Return the answers about that workflow, until it was final."""

        async def ask() -> list[Seen]:
            return await self.until_final(f"{V1}/enrich/status", {"workflow_id": await self.workflow()})

        return await self.once("statuses", ask)

    async def leads(self) -> tuple[str, str, list[str]]:
        """Return our list, a cohort of its two leads, and their ids."""
        return await self.once("leads", self._import)

    async def own_list(self) -> str:
        """Return our list, which is made now if it is not there."""
        return await self.once("list", self._create)

    async def _submit(self) -> Seen:
        contacts: list[JSON] = [self.person(letter) for letter in BULK]
        body: JSON = {"contacts": contacts, "enrichment_type": "none"}
        return (await self.submit(body, *BULK)).checked()

    async def submit(self, body: JSON, *letters: str) -> Seen:
        """Submit invented people to the Public API, and note who they are."""
        self.strays |= {self.last_name(letter) for letter in letters}
        return await self.send("POST", f"{V1}/enrich/bulk", body, paid=True)

    async def _create(self) -> str:
        self.list_wanted = True  # before it is there: a stop may come in between
        try:
            made = await self.send("POST", f"{V2}/lead-lists", {"name": self.list_name})
        except PermissionDeniedError:
            self.list_wanted = False
            raise
        self.created.append(made.status)
        return require_text(made.checked().body, "list_id")

    async def _import(self) -> tuple[str, str, list[str]]:
        list_id = await self.own_list()
        rows = [f"Doctor,{self.last_name(letter)},{DOMAIN}" for letter in "cd"]
        await self.import_csv(list_id, "\n".join(["first,last,domain", *rows, ""]).encode())
        page = (await self.send("GET", f"{V2}/lead-lists/{list_id}/leads")).checked().body
        leads = member(page, "leads")
        ids = [member(lead, "lead_id") for lead in leads] if isinstance(leads, list) else []
        return list_id, require_text(page, "task_id"), texts(ids)

    async def import_csv(self, list_id: str, content: bytes) -> Seen:
        """Import a file into our list, for nothing."""
        body: JSON = {
            "csv_content_base64": base64.b64encode(content).decode(),
            "column_mapping": {"first_name": "first", "last_name": "last", "company_domain": "domain"},
            "dispatch_enrichment": False,
        }
        return await self.send("POST", f"{V2}/lead-lists/{list_id}/csv-import", body)

    async def estimate(self, tool: str, **fields: JSON) -> Seen:
        """Ask for a price."""
        return await self.send("POST", f"{V2}/credits/estimate", {"tool": tool, **fields})


def require_text(body: JSON, name: str) -> str:
    """Return a text of an answer. Raises UnsettledError where there is none."""
    value = member(body, name)
    if not isinstance(value, str) or not value:
        raise UnsettledError(f"the answer has no {name}")
    return value
