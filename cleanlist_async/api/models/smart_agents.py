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
    """A handle on the list, not on the run."""
    smart_agent_task_id: SmartAgentTaskId = SmartAgentTaskId("")
    smart_agent_task_ids: dict[str, str] = Field(default_factory=dict)
    """By type of column."""
    status: str = ""
    """The run's status word; ``pending`` at first."""
    list_id: str = ""
    """The list that it fills a column of."""
    column_name: str = ""
    """The column."""
    estimated_cost: Number | None = None
    """The most that it can cost, in credits."""


class SmartAgentRun(ModernAnswer):
    """A run as lists of runs show it; its id is called ``task_id`` there."""

    task_id: SmartAgentTaskId = SmartAgentTaskId("")
    list_id: str = ""
    """The list that it fills a column of."""
    column_name: str = ""
    """The column."""
    agent_type: str = ""
    """The kind of agent."""
    status: str = ""
    """Its status word."""
    total: int = 0
    """Leads of the run."""
    processed: int = 0
    """Leads that are done."""
    failed: int = 0
    """Leads for which it failed."""
    created_at: Moment | None = None
    """When it was started."""


class SmartAgentRuns(Envelope):
    """The latest runs. ``total`` counts the runs in this answer, not all there are."""

    known_by: ClassVar = ("runs",)
    essential: ClassVar = ("runs",)

    runs: tuple[SmartAgentRun, ...] = ()
    """The runs, the latest first."""
    total: int = 0


class SmartAgentResult(ModernAnswer):
    """What the agent wrote for one lead: any JSON."""

    lead_id: str = ""
    """The lead."""
    value: Any = None
    """What the agent wrote."""
    error: str | None = None
    """Why it failed for this lead, if it did."""


class SmartAgentResults(Envelope):
    """The state of a run, and the results so far: they grow while it runs."""

    known_by: ClassVar = ("smart_agent_task_id", "results", "status")

    smart_agent_task_id: SmartAgentTaskId = SmartAgentTaskId("")
    """The run."""
    status: str = ""
    """Its status word; see `is_final`."""
    progress: int = 0
    """Percent."""
    total: int = 0
    """Leads of the run."""
    succeeded: int = 0
    """Leads for which it succeeded."""
    failed: int = 0
    """Leads for which it failed."""
    results: tuple[SmartAgentResult, ...] = ()
    """The results so far."""

    @property
    def is_final(self) -> bool:
        """Whether the server is done."""
        return is_final(self.status)

    @property
    def ended_badly(self) -> bool:
        """Whether the run ended without being finished."""
        return is_failed(self.status)
