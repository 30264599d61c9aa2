"""A group of operations of the modern surface, and its answers (docs.cleanlist.ai/mcp-api/introduction)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from cleanlist_async.sandbox.gate import Operation
from cleanlist_async.sandbox.responses import json_response

if TYPE_CHECKING:
    from starlette.responses import Response

    from .services import Services


class ModernOperation(NamedTuple):
    """An operation. ``request.state.caller`` is the :class:`Caller`, its scope has been checked."""

    name: str
    """As in ``SCOPE_OF``, e.g. ``create_list``."""
    method: str
    path: str
    """After ``/api/v2`` or ``/api/v1/public``, e.g. ``/lead-lists/{list_id}``."""
    run: Operation


class Group:
    """Operations that belong together; ``operations()`` returns their :class:`ModernOperation` objects."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def _enveloped(
        self,
        body: Mapping[str, object],
        *,
        task_id: str | None = None,
        agent_instructions: str | None = None,
    ) -> dict[str, object]:
        """Return an answer with the fields beside its payload; those without a value are left out."""
        beside = {
            "task_id": task_id,
            "timestamp_ms": self._services.moments.timestamp_ms(),
            "agent_instructions": agent_instructions,
        }
        return {**body, **{name: value for name, value in beside.items() if value is not None}}

    def _answer(self, body: Mapping[str, object], task_id: str | None = None) -> Response:
        return json_response(self._enveloped(body, task_id=task_id))
