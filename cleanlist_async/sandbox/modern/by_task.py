"""Enrichment of a cohort's entities: people in a workflow, companies at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

from pydantic import Field

from . import purchases
from .bodies import RequestModel
from .entities import enrich_member, person_of
from .refusals import refused

if TYPE_CHECKING:
    from cleanlist_async.sandbox.auth import Caller

    from .cohorts import EntityKind
    from .purchases import Purchase
    from .services import Services

DEFAULT_LIST: Final = "MCP Results"
"""Where people go if no list is given."""
NOT_FOUND: Final = "No data found."
DATA_POINTS: Final = {"person": purchases.PERSON_DATA_POINTS, "company": purchases.COMPANY_DATA_POINTS}


class TaskRequest(RequestModel):
    """``EnrichByTaskRequest``."""

    task_id: str
    data_points: Annotated[list[str], Field(min_length=1)]
    entity_ids: list[str] | None = None
    lead_list_id: str | None = None
    quote_id: str | None = None


class Selection(NamedTuple):
    """What a call is about, and buys."""

    kind: EntityKind
    members: list[str]
    purchase: Purchase


class ByTask:
    """What ``enrich_by_task`` and its estimate share."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def select(
        self, task_id: str, data_points: Collection[str], entity_ids: Sequence[str] | None
    ) -> Selection:
        """Return what a call is about, and buys.

        Raises RefusedError 404 task_not_found; 400 validation_error for a data point that the cohort's
        kind lacks, and for entities that are not in the cohort.
        """
        cohort = self._services.cohorts.get(task_id)
        if not data_points or not DATA_POINTS[cohort.kind].issuperset(data_points):
            known = ", ".join(sorted(DATA_POINTS[cohort.kind]))
            raise refused("validation_error", f"The data points of a {cohort.kind} are {known}.")
        # An id that is named twice is bought once.
        members = list(dict.fromkeys(cohort.entity_ids if entity_ids is None else entity_ids))
        if not members or not set(members) <= set(cohort.entity_ids):
            raise refused("validation_error", "entity_ids is not a part of the cohort.")
        # The ids as they were asked for: a quote without ids does not cover a call with them.
        purchase = purchases.cohort_entities(cohort.kind, task_id, data_points, entity_ids, len(members))
        return Selection(cohort.kind, members, purchase)

    def enrich(self, caller: Caller, asked: TaskRequest) -> dict[str, object]:
        """Return the ``EnrichByTaskResponse``.

        Raises RefusedError for the cohort, its data points, the list, the quote or too few credits.
        """
        selection = self.select(asked.task_id, asked.data_points, asked.entity_ids)
        enrich = self._people if selection.kind == "person" else self._companies
        about = {"entity_kind": selection.kind, "total_entities": len(selection.members)}
        return about | enrich(caller, asked, selection)

    def _people(self, caller: Caller, asked: TaskRequest, selection: Selection) -> dict[str, object]:
        services, seed = self._services, self._services.options.seed
        people = [person_of(member, services.lists, seed) for member in selection.members]
        run = services.runs.start(
            caller,
            selection.purchase,
            [person for person in people if person],
            purchases.type_of_data_points(asked.data_points),
            self._list_id(caller, asked.lead_list_id),
            quote_id=asked.quote_id,
            needs_quote=True,
        )
        services.cohorts.bind_workflow(asked.task_id, run.workflow_id)
        return {
            "workflow_id": run.workflow_id,
            "status": "pending",
            "credits_reserved": run.reservation.amount,
            "results": [{"entity_id": member, "status": "queued"} for member in selection.members],
        }

    def _companies(self, caller: Caller, asked: TaskRequest, selection: Selection) -> dict[str, object]:
        purchase = selection.purchase
        reservation = self._services.funds.hold(caller, purchase, asked.quote_id, needs_quote=True)
        results = [self._company(member) for member in selection.members]
        enriched = sum(row["status"] == "enriched" for row in results)
        reservation.settle(purchases.credits_for_companies(enriched))
        return {
            "workflow_id": None,
            "status": "completed",
            # Companies are done at once, so what was held is already settled.
            "credits_reserved": reservation.charged,
            "results": results,
        }

    def _company(self, company_id: str) -> dict[str, object]:
        company = enrich_member(self._services.options, company_id)
        if company is None:
            return {"entity_id": company_id, "status": "failed", "error": NOT_FOUND}
        return {"entity_id": company_id, "status": "enriched", "company": company.record()}

    def _list_id(self, caller: Caller, lead_list_id: str | None) -> str:
        lists = self._services.lists
        if lead_list_id is not None:
            return lists.get(lead_list_id, caller).list_id
        # The same list each time: a name belongs to one list of a caller.
        default, _ = lists.create(DEFAULT_LIST, None, None, caller.user_id)
        return default.list_id
