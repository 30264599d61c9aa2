"""Runs of smart agents: their results grow while they run, and are in the list when they are done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cleanlist_async.sandbox.identity import seeded_uuid
from cleanlist_async.sandbox.options import drawn, seeded

from . import purchases
from .agents import AgentType, Written, write
from .refusals import refused
from .runs import Lasting

if TYPE_CHECKING:
    from cleanlist_async.sandbox.auth import Caller

    from .reservations import Reservation
    from .services import Services
    from .store import Lead


@dataclass(frozen=True, slots=True)
class AgentRun(Lasting):
    """One run. Times are seconds on the sandbox's clock."""

    at_work: ClassVar = "processing"

    smart_agent_task_id: str
    legacy_task_id: str
    """The envelope's ``task_id`` of the run's answer, kept for old callers: not the id to poll."""
    owner: str
    list_id: str
    column_name: str
    agent_type: AgentType
    prompt: str | None
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
        processed = int(self.share_done(now) * len(self.leads))
        return [(lead, write(self.agent_type, self.prompt, lead)) for lead in self.leads[:processed]]


class AgentRuns:
    """Every run there is."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._random = seeded(services.options.seed, "agent workflow_s")
        self._runs: dict[str, AgentRun] = {}

    def start(
        self,
        caller: Caller,
        list_id: str,
        leads: tuple[Lead, ...],
        *,
        column_name: str,
        agent_type: AgentType,
        prompt: str | None,
        quote_id: str,
    ) -> AgentRun:
        """Redeem the quote, hold the credits and start. Raises RefusedError for either."""
        services, number = self._services, len(self._runs)
        purchase = purchases.agent_run(list_id, agent_type, len(leads))
        reservation = services.funds.hold(caller, purchase, quote_id, needs_quote=True)
        now, seed = services.moments.now(), services.options.seed
        run = AgentRun(
            # Numbered, so that the same calls get the same ids in every run of a test.
            smart_agent_task_id=seeded_uuid(seed, "smart agent", number),
            legacy_task_id=seeded_uuid(seed, "agent dispatch", number),
            owner=caller.user_id,
            list_id=list_id,
            column_name=column_name,
            agent_type=agent_type,
            prompt=prompt,
            leads=leads,
            reservation=reservation,
            created_at=services.moments.iso(),
            starts_at=now,
            completes_at=now + drawn(services.options.workflow_s, self._random),
            will_fail=seeded(seed, f"agent run {number}").random() < services.options.shape.failed_workflows,
        )
        self._runs[run.smart_agent_task_id] = run
        services.agenda.at(run.completes_at, lambda: self._finish(run))
        return run

    def get(self, smart_agent_task_id: str, caller: Caller) -> AgentRun:
        """Return a run. Raises RefusedError 404 task_not_found, also for another user's."""
        run = self._runs.get(smart_agent_task_id)
        # 404 for another user's run too: the API does not show that it exists.
        if run is None or run.owner != caller.user_id:
            raise refused("task_not_found")
        return run

    def of(self, caller: Caller, list_id: str | None) -> list[AgentRun]:
        """Return a caller's runs, of one list or of all, the newest first."""
        mine = [run for run in self._runs.values() if run.owner == caller.user_id]
        return [run for run in reversed(mine) if list_id in {None, run.list_id}]

    def _finish(self, run: AgentRun) -> None:
        written = [
            (lead, written) for lead, written in run.results(run.completes_at) if written.error is None
        ]
        # Only now: while the run lasts its values are in its results, not in the list.
        for lead, (value, _) in written:
            lead.agents[run.column_name] = value
        # Leads without a value cost nothing; the rest of what was held is given back.
        run.reservation.settle(purchases.agent_run(run.list_id, run.agent_type, len(written)).cost)
