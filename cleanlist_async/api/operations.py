"""The operations of a client by group, each made, and imported, when it is used; and calls by path."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import unquote

from cleanlist_async import facts
from cleanlist_async.checks import (
    check_choice,
    check_credits,
    check_flag,
    check_instance,
    check_text,
    is_encodable,
    optional,
    shown,
)
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.http.calls import Call, Charge, Operation, Spend
from cleanlist_async.http.transport import Params
from cleanlist_async.redact import one_line
from cleanlist_async.types import JSON

if TYPE_CHECKING:
    from cleanlist_async.api.enrichment import Enrichment
    from cleanlist_async.api.export import Export
    from cleanlist_async.api.lead_lists import LeadLists
    from cleanlist_async.api.modern import Session
    from cleanlist_async.api.public import PublicAPI
    from cleanlist_async.api.search import SearchAPI
    from cleanlist_async.api.smart_agents import SmartAgents
    from cleanlist_async.api.workspace import Workspace


class Operations:
    """The operations of a client, by group."""

    @property
    def public(self) -> PublicAPI:
        """The operations of the Public API."""
        from cleanlist_async.api.public import PublicAPI

        session = self._session()
        return PublicAPI(session.pipeline, session.options)

    @property
    def workspace(self) -> Workspace:
        """The owner of the key, credits and prices, keys, usage."""
        from cleanlist_async.api.workspace import Workspace

        return Workspace(self._session())

    @property
    def lead_lists(self) -> LeadLists:
        """Lists, the leads in them, and imports."""
        from cleanlist_async.api.lead_lists import LeadLists

        return LeadLists(self._session())

    @property
    def enrichment(self) -> Enrichment:
        """Enrichment of persons, companies, cohorts and lists."""
        from cleanlist_async.api.enrichment import Enrichment

        return Enrichment(self._session())

    @property
    def smart_agents(self) -> SmartAgents:
        """Agents that fill a column of a list."""
        from cleanlist_async.api.smart_agents import SmartAgents

        return SmartAgents(self._session())

    @property
    def export(self) -> Export:
        """Lists as CSV files and as JSON."""
        from cleanlist_async.api.export import Export

        return Export(self._session())

    @property
    def search(self) -> SearchAPI:
        """Searches of people and companies. Provisional."""
        from cleanlist_async.api.search import SearchAPI

        return SearchAPI(self._session())

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | Sequence[str]] | None = None,
        json: JSON = None,
        idempotent: bool | None = None,
        max_credits: float | None = None,
    ) -> JSON:
        """Call an operation that has no method here, through the same limits, retries and errors.

        *path* is the whole path (``/api/v2/folders``); it leads to no other host. Unless the call is
        `idempotent`, as by default only GET and HEAD are, it counts as paid: it is sent again only on proof
        that the server did not accept it, and an unclear end raises UnknownOutcomeError. `max_credits` is
        what such a call can cost at most, 0 if it is free. Returns the decoded JSON, None for an empty
        answer.
        """
        session = self._session()
        # Lists and runs are only visible to keys of their user, so calls by path always use the first key.
        call = raw_call(
            method,
            path,
            params={} if params is None else params,
            body=json,
            idempotent=idempotent,
            max_credits=max_credits,
            key=session.pipeline.home_key,
        )
        return (await session.pipeline.call(call, session.options)).value

    def _session(self) -> Session:
        raise NotImplementedError


_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_READS: Final = frozenset({"GET", "HEAD"})
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9_.~%:@!$&'()*+,;=-]+)+/?", re.ASCII)
_WORD: Final = re.compile(r"[a-z_-]*|v\d+")
"""A step of a path that is certainly no id, nor other personal data."""


def raw_call(
    method: str,
    path: str,
    *,
    params: Params,
    body: JSON,
    idempotent: bool | None,
    max_credits: float | None,
    key: str | None,
) -> Call[JSON]:
    """Describe the call. Raises ConfigurationError for a path that could lead outside the API."""
    method = method.upper() if isinstance(method, str) else method  # pyright: ignore[reportUnnecessaryIsInstance]
    check_choice("method", method, _METHODS)
    check_text("path", path)
    _check_params(params)
    optional(check_flag, "idempotent", idempotent)
    optional(check_credits, "max_credits", max_credits)
    # Decoded first: "%2e%2e" is ".." to many servers.
    steps = unquote(path).split("/")
    if not _PATH.fullmatch(path) or ".." in steps or "." in steps:
        raise ConfigurationError(
            f"path must be the path of an operation, not {shown(path)}.",
            fix="It begins with a slash, like /api/v2/folders; a query goes into params.",
        )
    safe = method in _READS if idempotent is None else idempotent
    # Names of operations go into logs and events, which hold no ids.
    template = "/".join(step if _WORD.fullmatch(step) else "{}" for step in path.split("/"))
    operation: Operation[JSON] = Operation(
        f"{method} {template}",
        method,
        template,
        "safe" if safe else "never",
        lambda answer: answer,
        of_models=False,
        max_answer_bytes=facts.MAX_ANSWER_BYTES,
        may_be_empty=True,
        charge=_charge,
    )
    spend = Spend(operation.name, worst_case_credits=max_credits)
    return Call(operation, path=path, params=params, content=_encoder(body), key=key, spend=lambda: spend)


def _check_params(params: object) -> None:
    check_instance("params", params, Mapping)
    for name, value in cast("Mapping[object, object]", params).items():
        is_several = isinstance(value, Sequence) and not isinstance(value, str)
        texts: list[object] = list(cast("Sequence[object]", value)) if is_several else [value]
        if not all(isinstance(text, str) and is_encodable(text) for text in (name, *texts)):
            raise ConfigurationError("params must map names to texts, or to lists of texts.")


def _charge(answer: JSON) -> Charge:
    if not isinstance(answer, dict):
        return Charge()
    for name in ("workflow_id", "smart_agent_task_id"):
        if isinstance(id_ := answer.get(name), str) and id_:
            return Charge(id_)
    spent = answer.get("credits_charged")
    return Charge(credits=float(spent) if isinstance(spent, int | float) else None)


def _encoder(body: JSON) -> Callable[[], bytes] | None:
    if body is None:
        return None
    try:
        # Encoded at once: the caller may change the object while the call waits.
        content = json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as problem:
        raise ConfigurationError(f"json is not JSON: {one_line(str(problem))}.") from None
    return lambda: content
