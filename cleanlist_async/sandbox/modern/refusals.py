"""The errors of the modern surface, by code (docs.cleanlist.ai/mcp-api/errors)."""

from __future__ import annotations

from typing import Final, NamedTuple

from cleanlist_async.sandbox.refusals import RefusedError


class Documented(NamedTuple):
    """The status and texts that belong to a code."""

    status: int
    problem: str
    fix: str | None = None
    retryable: bool = False


CODES: Final[dict[str, Documented]] = {
    "validation_error": Documented(400, "The request is not valid."),
    "insufficient_credits": Documented(400, "Not enough credits.", "Top up, or ask for less."),
    "spend_cap_exceeded": Documented(
        400, "This call costs more than its quote allows.", "Estimate again and use the new quote."
    ),
    "approval_required": Documented(400, "This run is too large to start unasked.", "Run a subset."),
    "quote_required": Documented(400, "This call needs a quote.", "POST /credits/estimate first."),
    "quote_invalid": Documented(400, "The quote is not one of ours.", "Estimate again."),
    "quote_expired": Documented(400, "The quote has expired.", "Estimate again."),
    "quote_mismatch": Documented(400, "The quote is for another call.", "Estimate exactly this call."),
    "quote_already_redeemed": Documented(400, "The quote was used before.", "Estimate again."),
    "invalid_cursor": Documented(400, "The cursor is not valid.", "Start again without a cursor."),
    "missing_column": Documented(400, "A mapped column is not in the file.", "Correct the column mapping."),
    "insufficient_scope": Documented(403, "The key lacks a scope.", "Use a key that has it."),
    "list_protected": Documented(403, "The list is protected."),
    "not_found": Documented(404, "Not found."),
    "list_not_found": Documented(404, "There is no such list."),
    "task_not_found": Documented(404, "There is no such task, or it has expired.", "Search again."),
    "folder_not_found": Documented(404, "There is no such folder."),
    "payload_too_large": Documented(413, "The file is too large.", "Split it."),
    "not_enabled": Documented(503, "This operation is switched off.", "Ask support."),
}


def refused(code: str, problem: str | None = None, **extra: object) -> RefusedError:
    """Return the refusal of a documented code; ``extra`` goes beside ``code`` into the ``error`` object."""
    documented = CODES[code]
    said: dict[str, object] = {"fix": documented.fix, "retryable": documented.retryable}
    return RefusedError(documented.status, problem or documented.problem, code=code, extra=said | extra)
