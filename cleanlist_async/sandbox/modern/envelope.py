"""The fields that stand beside the payload of a modern answer (docs.cleanlist.ai/mcp-api/introduction)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .moments import Moments


def enveloped(
    body: Mapping[str, object],
    moments: Moments,
    *,
    task_id: str | None = None,
    message: str | None = None,
    agent_instructions: str | None = None,
) -> dict[str, object]:
    """Return an answer with its envelope fields; those without a value are left out."""
    beside = {
        "task_id": task_id,
        "timestamp_ms": moments.timestamp_ms(),
        "message": message,
        "agent_instructions": agent_instructions,
    }
    return {**body, **{name: value for name, value in beside.items() if value is not None}}
