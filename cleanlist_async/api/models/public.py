"""Answers of the Public API and of its webhook, and about the workspace: owner, credits, keys, usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, cast

from pydantic import BeforeValidator, StringConstraints, model_validator

from cleanlist_async import facts
from cleanlist_async.api.models.base import OF_ROW, Answer, Envelope, ModernAnswer, Moment, Number
from cleanlist_async.api.models.rows import AsBuilt, EnrichmentRow, is_failed, is_final
from cleanlist_async.types import JSON, ContactTaskId

# The last is how this package itself serializes an answer, which may be read again.
_ROW_LISTS: Final = ("results", "tasks", "data", "result", "rows")


def _texts(value: object) -> object:
    """Accept ids as text, as numbers, or wrapped in objects; drop anything else."""
    items = cast("Sequence[JSON]", value) if isinstance(value, list | tuple) else ()
    ids = [item.get("task_id", item.get("id")) if isinstance(item, dict) else item for item in items]
    return tuple(str(id_) for id_ in ids if isinstance(id_, str | int) and not isinstance(id_, bool))


def _mapping(value: object) -> object:
    return cast("dict[str, JSON]", value) if isinstance(value, dict) else None


def _count(value: object) -> object:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _word(value: object) -> object:
    return value if isinstance(value, str) else None


Rows = Annotated[tuple[EnrichmentRow, ...], AsBuilt]
TaskIds = Annotated[tuple[ContactTaskId, ...], BeforeValidator(_texts)]
Text = Annotated[str | None, BeforeValidator(_word)]
Count = Annotated[int | None, BeforeValidator(_count)]
Object = Annotated[dict[str, Any] | None, BeforeValidator(_mapping)]


class KeyValidation(Answer):
    """Whether the key is valid, and its owner (``GET /auth/validate-key``)."""

    valid: bool  # required: without it, the answer says nothing about the key
    """Whether the key is valid."""
    user_id: Text = None
    """The user whose key it is."""
    organization_id: Text = None
    """The organization that pays."""


class BulkSubmission(Answer):
    """The accepted workflow (``POST /enrich/bulk``).

    ``task_ids`` holds one id per contact. Whether they follow the order of the contacts is not documented,
    so nothing in this package relies on it.
    """

    workflow_id: Annotated[str, StringConstraints(min_length=1)]
    """The workflow that was started."""
    status: Text = None
    """Its status word; ``processing`` at first."""
    message: Text = None
    """The server's own message."""
    task_ids: TaskIds = ()
    total_contacts: Count = None
    """Contacts that were accepted."""


class _WithRows(Answer):
    """An answer that lists results per contact, under any of several names."""

    workflow_id: Text = None
    """The workflow."""
    status: Annotated[str, BeforeValidator(lambda value: value if isinstance(value, str) else "")] = ""
    """Its status word; see `is_final`."""
    summary: Object = None
    """Counts, as the server gives them."""
    results_truncated: Count = None
    """Rows that were left out because of the size of the answer."""
    rows: Rows = ()
    """One for each contact, as far as the answer has them."""

    @model_validator(mode="before")
    @classmethod
    def _collect_rows(cls, raw: object) -> object:
        if not isinstance(raw, dict):
            return raw
        answer = cast("dict[str, JSON]", raw)
        return {**answer, "rows": _rows_in(answer)}

    @property
    def is_final(self) -> bool:
        """Whether the server is done."""
        return is_final(self.status)

    @property
    def failed(self) -> bool:
        """Whether the workflow ended without being finished."""
        return is_failed(self.status)

    @property
    def is_complete(self) -> bool:
        """Whether no row was left out because of the answer's size (``results_truncated`` is a count)."""
        return not self.results_truncated


class BulkStatus(_WithRows):
    """The state of a workflow, or of one task, with the rows it carries (``GET /enrich/status``).

    No available page shows this body, so it is read leniently: rows under ``results``, ``tasks``,
    ``data`` or ``result``, any status word, all else kept in ``model_extra``.
    """

    # The status of one task is itself a row.
    also_read: ClassVar = OF_ROW | {
        *("results", "tasks", "data", "rows"),
        *("enrichment_type", "total_contacts", "results_limit"),
    }

    task_id: Text = None
    """The contact that was asked about, if it was one."""


