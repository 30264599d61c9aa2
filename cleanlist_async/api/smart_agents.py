"""``client.smart_agents``: an AI column over a list (docs.cleanlist.ai/mcp-api/smart-agents)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from cleanlist_async import facts
from cleanlist_async.api.models.lead_lists import SmartAgentResults, SmartAgentRuns, StartedSmartAgent
from cleanlist_async.api.models.public import Quote
from cleanlist_async.api.modern import ModernGroup, check_price_is_known, failed_workflow, modern, same_id
from cleanlist_async.api.request_models import (
    NO_QUOTE_YET,
    AgentType,
    LeadScope,
    ListSmartAgents,
    RunSmartAgent,
)
from cleanlist_async.api.workspace import Workspace
from cleanlist_async.http.calls import Call, Charge
from cleanlist_async.types import SmartAgentTaskId

LIST_SMART_AGENTS: Final = modern(
    "list_smart_agents", "GET", "/smart-agents", SmartAgentRuns, max_answer_bytes=facts.MAX_ANSWER_BYTES
)
RUN_SMART_AGENT: Final = modern(
    "run_smart_agent",
    "POST",
    "/smart-agents/run",
    StartedSmartAgent,
    charge=lambda begun: Charge(begun.smart_agent_task_id),
    started=lambda id_: StartedSmartAgent(smart_agent_task_id=SmartAgentTaskId(id_)),
)
GET_SMART_AGENT_RESULTS: Final = modern(
    "get_smart_agent_results",
    "GET",
    "/smart-agents/{smart_agent_task_id}",
    SmartAgentResults,
    max_answer_bytes=facts.MAX_ANSWER_BYTES,
)


class SmartAgents(ModernGroup):
    """Agents that fill a column of a list, at a price per lead."""

    async def list_smart_agents(
        self, *, list_id: str | None = None, limit: int | None = None
    ) -> SmartAgentRuns:
        """Return the latest 1 to 100 runs (20), of one list or of all. Free.

        In these rows the id of a run is called ``task_id``. Needs the scope ``smart_agents:read``.
        """
        return await self._ask(LIST_SMART_AGENTS, ListSmartAgents.checked(list_id=list_id, limit=limit))

    async def run_smart_agent(
        self,
        list_id: str,
        *,
        column_name: str,
        agent_type: AgentType = "custom_ai",
        prompt: str | None = None,
        lead_scope: LeadScope = "subset",
        max_rows: int | None = None,
        overwrite: bool = False,
        quote_id: str | Quote | None = None,
        max_credits: float | None = None,
    ) -> StartedSmartAgent:
        """Start an agent over a list. Spends credits per lead; `wait` takes the ``smart_agent_task_id``.

        ``custom_ai`` needs a `prompt`, the others ignore it. `lead_scope` is ``subset``, with `max_rows` of 1
        to 10,000 leads (100), or ``all``. `column_name` has 1 to 100 characters; a column of that name is
        appended to, unless `overwrite`.

        `quote_id` or `max_credits` is needed: with the latter, the price is requested first, and paid if it
        is at most so many credits. The server prices the whole list, also for a subset. Raises
        ApprovalRequiredError for ``all`` of more than 500 leads, BudgetExceededError,
        InsufficientCreditsError. Needs the scope ``smart_agents:write``.
        """
        check_price_is_known(quote_id, max_credits)
        request = RunSmartAgent.checked(
            list_id=list_id,
            agent_type=agent_type,
            prompt=prompt,
            column_name=column_name,
            lead_scope=lead_scope,
            max_rows=max_rows,
            quote_id=NO_QUOTE_YET,
            overwrite=overwrite,
        )
        rows = (facts.AGENT_ROWS if max_rows is None else max_rows) if lead_scope == "subset" else None
        prices = Workspace(self._session)
        return await self._buy(
            RUN_SMART_AGENT,
            request,
            lambda: prices.credits_estimate(
                "run_smart_agent", list_id=list_id, agent_type=agent_type, row_count=rows
            ),
            quote_id=quote_id,
            max_credits=max_credits,
        )

    async def get_smart_agent_results(self, smart_agent_task_id: SmartAgentTaskId) -> SmartAgentResults:
        """Return the state of a run and its results so far. Free. Needs the scope ``smart_agents:read``."""
        return await self._once(self._question(smart_agent_task_id), smart_agent_task_id)

    async def wait(
        self,
        smart_agent_task_id: SmartAgentTaskId | StartedSmartAgent,
        *,
        timeout_s: float = facts.WAIT_TIMEOUT_S,
        progress: Callable[[SmartAgentResults], None] | None = None,
    ) -> SmartAgentResults:
        """Wait until a run is finished, and return its results. Free.

        `smart_agent_task_id` may also be the answer that started the run. `progress` is called with each
        answer, which has the results so far; an exception from it ends the wait. Raises WorkflowFailedError
        when the run failed, and WaitTimeoutError after `timeout_s` seconds: it can be waited for again.
        """
        if isinstance(smart_agent_task_id, StartedSmartAgent):
            smart_agent_task_id = smart_agent_task_id.smart_agent_task_id
        question = self._question(smart_agent_task_id)
        results = await self._finished(question, smart_agent_task_id, timeout_s, progress)
        if results.ended_badly:  # the API does not say what a failed run cost
            raise failed_workflow(smart_agent_task_id, results.status, results.message, billed="unknown")
        return results

    def _question(self, id_: str) -> Call[SmartAgentResults]:
        def belongs(results: SmartAgentResults) -> bool:
            return same_id(results.smart_agent_task_id, id_)

        return replace(self._call(GET_SMART_AGENT_RESULTS, smart_agent_task_id=id_), belongs=belongs)
