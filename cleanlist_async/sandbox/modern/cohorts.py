"""Cohorts: the ids of a search or of a page of leads, behind a handle that expires.

docs.cleanlist.ai/mcp-api/introduction names the handle ``task_id``; how long it lives is not published.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from cleanlist_async.sandbox.identity import seeded_uuid

from .refusals import refused

if TYPE_CHECKING:
    from .moments import Moments

EntityKind: TypeAlias = Literal["person", "company"]

COHORT_TTL_S: Final = 3600.0


@dataclass(slots=True)
class Cohort:
    """People or companies that can be enriched or added to a list together."""

    task_id: str
    kind: EntityKind
    entity_ids: tuple[str, ...]
    """Lead ids of a list's page, or numbers of the search database as text."""
    list_id: str | None
    expires_at: float
    """Seconds on the sandbox's clock."""
    workflow_id: str | None = None
    """The run that was dispatched from it last."""


class Cohorts:
    """Every cohort there is."""

    def __init__(self, seed: int, moments: Moments) -> None:
        self._seed = seed
        self._moments = moments
        self._cohorts: dict[str, Cohort] = {}

    def new(self, kind: EntityKind, entity_ids: Iterable[str], list_id: str | None = None) -> str:
        """Return the handle of a new cohort."""
        task_id = f"cl-task_{seeded_uuid(self._seed, 'cohort', len(self._cohorts))}"
        expires_at = self._moments.now() + COHORT_TTL_S
        self._cohorts[task_id] = Cohort(task_id, kind, tuple(entity_ids), list_id, expires_at)
        return task_id

    def get(self, task_id: str) -> Cohort:
        """Return a cohort. Raises RefusedError 404 task_not_found for an unknown or expired one."""
        cohort = self._cohorts.get(task_id)
        if cohort is None or self._moments.now() >= cohort.expires_at:
            raise refused("task_not_found")
        return cohort

    def bind_workflow(self, task_id: str, workflow_id: str) -> None:
        """Record which run a cohort was dispatched in. Raises RefusedError 404 task_not_found."""
        self.get(task_id).workflow_id = workflow_id

    def workflow_of(self, task_id: str) -> str | None:
        """Return the run that a cohort was dispatched in; None for none yet.

        Raises RefusedError 404 task_not_found for an unknown or expired cohort.
        """
        return self.get(task_id).workflow_id
