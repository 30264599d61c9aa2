"""Answers about smart agents (docs.cleanlist.ai/mcp-api/smart-agents)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from cleanlist_async.api.ids import EnvelopeTaskId, SmartAgentTaskId
from cleanlist_async.api.models.base import CommonFields, Envelope, ModernAnswer, Moment, Number
from cleanlist_async.api.models.rows import is_failed, is_final


class StartedSmartAgent(CommonFields):
    """A run that has begun. Of the ids here, `wait` takes the ``smart_agent_task_id``."""

    known_by: ClassVar = ("smart_agent_task_id",)
    essential: ClassVar = ("smart_agent_task_id",)

    task_id: EnvelopeTaskId | None = None
    smart_agent_task_id: SmartAgentTaskId = SmartAgentTaskId("")
    smart_agent_task_ids: dict[str, str] = Field(default_factory=dict)
    """By type of column."""
    status: str = ""
    list_id: str = ""
    column_name: str = ""
    estimated_cost: Number | None = None


class SmartAgentRun(ModernAnswer):
    """A run as lists of runs show it; its id is called ``task_id`` there."""

    task_id: SmartAgentTaskId = SmartAgentTaskId("")
    list_id: str = ""
    column_name: str = ""
    agent_type: str = ""
    status: str = ""
    total: int = 0
    processed: int = 0
    failed: int = 0
    created_at: Moment | None = None


class SmartAgentRuns(Envelope):
    """The latest runs. ``total`` counts the runs in this answer, not all there are."""

    known_by: ClassVar = ("runs",)
    essential: ClassVar = ("runs",)

    runs: tuple[SmartAgentRun, ...] = ()
    total: int = 0


class SmartAgentResult(ModernAnswer):
    """What the agent wrote for one lead: any JSON."""

    lead_id: str = ""
    value: Any = None
    error: str | None = None


class SmartAgentResults(Envelope):
    """The state of a run, and the results so far: they grow while it runs."""

    known_by: ClassVar = ("smart_agent_task_id", "results", "status")

    smart_agent_task_id: SmartAgentTaskId = SmartAgentTaskId("")
    status: str = ""
    progress: int = 0
    total: int = 0
    succeeded: int = 0
    failed: int = 0
    results: tuple[SmartAgentResult, ...] = ()

    @property
    def is_final(self) -> bool:
        """Whether the server is done."""
        return is_final(self.status)

    @property
    def ended_badly(self) -> bool:
        """Whether the run ended without being finished."""
        return is_failed(self.status)
