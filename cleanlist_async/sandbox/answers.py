"""Bodies of the successful answers, in the shape asked for.

The webhook is documented (docs.cleanlist.ai/api-reference/webhooks); the status answer is not, and is
given the webhook's fields, since the webhook's ``results_endpoint`` points to it.
"""

from __future__ import annotations

from typing import Final

from .ledger import PUBLIC_PREFIX
from .options import Shape
from .people import Expected
from .responses import encode
from .workflows import Task, Workflow

RESULTS_LIMIT: Final = 250
NOTHING_FOUND: Final = "No data found"


def submitted(workflow: Workflow, shape: Shape) -> dict[str, object]:
    """Return the answer to a submit."""
    task_ids = [task.task_id for task in workflow.tasks]
    return {
        "workflow_id": workflow.workflow_id,
        "status": "processing",
        "message": "Bulk enrichment started",
        # One id too few: a client that joins by position would give results to the wrong contacts.
        "task_ids": task_ids[:-1] if shape.id_count_off else task_ids,
        "total_contacts": workflow.total_contacts,
    }


def workflow_answer(workflow: Workflow, shape: Shape, now: float) -> bytes:
    """Return the encoded status of a workflow; encoded once for as long as it does not change."""
    if workflow.state(now) == "processing":
        return encode(_workflow_status(workflow, shape, now))
    # Rows that finish late change the answer of a workflow that is already completed.
    finished = workflow.finished
    if workflow.answer is None or workflow.answer[0] != finished:
        workflow.answer = (finished, encode(_workflow_status(workflow, shape, now)))
    return workflow.answer[1]


def task_answer(workflow: Workflow, task: Task, shape: Shape, now: float) -> dict[str, object]:
    """Return the status of one contact."""
    return {"workflow_id": workflow.workflow_id, **_row(workflow, task, shape, now)}


def webhook_payload(workflow: Workflow, shape: Shape, lead_list_id: str, now: float) -> bytes:
    """Return what is pushed when a workflow is done."""
    status = workflow.state(now)
    payload = {
        # The only event that is documented, so a failed workflow has it too.
        "event": "enrichment.completed",
        "workflow_id": workflow.workflow_id,
        "lead_list_id": lead_list_id,
        "enrichment_type": workflow.enrichment_type,
        "status": shape.status_words.get(status, status),
        "summary": _summary(workflow, now),
        **_results(workflow, shape, now),
        "results_endpoint": f"{PUBLIC_PREFIX}/enrich/status?workflow_id={workflow.workflow_id}",
        "completed_at": f"{workflow.completed_at_utc:%Y-%m-%dT%H:%M:%SZ}",
    }
    return encode(payload)


def _workflow_status(workflow: Workflow, shape: Shape, now: float) -> dict[str, object]:
    status = workflow.state(now)
    body: dict[str, object] = {
        "workflow_id": workflow.workflow_id,
        "status": shape.status_words.get(status, status),
        "enrichment_type": workflow.enrichment_type,
        "total_contacts": workflow.total_contacts,
        "summary": _summary(workflow, now),
    }
    return body if shape.no_rows else body | _results(workflow, shape, now)


def _summary(workflow: Workflow, now: float) -> dict[str, int]:
    outcomes = [task.outcome for task in workflow.tasks if task.outcome]
    successful = sum(outcome.successful for outcome in outcomes)
    # No row of a failed workflow has an outcome, so they are not counted by theirs.
    failed = len(workflow.tasks) if workflow.state(now) == "failed" else len(outcomes) - successful
    return {
        "total": len(workflow.tasks),
        "successful": successful,
        "failed": failed,
        "emails_found": sum(outcome.email is not None for outcome in outcomes),
        "phones_found": sum(len(outcome.phones) for outcome in outcomes),
    }


def _results(workflow: Workflow, shape: Shape, now: float) -> dict[str, object]:
    has_rows = workflow.state(now) == "completed"
    tasks = [task for task in workflow.rows if not task.omitted] if has_rows else []
    shown = tasks[: shape.page]
    return {
        shape.results_key: [_row(workflow, task, shape, now) for task in shown],
        "results_limit": shape.page or RESULTS_LIMIT,
        # A count of the rows that are left out, not a flag.
        "results_truncated": len(tasks) - len(shown),
    }


def _row(workflow: Workflow, task: Task, shape: Shape, now: float) -> dict[str, object]:
    outcome = task.outcome
    if outcome is None:
        failed = workflow.state(now) == "failed"
        return {"task_id": task.task_id, "status": "failed" if failed else "processing"}
    word = shape.row_success_word if outcome.successful else shape.row_miss_word
    row: dict[str, object] = {"task_id": task.task_id, "status": word}
    # The documentation shows flat rows; users of the API report nested ones.
    row |= _flat(outcome) if shape.row == "flat" else _nested(task, outcome, shape)
    return row | _identity(task, outcome, shape)


def _flat(outcome: Expected) -> dict[str, object]:
    return {
        "primary_email": outcome.email,
        "primary_email_status": outcome.email_status,
        "other_emails": [],
        "personal_phone_numbers": outcome.phones,
    }


def _nested(task: Task, outcome: Expected, shape: Shape) -> dict[str, object]:
    result: dict[str, object] = {
        "email": outcome.email,
        "email_status": outcome.email_status,
        "other_emails": [],
        "phones": outcome.phones,
        "provider": "sandbox",
    }
    if shape.carry_linkedin:
        result["linkedin_url"] = outcome.person.linkedin_url
    row: dict[str, object] = {
        "prospect_id": f"prospect_{task.task_id}",
        "lead_id": f"lead_{task.task_id}",
        "result": result if outcome.successful else None,
    }
    if shape.echo_input:
        row["input"] = task.contact
    if not outcome.successful:
        row["error"] = NOTHING_FOUND
    return row


def _identity(task: Task, outcome: Expected, shape: Shape) -> dict[str, object]:
    # The server knows no more of a contact that it did not find than what was sent.
    known = outcome.person._asdict() if outcome.successful else task.contact
    prospect: dict[str, object] = {}
    if shape.carry_names:
        first, last = known.get("first_name"), known.get("last_name")
        full = f"{first} {last}" if first and last else None
        prospect = {"first_name": first, "last_name": last, "full_name": full}
    if shape.carry_linkedin and shape.row == "flat":
        prospect["linkedin_url"] = known.get("linkedin_url")
    blocks: dict[str, object] = {"prospect": prospect} if prospect else {}
    if shape.carry_names:
        blocks["company"] = {"name": known.get("company_name"), "domain": known.get("company_domain")}
    return blocks
