"""Smart agents: run, list, read results (docs.cleanlist.ai/mcp-api/smart-agents)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal, NamedTuple, TypeAlias

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from cleanlist_async.sandbox.gate import Caller
from cleanlist_async.sandbox.options import drawn, seeded, seeded_uuid
from cleanlist_async.sandbox.responses import refused

from . import purchases
from .operations import Group, RequestModel, Services, operation, read_body, read_query
from .purchases import Reservation
from .runs import Lasting
from .store import Lead

AgentType: TypeAlias = Literal[
    "custom_ai", "cold_intro_email", "title_normalizer", "company_intel", "pain_point_hypothesis"
]

APPROVAL_ABOVE: Final = 500
"""Leads of an ``all`` run beyond which it needs an approval that no request can give."""
WORKS_ON: Final[dict[AgentType, tuple[str, ...]]] = {
    "custom_ai": ("full_name", "email", "linkedin_url"),
    "cold_intro_email": ("first_name", "full_name"),
    "title_normalizer": ("title",),
    "company_intel": ("company", "domain"),
    "pain_point_hypothesis": ("company", "domain"),
}
"""What each agent needs of a lead: one of these."""


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


class Written(NamedTuple):
    """The result for one lead: a value (any JSON), or the reason why there is none."""

    value: object = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class AgentRun(Lasting):
    """One run: its results grow while it lasts, and are in the list when it is done."""

    at_work: ClassVar = "processing"

    smart_agent_task_id: str
    legacy_task_id: str
    """The envelope's ``task_id`` of the run's answer, kept for old callers: not the id to poll."""
    owner: str
    asked: RunSmartAgent
    leads: tuple[Lead, ...]
    reservation: Reservation
    created_at: str
    starts_at: float
    completes_at: float
    will_fail: bool

    def results(self, now: float) -> list[tuple[Lead, Written]]:
        """Return what has been written so far; nothing that a failed run wrote is kept."""
        if self.state(now) == "failed":
            return []
        # Results grow while the run lasts, so a client meets partial ones.
        return [(lead, write(self.asked, lead)) for lead in self.leads[: self.processed(now)]]

    def processed(self, now: float) -> int:
        """Return the number of leads that are done."""
        return int(self.share_done(now) * len(self.leads))


class SmartAgentOperations(Group):
    """The operations on smart agents."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._random = seeded(services.options.seed, "agent workflow_s")
        self._runs: dict[str, AgentRun] = {}

    @operation("POST", "/smart-agents/run", "smart_agents:write")
    async def run_smart_agent(self, request: Request) -> Response:
        """Start a run over leads of a list; its three ids are all different things."""
        caller: Caller = request.state.caller
        asked = await read_body(request, RunSmartAgent)
        self._services.lists.get(asked.list_id, caller)
        # The other agents ignore the prompt.
        if asked.agent_type == "custom_ai" and not (asked.prompt or "").strip():
            raise refused("validation_error", "custom_ai needs a prompt.")
        run = self._start(caller, asked, _chosen(self._services.lists.leads(asked.list_id), asked))
        body = {
            "smart_agent_task_id": run.smart_agent_task_id,
            "smart_agent_task_ids": {asked.agent_type: run.smart_agent_task_id},
            "status": "pending",
            "list_id": asked.list_id,
            "column_name": asked.column_name,
            "estimated_cost": run.reservation.amount,
        }
        return self._answer(body, task_id=run.legacy_task_id)

    @operation("GET", "/smart-agents", "smart_agents:read")
    async def list_smart_agents(self, request: Request) -> Response:
        """Return the caller's newest runs; ``total`` is the number returned."""
        caller: Caller = request.state.caller
        query = read_query(request, RunsQuery)
        if query.list_id is not None:
            # Refuses a list that the caller may not see.
            self._services.lists.get(query.list_id, caller)
        runs = [
            run
            for run in reversed(self._runs.values())
            if run.owner == caller.user_id and query.list_id in {None, run.asked.list_id}
        ]
        now = self._services.moments.now()
        rows = [_run_row(run, now) for run in runs[: query.limit]]
        return self._answer({"runs": rows, "total": len(rows)})

    @operation("GET", "/smart-agents/{smart_agent_task_id}", "smart_agents:read")
    async def get_smart_agent_results(self, request: Request) -> Response:
        """Return a run's state and what it has written so far."""
        run = self._runs.get(request.path_params["smart_agent_task_id"])
        # 404 for another user's run too: the API does not show that it exists.
        if run is None or run.owner != request.state.caller.user_id:
            raise refused("task_not_found")
        now = self._services.moments.now()
        body: dict[str, object] = {
            "smart_agent_task_id": run.smart_agent_task_id,
            "progress": int(100 * run.share_done(now)),
            "results": [
                {"lead_id": lead.lead_id, "value": value, "error": error}
                for lead, (value, error) in run.results(now)
            ],
        }
        return self._answer(body | _counts(run, now))

    def _start(self, caller: Caller, asked: RunSmartAgent, leads: tuple[Lead, ...]) -> AgentRun:
        """Redeem the quote, hold the credits and start. Raises RefusedError for either."""
        services, number = self._services, len(self._runs)
        purchase = purchases.agent_run(asked.list_id, asked.agent_type, len(leads))
        reservation = services.funds.hold(caller, purchase, asked.quote_id, needs_quote=True)
        now, seed = services.moments.now(), services.options.seed
        run = AgentRun(
            # Numbered, so that the same calls get the same ids in every run of a test.
            smart_agent_task_id=seeded_uuid(seed, "smart agent", number),
            legacy_task_id=seeded_uuid(seed, "agent dispatch", number),
            owner=caller.user_id,
            asked=asked,
            leads=leads,
            reservation=reservation,
            created_at=services.moments.iso(),
            starts_at=now,
            completes_at=now + drawn(services.options.workflow_s, self._random),
            will_fail=seeded(seed, f"agent run {number}").random() < services.options.shape.failed_workflows,
        )
        self._runs[run.smart_agent_task_id] = run
        services.agenda.at(run.completes_at, lambda: _finish(run))
        return run


