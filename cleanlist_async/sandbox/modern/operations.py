"""What the operations of the modern surface share: routes, state, requests, pages, answers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from cleanlist_async.sandbox.clock import Agenda, Moments
from cleanlist_async.sandbox.gate import Caller
from cleanlist_async.sandbox.ledger import Ledger, key_id_of
from cleanlist_async.sandbox.options import Options
from cleanlist_async.sandbox.responses import (
    RefusedError,
    decode,
    field_error,
    json_response,
    refused,
    validated,
)

from .purchases import Funds
from .runs import Runs
from .store import Cohorts, LeadLists

Answer: TypeAlias = Mapping[str, object]

# As the documentation names them; examples of the specification spell some differently.
ALL_SCOPES: Final = (
    "people:read",
    "companies:read",
    "lists:read",
    "lists:write",
    "enrich:read",
    "enrich:write",
    "credits:read",
    "export:read",
    "sync:write",
    "smart_agents:read",
    "smart_agents:write",
    "admin:api_keys",
)

REPLAY_TTL_S: Final = 86_400.0  # 24 hours, as documented
_OFFSET: Final = re.compile(r"[0-9]{1,9}")
"""A cursor: an offset, as in the documented examples, so pages shift when a list is edited."""

T = TypeVar("T")
ROUTES: Final[dict[str, Route]] = {}
"""The route of each operation, by its name."""


class Route(NamedTuple):
    """Where an operation is found."""

    method: str
    path: str
    """After ``/api/v2`` or ``/api/v1/public``, e.g. ``/lead-lists/{list_id}``."""
    scope: str | None
    """What the key must be allowed; None for nothing."""


class Handler(Protocol):
    """A method of a :class:`Group` that carries out the operation of its name."""

    __name__: str

    def __call__(self, group: Any, request: Request, /) -> Awaitable[Response]:
        """Answer a request. Its ``state.caller`` is the :class:`Caller`, whose scope has been checked."""
        ...


H = TypeVar("H", bound=Handler)
M = TypeVar("M", bound="RequestModel")


def operation(method: str, path: str, scope: str | None) -> Callable[[H], H]:
    """Give a handler its route."""

    def register(handler: H) -> H:
        ROUTES[handler.__name__] = Route(method, path, scope)
        return handler

    return register


class Scopes:
    """The scopes of each credential; all of them where the options name none."""

    def __init__(self, scopes: Mapping[str, Sequence[str]]) -> None:
        self._granted = {key_id_of(credential): tuple(granted) for credential, granted in scopes.items()}

    def granted(self, caller: Caller) -> tuple[str, ...]:
        """Return what a caller may do."""
        return self._granted.get(caller.key_id, ALL_SCOPES)

    def require(self, caller: Caller, scope: str | None) -> None:
        """Raise RefusedError 403 insufficient_scope, with required and granted scopes, if one is lacking."""
        granted = self.granted(caller)
        if scope is not None and scope not in granted:
            details = {"required": [scope], "granted": list(granted)}
            raise refused("insufficient_scope", f"The key lacks the scope {scope}.", details=details)


@dataclass(frozen=True, slots=True)
class Services:
    """State and rules behind every operation."""

    options: Options
    moments: Moments
    agenda: Agenda
    """Brought up to the clock before each modern operation, and whenever the ledger is read."""
    funds: Funds
    scopes: Scopes
    ledger: Ledger
    lists: LeadLists
    cohorts: Cohorts
    runs: Runs
    base_url: Callable[[], str]
    """Scheme and host under which the sandbox is reached."""


class Group:
    """Operations that belong together (docs.cleanlist.ai/mcp-api/introduction)."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def _enveloped(
        self, body: Answer, *, task_id: str | None = None, agent_instructions: str | None = None
    ) -> dict[str, object]:
        """Return an answer with the fields beside its payload; those without a value are left out."""
        beside = {
            "task_id": task_id,
            "timestamp_ms": int(self._services.moments.epoch_s() * 1000),
            "agent_instructions": agent_instructions,
        }
        return {**body, **{name: value for name, value in beside.items() if value is not None}}

    def _answer(self, body: Answer, task_id: str | None = None) -> Response:
        return json_response(self._enveloped(body, task_id=task_id))


class Replays:
    """Answers of 24 hours by idempotency key; the first wins (docs.cleanlist.ai/mcp-api/lead-lists)."""

    def __init__(self, moments: Moments) -> None:
        self._moments = moments
        self._answers: dict[str, tuple[float, Answer]] = {}

    def get(self, key: str | None) -> Answer | None:
        """Return the answer kept under a key; None for no key, an unknown or an expired one."""
        # Nothing is kept under "", so a call without a key finds nothing.
        expires_at, answer = self._answers.get(key or "", (0.0, None))
        return answer if self._moments.epoch_s() < expires_at else None

    def keep(self, key: str | None, answer: Answer) -> None:
        """Keep an answer, if there is a key."""
        if key:
            self._answers[key] = (self._moments.epoch_s() + REPLAY_TTL_S, answer)


class RequestModel(BaseModel):
    """A request; unknown keys are refused, as everywhere on the modern surface."""

    model_config = ConfigDict(extra="forbid")


async def read_body(request: Request, model: type[M]) -> M:
    """Return the JSON body. Raises RefusedError 422 with every field error there is."""
    body = await request.body()
    if not body:
        raise RefusedError(422, [field_error("missing", ["body"], "Field required")])
    return validated(decode(body), model, "body")


def read_query(request: Request, model: type[M]) -> M:
    """Return the query; a list field takes every value of a repeated key, any other the last one.

    Keys that the model does not have are ignored, as FastAPI does. Raises RefusedError 422 with every
    field error there is.
    """
    given = request.query_params
    document: dict[str, object] = {
        name: given.getlist(name) if _is_list(field.annotation) else given[name]
        for name, field in model.model_fields.items()
        if name in given
    }
    return validated(document, model, "query")


def page(items: Sequence[T], cursor: str | None, limit: int) -> tuple[Sequence[T], str | None]:
    """Return the page at ``cursor`` and the cursor of the next one; None after the last.

    Raises RefusedError 400 invalid_cursor for a cursor that is not an offset.
    """
    if cursor is not None and not _OFFSET.fullmatch(cursor):
        raise refused("invalid_cursor")
    start = int(cursor or 0)
    end = start + limit
    return items[start:end], str(end) if end < len(items) else None


def _is_list(annotation: object) -> bool:
    return get_origin(annotation) is list or any(get_origin(part) is list for part in get_args(annotation))
