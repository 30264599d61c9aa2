"""The answer of ``GET /enrichment/status/{id}`` (docs.cleanlist.ai/mcp-api/polling)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cleanlist_async.sandbox.options import Shape

    from .runs import Run

REVIEW_MESSAGE: Final = "This run failed after it was paid for. A refund is being reviewed."


def status_body(handle: str, run: Run, shape: Shape, now: float) -> dict[str, object]:
    """Return how far a run is, under the handle that was polled.

    A bulk run gives counters only: its rows are in the list.
    """
    state = run.state(now)
    body: dict[str, object] = {
        "workflow_id": handle,
        "status": shape.status_words.get(state, state),
        "total": len(run.leads),
        "enrichment_type": run.enrichment_type,
        "lead_list_id": run.list_id,
    }
    return body | (_outcome(run, state) if run.share_done(now) >= 1 else _progress(run, now))


def _progress(run: Run, now: float) -> dict[str, object]:
    share = run.share_done(now)
    return {
        # Rounded down: 100 is for finished runs only.
        "progress": int(100 * share),
        "processed": int(len(run.leads) * share),
        "summary": None,
        "refund_status": None,
        "result": None,
        "credits_charged": None,
        "credits_refunded": None,
    }


def _outcome(run: Run, state: str) -> dict[str, object]:
    found = [finding for finding in run.findings if finding.successful]
    # A prepaid run keeps its charge until a person has reviewed the refund.
    in_review = state == "failed" and bool(run.reservation.charged)
    return {
        "progress": 100,
        "processed": len(run.leads),
        "completed": len(found),
        "failed": len(run.leads) - len(found),
        "summary": {
            "emails_found": sum(finding.email is not None for finding in found),
            "phones_found": sum(finding.phone is not None for finding in found),
        },
        "refund_status": "pending_review" if in_review else "not_applicable",
        "refund_message": REVIEW_MESSAGE if in_review else None,
        "result": _result(run),
        "credits_charged": run.reservation.charged,
        "credits_refunded": run.reservation.refunded,
    }


def _result(run: Run) -> dict[str, object] | None:
    if not run.single:
        return None
    if not run.findings:
        return {"lead_id": "", "status": "failed"}
    return run.findings[0].result(run.enrichment_type)