def write(asked: RunSmartAgent, lead: Lead) -> Written:
    """Return what an agent makes of a lead: decided by the lead alone."""
    works_on = WORKS_ON[asked.agent_type]
    if not any(getattr(lead, name) for name in works_on):
        return Written(error=f"The lead has no {works_on[0].replace('_', ' ')}.")
    return Written(_value(asked, lead))


def _value(asked: RunSmartAgent, lead: Lead) -> object:
    # Text, an object and a list: a value can be any JSON.
    match asked.agent_type:
        case "custom_ai":
            return f"{asked.prompt} [{lead.full_name or lead.email or lead.linkedin_url}]"
        case "cold_intro_email":
            return f"Hi {lead.first_name or 'there'}, what {lead.company or 'your team'} does caught my eye."
        case "title_normalizer":
            return (lead.title or "").replace("VP ", "Vice President ").replace("Head of", "Director of")
        case "company_intel":
            return {"company": lead.company, "domain": lead.domain, "signals": ["hiring", "funding"]}
        case "pain_point_hypothesis":
            return [f"{lead.company or lead.domain} keeps the same data in several places."]


def _finish(run: AgentRun) -> None:
    written = [(lead, one.value) for lead, one in run.results(run.completes_at) if one.error is None]
    # Only now: while the run lasts its values are in its results, not in the list.
    for lead, value in written:
        lead.agents[run.asked.column_name] = value
    # Leads without a value cost nothing; the rest of what was held is given back.
    asked = run.asked
    run.reservation.settle(purchases.agent_run(asked.list_id, asked.agent_type, len(written)).cost)


def _chosen(leads: list[Lead], asked: RunSmartAgent) -> tuple[Lead, ...]:
    if asked.lead_scope == "all" and len(leads) > APPROVAL_ABOVE:
        raise refused("approval_required", f"This run is over {len(leads)} leads, above {APPROVAL_ABOVE}.")
    # A column that exists is added to: what stands in it is not bought again.
    open_ = [lead for lead in leads if asked.overwrite or asked.column_name not in lead.agents]
    return tuple(open_ if asked.lead_scope == "all" else open_[: asked.max_rows])


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
        "list_id": run.asked.list_id,
        "column_name": run.asked.column_name,
        "agent_type": run.asked.agent_type,
        "status": counts["status"],
        "total": counts["total"],
        "processed": run.processed(now),
        "failed": counts["failed"],
        "created_at": run.created_at,
    }
