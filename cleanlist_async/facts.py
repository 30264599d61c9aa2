"""Every number of the API, with its unit and source, and of our own policy, with its reason.

``PUBLIC`` is docs.cleanlist.ai/api-reference (the Public API), ``MCP`` docs.cleanlist.ai/mcp-api.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

DEFAULT_BASE_URL: Final = "https://api.cleanlist.ai"
PUBLIC_PREFIX: Final = "/api/v1/public"

ApiVersion = Literal["v2", "v1"]
MODERN_PREFIXES: Final[dict[ApiVersion, str]] = {"v2": "/api/v2", "v1": PUBLIC_PREFIX}
"""The same handlers answer under both (MCP/versioning)."""

API_KEY_VARIABLE: Final = "CLEANLIST_API_KEY"
API_KEY_FILE_VARIABLE: Final = "CLEANLIST_API_KEY_FILE"
MAX_KEY_FILE_BYTES: Final = 64 * 1024
"""Ten times a hundred keys: anything larger is another file."""
BASE_URL_VARIABLE: Final = "CLEANLIST_BASE_URL"
STORE_VARIABLE: Final = "CLEANLIST_STORE"

# -- requests (PUBLIC/errors) --------------------------------------------------------------------

MAX_CONTACTS_PER_REQUEST: Final = 250
MAX_REQUEST_BYTES: Final = 1_000_000
"""Bytes of one bulk request: the server's limit is not published, and gateways stop at 1 MiB."""

# Sizes of answers: our own limits, within 64 MiB of memory and 50 ms of the event loop. 250 rows of a status
# take about 130 kB, 500 leads of a page about 160 kB.
MAX_ERROR_BYTES: Final = 256_000
"""Bytes of an error that are read; then the connection is closed."""
MAX_FIELD_ERRORS: Final = 1_000
MAX_SMALL_ANSWER_BYTES: Final = 256_000
"""Bytes of an answer without a list: a balance, one person or company."""
MAX_SUBMIT_ANSWER_BYTES: Final = 1_000_000
"""Bytes of the answer to a submit, which names 250 tasks: 4 kB for each."""
MAX_STATUS_ROWS: Final = 1_000
"""Rows of one status: four times the contacts of a request."""
MAX_STATUS_BYTES: Final = 4_000_000
"""16 kB for each of the 250 contacts of a request."""
MAX_ANSWER_BYTES: Final = 6_000_000
"""12 kB for each of 500 leads, 600 bytes for each of the 10,000 results of a smart agent."""
MAX_ITEMS: Final = 10_000
"""Items of one list in an answer: the results of a smart agent; nothing has more."""
MAX_ANSWER_VALUES: Final = 120_000
"""JSON values of one answer. Three bytes, as in ``{},``, can take a hundred in memory."""
LARGE_ANSWER_BYTES: Final = 256_000
LARGE_ANSWER_VALUES: Final = 10_000
"""An answer with more bytes, or of models with more JSON values, is read in a worker thread."""

MAX_DOWNLOAD_BYTES: Final = 256 * 1024 * 1024
"""Bytes of an exported file by default: about a million leads in the default columns."""

MAX_WEBHOOK_BYTES: Final = 1024 * 1024
"""Bytes of one webhook: 250 rows of 4 KiB, eight times the documented ones."""
MAX_WEBHOOK_VALUES: Final = 25_000
"""JSON values of one webhook: 250 rows of 100. A million would stop the loop for a second."""
MAX_WEBHOOKS_READ_AT_ONCE: Final = 4
"""Bodies read at once for one address, which gets one event: more come from a sender that guesses."""

MAX_WAITING_EVENTS: Final = 4
"""Events that wait in a mailbox for one recipient, for the same reason."""
MAX_WAITING_BYTES: Final = 2 * MAX_WEBHOOK_BYTES
"""Bytes of these events together: two of the largest, or four of the documented size (130 kB)."""
MAX_MAILBOX_EVENTS: Final = 10_000
"""Events that wait for all recipients: an hour of 60 submits a minute, and as many repeats."""
MAX_MAILBOX_BYTES: Final = 512 * 1024 * 1024
"""Bytes of these events together: an hour of 60 submits a minute, at 130 kB each."""
MAILBOX_KEPT_S: Final = 3_600.0
"""Seconds that an event waits for its recipient, which has asked the server by then."""

MAX_IN_FLIGHT: Final = 16
"""Requests of one operation on the wire at once: httpx scans its whole pool for each."""
LEAST_SUBMITS_IN_FLIGHT: Final = 2
"""Submits that may be in flight however fast they are answered, so that a slow one holds up none."""
BURST_IN_FLIGHT: Final = 4
"""Submits that may be in flight so that a burst is short: an outage leaves as many unknown."""

