"""Every number of the API and of our own policy, with its unit and its source.

``PUBLIC`` is docs.cleanlist.ai/api-reference (the Public API), ``MCP`` docs.cleanlist.ai/mcp-api.
Where a number is our own choice, the reason stands beside it.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

DEFAULT_BASE_URL: Final = "https://api.cleanlist.ai"
PUBLIC_PREFIX: Final = "/api/v1/public"

API_KEY_VARIABLE: Final = "CLEANLIST_API_KEY"
BASE_URL_VARIABLE: Final = "CLEANLIST_BASE_URL"

# -- requests (PUBLIC/errors) --------------------------------------------------------------------

MAX_CONTACTS_PER_REQUEST: Final = 250
MAX_REQUEST_BYTES: Final = 1_000_000
"""Bytes of one bulk request. The server's limit is not published; common gateways stop at 1 MiB."""

MAX_SUBMIT_ANSWER_BYTES: Final = 8 * 1024 * 1024
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""Bytes of one answer that we are ready to hold (250 rows take about 130 kB)."""

MAX_IN_FLIGHT: Final = 16
"""Requests on the wire at once. httpx scans its whole pool for each request; 16 keeps that free."""

# -- rate limits (MCP/errors, "Rate limits") -----------------------------------------------------

ORGANIZATION_LIMIT: Final = 60
KEY_LIMIT: Final = 30
WINDOW_S: Final = 60.0

MARGIN_S: Final = 0.05
"""Seconds added to each window, for clocks that drift (covers 830 ppm over a minute)."""
GRACE_S: Final = 5.0
"""Seconds added when an attempt ended without an answer: it may still be on its way to the server."""

LONGEST_INTERACTIVE_PAUSE_S: Final = 120.0
"""An interactive call asked to wait longer than this raises instead, and says when to come back."""
SMOOTH_AFTER_429_S: Final = 600.0
"""Seconds of even pacing after a 429 that the window did not expect: someone else shares the limit."""
SHRINK_FACTOR: Final = 0.7
SMALLEST_LIMIT: Final = 3
TOKENS_KEPT_FROM_STATUS: Final = 3
"""Key tokens that status requests leave alone while submits wait."""

# -- credits (PUBLIC/enrichment-types, PUBLIC/credits) -------------------------------------------

EnrichmentType = Literal["none", "partial", "phone_only", "full", "prospecting_only"]
ENRICHMENT_TYPES: Final[tuple[EnrichmentType, ...]] = get_args(EnrichmentType)

EMAIL_CREDITS: Final = 1
PHONE_CREDITS: Final = 10
FULL_CREDITS: Final = 11
"""A full result. A full enrichment that found only one half has no documented price: we hold 11."""

WORST_CASE_CREDITS: Final[dict[EnrichmentType, int]] = {
    "none": 0,
    "partial": EMAIL_CREDITS,
    "phone_only": PHONE_CREDITS,
    "full": FULL_CREDITS,
}
"""Credits one contact can cost at most. ``prospecting_only`` is missing: it costs one credit for each
contact that it *discovers*, which nothing bounds."""

# -- retries (the numbers of the AWS SDKs' standard mode, which have stood the test) --------------

MAX_RETRIES: Final = 4
FIRST_BACKOFF_S: Final = 0.5
LONGEST_BACKOFF_S: Final = 20.0
RETRY_QUOTA: Final = 500
RETRY_COST: Final = 5
LEGACY_429_BACKOFF_S: Final = 2.0
"""Seconds after a 429 that names none (the default of the sample code of MCP/errors), doubled each time
as PUBLIC/errors recommends."""
LONGEST_429_BACKOFF_S: Final = 64.0

# -- workflows -------------------------------------------------------------------------------------

FINAL_STATUSES: Final = frozenset(
    {"completed", "failed", "cancelled", "canceled", "terminated", "timed_out", "success", "error"}
)
"""Status words after which a workflow no longer changes. The full set is not documented: anything
beginning ``completed_`` is final too, every other word means "keep asking"."""
FAILED_STATUSES: Final = frozenset({"failed", "cancelled", "canceled", "terminated", "timed_out", "error"})

MAX_OPEN_WORKFLOWS: Final = 512
"""Workflows a bulk run keeps open at once: at 30 requests a minute, 17 minutes of submits."""

NEW_WORKFLOW_GRACE_S: Final = 600.0
"""Seconds during which a 404 on a workflow we submitted is a replica that lags, not the truth."""
