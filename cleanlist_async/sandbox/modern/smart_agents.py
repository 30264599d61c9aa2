"""Smart agents: run, list, read results (docs.cleanlist.ai/mcp-api/smart-agents)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from . import purchases
from .agent_runs import AgentRuns
from .agents import AgentType
from .bodies import RequestModel, read_body, read_query
from .group import Group, ModernOperation
from .refusals import refused

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from cleanlist_async.sandbox.auth import Caller

    from .agent_runs import AgentRun
    from .services import Services
    from .store import Lead

APPROVAL_ABOVE: Final = 500
"""Leads of an ``all`` run beyond which it needs an approval that no request can give."""


class RunSmartAgent(RequestModel):
    """Body of ``POST /smart-agents/run``."""

    list_id: str
    agent_type: AgentType = "custom_ai"
    prompt: str | None = None
    column_name: str = Field(min_length=1, max_length=100)
    lead_scope: Literal["subset", "all"] = "subset"
    max_rows: int = Field(100, ge=1, le=10_000)
    quote_id: str
    overwrite: bool = False


class RunsQuery(RequestModel):
    """Query of ``GET /smart-agents``."""

    list_id: str | None = None
    limit: int = Field(20, ge=1, le=100)


class SmartAgentOperations(Group):
    """The operations on smart agents."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._runs = AgentRuns(services)

    def operations(self) -> list[ModernOperation]:
        """Return the three operations."""
        results = "/smart-agents/{smart_agent_task_id}"
        return [
            ModernOperation("run_smart_agent", "POST", "/smart-agents/run", self.run_smart_agent),
            ModernOperation("list_smart_agents", "GET", "/smart-agents", self.list_smart_agents),
            ModernOperation("get_smart_agent_results", "GET", results, self.get_smart_agent_results),
        ]

    async def run_smart_agent(self, request: Request) -> Response:
        """Start a run over leads of a list; its three ids are all different things."""
        caller: Caller = request.state.caller
        body = await read_body(request, RunSmartAgent)
        list_id = self._services.lists.get(body.list_id, caller).list_id
        # The other agents ignore the prompt.
        if body.agent_type == "custom_ai" and not (body.prompt or "").strip():
            raise refused("validation_error", "custom_ai needs a prompt.")
        leads = _chosen(self._services.lists.leads(list_id), body)
        run = self._runs.start(
            caller,
            list_id,
            leads,
            column_name=body.column_name,
            agent_type=body.agent_type,
            prompt=body.prompt,
            quote_id=body.quote_id,
        )
        return self._answer(_started(run), task_id=run.legacy_task_id)

    async def list_smart_agents(self, request: Request) -> Response:
        """Return the caller's newest runs; ``total`` is the number returned."""
        query = read_query(request, RunsQuery)
        if query.list_id is not None:
            # Refuses a list that the caller may not see.
            self._services.lists.get(query.list_id, request.state.caller)
        runs = self._runs.of(request.state.caller, query.list_id)[: query.limit]
        now = self._services.moments.now()
        return self._answer({"runs": [_run_row(run, now) for run in runs], "total": len(runs)})

    async def get_smart_agent_results(self, request: Request) -> Response:
        """Return a run's state and what it has written so far."""
        run = self._runs.get(request.path_params["smart_agent_task_id"], request.state.caller)
        return self._answer(_results(run, self._services.moments.now()))


def _chosen(leads: list[Lead], body: RunSmartAgent) -> tuple[Lead, ...]:
    if body.lead_scope == "all" and len(leads) > APPROVAL_ABOVE:
        raise refused("approval_required", f"This run is over {len(leads)} leads, above {APPROVAL_ABOVE}.")
    # A column that exists is added to: what stands in it is not bought again.
    open_ = [lead for lead in leads if body.overwrite or body.column_name not in lead.agents]
    return tuple(open_ if body.lead_scope == "all" else open_[: body.max_rows])


def _started(run: AgentRun) -> dict[str, object]:
    return {
        "smart_agent_task_id": run.smart_agent_task_id,
        "smart_agent_task_ids": {run.agent_type: run.smart_agent_task_id},
        "status": "pending",
        "list_id": run.list_id,
        "column_name": run.column_name,
        "estimated_cost": purchases.agent_run(run.list_id, run.agent_type, len(run.leads)).cost,
    }


def _results(run: AgentRun, now: float) -> dict[str, object]:
    return {
        "smart_agent_task_id": run.smart_agent_task_id,
        "progress": int(100 * run.share_done(now)),
        "results": [
            {"lead_id": lead.lead_id, "value": value, "error": error}
            for lead, (value, error) in run.results(now)
        ],
        **_counts(run, now),
    }


def _counts(run: AgentRun, now: float) -> dict[str, object]:
    written = [written for _, written in run.results(now)]
    succeeded = sum(one.error is None for one in written)
    # A failed run keeps nothing of what it wrote, so all its leads count as failed.
    has_failed = run.state(now) == "failed"
    return {
        "status": run.state(now),
        "total": len(run.leads),
        "succeeded": succeeded,
        "failed": len(run.leads) if has_failed else len(written) - succeeded,
    }


def _run_row(run: AgentRun, now: float) -> dict[str, object]:
    counts = _counts(run, now)
    return {
        "task_id": run.smart_agent_task_id,
        "list_id": run.list_id,
        "column_name": run.column_name,
        "agent_type": run.agent_type,
        "status": counts["status"],
        "total": counts["total"],
        "processed": int(run.share_done(now) * len(run.leads)),
        "failed": counts["failed"],
        "created_at": run.created_at,
    }