class WebhookPayload(_WithRows):
    """The event posted to ``webhook_url`` (docs.cleanlist.ai/api-reference/webhooks).

    Webhooks are not signed: trust a payload only as far as you trust its sender.
    """

    event: Text = None
    """The kind of event; only ``enrichment.completed`` is documented."""
    lead_list_id: Text = None
    """The list that the leads are in."""
    enrichment_type: Text = None
    """What was looked for."""
    results_limit: Count = None
    """The most rows that an event holds."""
    results_endpoint: Text = None
    """Where the rest can be read; never followed."""
    completed_at: Text = None
    """When the workflow was done, as the server writes it."""

    def as_status(self) -> BulkStatus:
        """Return what a status request would answer, if this payload is true."""
        # Without validation: the fields were validated with the payload.
        return BulkStatus.model_construct(
            workflow_id=self.workflow_id,
            status=self.status,
            summary=self.summary,
            results_truncated=self.results_truncated,
            rows=self.rows,
        )


class WebhookDelivery(Answer):
    """One attempt to deliver a webhook. The field names are not documented; all are kept.

    ``status`` is ``delivered`` or ``failed`` (docs.cleanlist.ai/api-reference/errors).
    """

    status_words: ClassVar = frozenset({"delivered", "failed"})
    also_read: ClassVar = frozenset({"status_code", "http_status", "error", "attempt_number"})

    status: Text = None
    attempt: Count = None
    """Which attempt it was, from 1."""
    response_code: Count = None
    """The HTTP status that the receiver answered with."""
    error_message: Text = None
    """Why it failed, if it did."""

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, raw: object) -> object:
        if not isinstance(raw, dict):
            return raw
        row = cast("dict[str, JSON]", raw)
        # The names are not documented, so several usual ones are read.
        return {
            **row,
            "response_code": _first(row, "response_code", "status_code", "http_status"),
            "error_message": _first(row, "error_message", "error"),
            "attempt": _first(row, "attempt", "attempt_number"),
        }


class WebhookDeliveries(Answer):
    """The delivery log of one workflow (``GET /webhooks/deliveries``), in the server's order."""

    also_read: ClassVar = frozenset({"results", "data", "items"})

    deliveries: tuple[WebhookDelivery, ...] = ()
    """All attempts."""

    @model_validator(mode="before")
    @classmethod
    def _collect(cls, raw: object) -> object:
        if isinstance(raw, list):
            return {"deliveries": _objects(cast("Sequence[JSON]", raw))}
        if isinstance(raw, dict):
            log = cast("dict[str, JSON]", raw)
            lists = (log.get(name) for name in ("deliveries", "results", "data", "items"))
            found = next((items for items in lists if isinstance(items, list | tuple)), ())
            return {**log, "deliveries": _objects(cast("Sequence[JSON | WebhookDelivery]", found))}
        return raw


def _rows_in(answer: Mapping[str, JSON]) -> tuple[EnrichmentRow, ...]:
    for name in _ROW_LISTS:
        value = answer.get(name)
        if isinstance(value, list) and len(value) > facts.MAX_STATUS_ROWS:
            raise ValueError("more rows than a workflow has")
        # An empty list does not end the search: the rows may be under a later name.
        rows = EnrichmentRow.several(value)
        # `result` as an object is the finding of one contact, not a holder of rows.
        if rows is None and isinstance(value, dict) and name != "result":
            rows = _rows_in(value)
        if rows:
            return rows
    # A single task is its own row: `task_id`, and the findings beside it or under `result`.
    has_row = isinstance(answer.get("result"), dict) or answer.get("task_id") is not None
    return (EnrichmentRow(dict(answer)),) if has_row else ()


def _first(row: Mapping[str, JSON], *names: str) -> JSON:
    return next((row[name] for name in names if name in row), None)