# -- limits of the modern operations (docs.cleanlist.ai/openapi-public-v2.json) --------------------

MAX_LISTS_PER_PAGE: Final = 100
MAX_LEADS_PER_PAGE: Final = 500
MAX_RUNS_PER_PAGE: Final = 100
MAX_SEARCH_RESULTS_PER_PAGE: Final = 500
SEARCH_RESULTS_PER_PAGE: Final = 25
"""What other programs request; the server's default is not published."""
AGENT_ROWS: Final = 100
"""Leads that a smart agent runs over by default."""
MAX_LIST_NAME_CHARS: Final = 200
MAX_COLUMN_NAME_CHARS: Final = 100
MAX_IDEMPOTENCY_KEY_CHARS: Final = 128
MAX_LEADS_PER_ADD: Final = 1_000
MAX_ENTITIES_PER_ADD: Final = 2_000
MAX_LEADS_PER_REMOVAL: Final = 100
MAX_AGENT_ROWS: Final = 10_000
MAX_USAGE_DAYS: Final = 365

MAX_IMPORT_BYTES: Final = 150_000
"""Bytes of one imported CSV file, before base64: the smaller reading of "150 KB"."""
MAX_IMPORT_ROWS: Final = 600
CsvField = Literal[
    "first_name",
    "last_name",
    "full_name",
    "email",
    "phone",
    "mobile_phone",
    "work_phone",
    "linkedin_url",
    "company_name",
    "company_domain",
    "job_title",
    "city",
    "state",
    "country",
]
CSV_FIELDS: Final[tuple[CsvField, ...]] = get_args(CsvField)
"""What a column of an imported CSV file can mean."""

# -- rate limits (MCP/errors, "Rate limits") -----------------------------------------------------

ORGANIZATION_LIMIT: Final = 60
KEY_LIMIT: Final = 30
WINDOW_S: Final = 60.0

MARGIN_S: Final = 0.05
"""Seconds added to each window, for clocks that drift (covers 830 ppm over a minute)."""
GRACE_S: Final = 5.0
"""Seconds added after an attempt without an answer: it may still be on its way."""

LONGEST_INTERACTIVE_PAUSE_S: Final = 120.0
"""An interactive call that is asked to wait longer raises instead, and says when to come back."""
LONGEST_PAUSE_S: Final = 3_600.0
"""Likewise any other."""
GIVE_UP_AFTER_S: Final = 900.0
"""Seconds without an accepted request, after which bulk stops by default."""
SMOOTH_AFTER_429_S: Final = 600.0
"""Seconds of even spacing after a 429: the server is stricter than published, or others share the limit."""
SMOOTH_SHARE: Final = 29 / 30
"""Share of the limit in use that evenly spaced requests take, to stay below it in any window."""
TRY_AGAIN_AFTER_S: Final = 298.0
"""Seconds after a 429 until the whole limit is tried again, within five minutes."""
TRIAL_WINDOWS: Final = 2.0
"""Windows after which a limit that was tried has held."""
SAME_LIMIT: Final = 0.95
"""A trial that shows the known limit over this share, or less, has shown the same."""
TOKENS_KEPT_FROM_STATUS: Final = 3
"""Key tokens that status requests leave alone while submits wait."""

LEASE_S: Final = 60.0
"""Seconds that a process may hold a shared token without a sync: the longest request."""
LOOK_S: Final = 1.0
"""Seconds between two looks at a shared store, where nothing shows when a token returns."""
LONGEST_FLUSH_S: Final = 2.0
"""Seconds that a process waits at its end for the last report to its shared store."""

# -- credits (PUBLIC/enrichment-types, PUBLIC/credits) -------------------------------------------

EnrichmentType = Literal["none", "partial", "phone_only", "full", "prospecting_only"]
ENRICHMENT_TYPES: Final[tuple[EnrichmentType, ...]] = get_args(EnrichmentType)

PersonType = Literal["partial", "phone_only", "full"]
PERSON_TYPES: Final[tuple[PersonType, ...]] = get_args(PersonType)
"""What the modern operations can enrich a person with (MCP/enrichment-types)."""

EMAIL_CREDITS: Final = 1
PHONE_CREDITS: Final = 10
FULL_CREDITS: Final = 11
"""Price of a full result. If only one half is found, there is no documented price: 11 are reserved."""
COMPANY_CREDITS: Final = 1
ROUNDING_CREDITS: Final = 1e-6
"""Credits by which a sum of prices may be off: 3 x 0.2 is a little more than 0.6."""

WORST_CASE_CREDITS: Final[dict[EnrichmentType, int]] = {
    "none": 0,
    "partial": EMAIL_CREDITS,
    "phone_only": PHONE_CREDITS,
    "full": FULL_CREDITS,
}
"""Credits that one contact can cost at most. ``prospecting_only`` costs one for each contact that it
*discovers*, without a bound."""

