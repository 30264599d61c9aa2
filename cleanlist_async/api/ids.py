"""The ids of the API, each with a type of its own: four of them are called ``task_id`` somewhere."""

from __future__ import annotations

from typing import NewType

WorkflowId = NewType("WorkflowId", str)
"""One run of an enrichment (``public_bulk_...``, ``enrich-...``, ``bulk-enrich-...``)."""

ContactTaskId = NewType("ContactTaskId", str)
"""``task_id`` of the Public API: one contact of a bulk submit."""

CohortId = NewType("CohortId", str)
"""``task_id`` beside most modern answers (``cl-task_...``): a handle on the entities just listed, for
`enrich_by_task` and `add_leads_to_list`. It expires; the same search or page gives a new one."""

SmartAgentTaskId = NewType("SmartAgentTaskId", str)
"""``smart_agent_task_id`` of a run, called ``task_id`` in the list of runs."""

EnvelopeTaskId = NewType("EnvelopeTaskId", str)
"""``task_id`` beside the answer of `run_smart_agent`: kept by the API for old callers; no call takes it."""