def _objects(items: Sequence[JSON | WebhookDelivery]) -> list[dict[str, JSON] | WebhookDelivery]:
    if len(items) > facts.MAX_ITEMS:
        raise ValueError("more attempts than a webhook has")
    return [item for item in items if isinstance(item, dict | WebhookDelivery)]


class Whoami(Envelope):
    """The owner of the key, and what it may do. E-mail addresses are masked for API keys."""

    known_by: ClassVar = ("organization_id", "user_email", "auth_type")

    user_email: str | None = None
    """The e-mail address of the owner, masked."""
    user_id: str | None = None
    """The owner of the key."""
    user_name: str | None = None
    """The owner's name."""
    organization_id: str = ""
    """The organization that pays."""
    organization_name: str | None = None
    """Its name."""
    auth_type: str = ""
    """``clerk_jwt``, ``api_key``, ``oauth``, or a word added later."""
    scopes: tuple[str, ...] = ()
    """What the key may do, such as ``lists:read``."""
    tier: str = ""
    """``free``, ``starter``, ``pro``, ``enterprise``, or a word added later."""
    appsumo_tier: int | None = None
    """The tier of a plan that was bought at AppSumo."""
    features: tuple[str, ...] = ()
    """What the plan includes."""


class CreditsBalance(Envelope):
    """Credits left: whole on one surface, possibly a fraction on the other."""

    known_by: ClassVar = ("credits",)

    organization_id: str | None = None
    """Whose credits they are."""
    credits: Number | None = None
    """Credits left; None where the answer does not say."""


class Quote(ModernAnswer):
    """A signed price, valid for one call of exactly this shape within five minutes.

    ``estimated_cost`` is in credits, and the most that the call can cost. If the balance does not cover it,
    ``sufficient`` is False; that is not an error.
    """

    known_by: ClassVar = ("quote_id",)
    essential: ClassVar = ("quote_id",)

    quote_id: str = ""
    """What to give as ``quote_id`` to the call that buys at this price."""
    expires_at: Moment | None = None
    """Until when the price holds."""
    estimated_cost: Number | None = None
    tool: str = ""
    """The operation that it is for."""
    row_count: int = 0
    """Rows the price is for; the server counts them itself where a list or a cohort is named."""
    filter_hash: str = ""
    """The server's digest of the rows that it is for."""
    available_credits: Number | None = None
    """Credits left when it was made."""
    sufficient: bool | None = None


class ApiKey(ModernAnswer):
    """One of the caller's keys. The key itself is never shown, only its prefix and last four characters."""

    key_id: str = ""
    """The server's id of the key."""
    key_prefix: str = ""
    """Its first characters."""
    key_last4: str = ""
    """Its last four characters."""
    name: str | None = None
    """The name that its owner gave it."""
    scopes: tuple[str, ...] = ()
    """What it may do."""
    created_at: Moment | None = None
    """When it was made."""
    last_used_at: Moment | None = None
    """When it was last used; None if never."""
    is_active: bool = False
    """Whether the server accepts it."""


class ApiKeys(ModernAnswer):
    """The caller's own keys in this organization."""

    known_by: ClassVar = ("keys",)
    essential: ClassVar = ("keys",)

    keys: tuple[ApiKey, ...] = ()
    """The keys."""


class UsageGroup(ModernAnswer):
    """One line of a usage report."""

    group: str = ""
    """The tool, key, day or error that the line is about."""
    calls: int = 0
    """Calls."""
    credits_spent: Number | None = None
    """Credits spent."""
    errors: int = 0
    """Calls that failed."""


class UsageReport(ModernAnswer):
    """Calls, errors and credits of the last days. The server reports 0.0 credits for everything so far."""

    known_by: ClassVar = ("rows", "total_calls")

    days: int = 0
    """Days that the report is about."""
    group_by: str = ""
    """What its lines are: ``tool``, ``key``, ``day`` or ``error``."""
    total_calls: int = 0
    """Calls of all lines."""
    total_credits_spent: Number | None = None
    """Credits of all lines."""
    total_errors: int = 0
    """Failed calls of all lines."""
    rows: tuple[UsageGroup, ...] = ()
    """The lines."""