ENDPOINTS: Final = (
    "public.bulk_status",
    "public.credits_balance",
    "public.submit_bulk",
    "public.validate_key",
    "public.webhook_deliveries",
    "workspace.credits_balance",
    "workspace.credits_estimate",
    "workspace.list_api_keys",
    "workspace.usage_report",
    "workspace.whoami",
    "lead_lists.add_leads_to_list",
    "lead_lists.create_list",
    "lead_lists.csv_import",
    "lead_lists.delete_list",
    "lead_lists.get_list",
    "lead_lists.list_leads_in_list",
    "lead_lists.list_lists",
    "lead_lists.remove_leads_from_list",
    "lead_lists.update_list",
    "enrichment.enrich_by_task",
    "enrichment.enrich_company",
    "enrichment.enrich_list",
    "enrichment.enrich_person",
    "enrichment.enrichment_status",
    "smart_agents.get_smart_agent_results",
    "smart_agents.list_smart_agents",
    "smart_agents.run_smart_agent",
    "export.export_csv",
    "export.export_json",
    "search.companies",
    "search.people",
)
"""The operations that may have limits of their own, as they are called on the client."""

# -- retries (the numbers of the standard mode of the AWS SDKs) ------------------------------------

REQUEST_TIMEOUT_S: Final = 60.0
"""Seconds of one attempt by default."""
MAX_RETRIES: Final = 4
FIRST_BACKOFF_S: Final = 0.5
LONGEST_BACKOFF_S: Final = 20.0
RETRY_QUOTA: Final = 500
RETRY_COST: Final = 5
LEGACY_429_BACKOFF_S: Final = 2.0
"""Seconds after a 429 that names none (as the sample code of MCP/errors), doubled each time
(PUBLIC/errors)."""
LONGEST_429_BACKOFF_S: Final = 64.0

LONG_WAIT_S: Final = 5.0
"""Seconds from which on a wait for the rate limit is logged at INFO, at its begin and end."""

# -- workflows -------------------------------------------------------------------------------------

FINAL_STATUSES: Final = frozenset(
    {"completed", "failed", "cancelled", "canceled", "terminated", "timed_out", "success", "error"}
)
"""Status words after which a workflow no longer changes, as after any that begins with ``completed_``. The
full set is not documented: any other means that it is still running."""
FAILED_STATUSES: Final = frozenset({"failed", "cancelled", "canceled", "terminated", "timed_out", "error"})

MAX_OPEN_WORKFLOWS: Final = 512
"""Workflows a bulk run keeps open at once: at 30 requests a minute, 17 minutes of submits."""

CACHE_TTL_S: Final = 90 * 86_400.0
"""Seconds for which a bought result is reused: people change jobs after years, on average."""

NOT_FOUND_TTL_S: Final = 30 * 86_400.0
"""Seconds for which a store reuses ``not_found``: the server's sources grow."""
STORE_LEASE_S: Final = 30.0
"""Seconds of a client's silence after which others may take over what it was buying."""
STORE_ANSWER_S: Final = 10.0
"""Seconds that a store has to answer, locks included; it needs milliseconds."""

WAIT_TIMEOUT_S: Final = 900.0
"""Seconds that a wait for one workflow takes at most by default, as in MCP/polling."""

ENRICH_ONE_DEADLINE_S: Final = 60.0
"""Seconds that `enrich_one` takes at most by default: what web servers and proxies wait for."""

MAX_QUEUED_CONTACTS: Final = 20_000
"""Contacts that may wait for a shared request: almost three minutes of 30 requests."""

MAX_UNTAKEN_RESULTS: Final = 10_000
"""Results kept for cancelled callers of `enrich_one`: 20 MB, at 2 kB each."""
UNTAKEN_KEPT_S: Final = 86_400.0
"""Seconds for which they are kept; a store keeps them for longer."""

MAX_ABANDONED_RESULTS: Final = 10_000
"""Results kept of cancelled runs before the latest: also 20 MB."""
MAX_DETACHED_WORKFLOWS: Final = 1_000
"""Workflows kept whose submit was cancelled: 17 minutes of all 60 a minute."""

WEBHOOK_RETRIES_S: Final = 31.0
"""Seconds over which a webhook is sent again: after 1, 2, 4, 8 and 16 s (guides/receiving-webhooks)."""

LAGGING_REPLICA_S: Final = 30.0
"""Seconds after which a 404 on a workflow that we submitted is warned of: a replica lags by a few."""

NEW_WORKFLOW_GRACE_S: Final = 600.0
"""Seconds during which a 404 on a workflow that we submitted means a replica that lags."""
