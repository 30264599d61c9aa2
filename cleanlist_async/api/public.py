"""The operations of the Public API, as the client calls them (docs.cleanlist.ai/api-reference)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from cleanlist_async import facts
from cleanlist_async.api.models.public import (
    BulkStatus,
    BulkSubmission,
    CreditsBalance,
    KeyValidation,
    WebhookDeliveries,
)
from cleanlist_async.checks import check_enrichment_type, check_webhook_url, checked_id
from cleanlist_async.contacts.checks import check_contacts
from cleanlist_async.contacts.chunking import bulk_body
from cleanlist_async.contacts.identity import ContactLike, Invalid, Prepared, prepare
from cleanlist_async.errors import BadRequestError, ConfigurationError, FieldError, RequestValidationError
from cleanlist_async.facts import PUBLIC_PREFIX, EnrichmentType
from cleanlist_async.http.calls import Call, Charge, Operation, Reply, Spend
from cleanlist_async.http.decode import salvage_workflow_id
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.ratelimit import RequestClass
from cleanlist_async.types import JSON, ContactTaskId, WorkflowId

M = TypeVar("M", bound=BaseModel)


def _reader(model: type[M]) -> Callable[[JSON], M]:
    def read(answer: JSON) -> M:
        try:
            return model.model_validate(answer)
        except ValidationError:
            problem = f"not a {model.__name__}"
        raise ValueError(problem)  # without the ValidationError, which holds the answer

    return read


def _read_status(answer: JSON) -> BulkStatus:
    status = _reader(BulkStatus)(answer)
    if not (status.status or status.rows or status.summary or status.workflow_id or status.task_id):
        raise ValueError("nothing in it is a status: it is the answer to another call")
    return status


def _salvaged(body: bytes) -> BulkSubmission | None:
    workflow_id = salvage_workflow_id(body)
    return BulkSubmission(workflow_id=workflow_id) if workflow_id else None


VALIDATE_KEY: Final = Operation(
    "validate_key", "GET", f"{PUBLIC_PREFIX}/auth/validate-key", "safe", _reader(KeyValidation)
)
CREDITS_BALANCE: Final = Operation(
    "credits_balance", "GET", f"{PUBLIC_PREFIX}/credits/balance", "safe", CreditsBalance.read
)
SUBMIT_BULK: Final = Operation(
    "submit_bulk",
    "POST",
    f"{PUBLIC_PREFIX}/enrich/bulk",
    "never",
    _reader(BulkSubmission),
    salvage=_salvaged,
    max_answer_bytes=facts.MAX_SUBMIT_ANSWER_BYTES,
    charge=lambda accepted: Charge(accepted.workflow_id),
)
BULK_STATUS: Final = Operation(
    "bulk_status",
    "GET",
    f"{PUBLIC_PREFIX}/enrich/status",
    "safe",
    _read_status,
    max_answer_bytes=facts.MAX_STATUS_BYTES,
    own_connection=True,  # it is not documented that every answer names its workflow
    of_models=False,
)
TASK_STATUS: Final = replace(BULK_STATUS, max_answer_bytes=facts.MAX_SMALL_ANSWER_BYTES)
"""The same operation for one task, whose answer has one row."""
WEBHOOK_DELIVERIES: Final = Operation(
    "webhook_deliveries",
    "GET",
    f"{PUBLIC_PREFIX}/webhooks/deliveries",
    "safe",
    _reader(WebhookDeliveries),
    max_answer_bytes=facts.MAX_SUBMIT_ANSWER_BYTES,
)


class PublicAPI:
    """The Public API, one method per operation. Reached as ``client.public``.

    All of them raise the typed errors of :mod:`cleanlist_async.errors`.
    """

    def __init__(self, pipeline: Pipeline, options: CallOptions) -> None:
        self._pipeline = pipeline
        self._options = options

    async def validate_key(self) -> KeyValidation:
        """Return whether the key is valid. Free.

        An invalid key raises AuthenticationError (401); the documentation also allows for an answer with
        ``valid`` False (docs.cleanlist.ai/guides/troubleshooting).
        """
        return (await self._call(Call(VALIDATE_KEY))).value

    async def credits_balance(self) -> CreditsBalance:
        """Return the credits left, possibly a fraction. Free."""
        return (await self._call(Call(CREDITS_BALANCE))).value

    async def submit_bulk(
        self,
        contacts: Iterable[ContactLike],
        enrichment_type: EnrichmentType = "partial",
        webhook_url: str | None = None,
    ) -> BulkSubmission:
        """Start the enrichment of 1 to 250 contacts in one workflow. Spends credits for what is found.

        Nothing is sent if a contact is invalid: RequestValidationError, whose ``field_errors`` name each
        by ``contact_index``. A lost answer is UnknownOutcomeError, never a second submit: this endpoint
        has no idempotency key (docs.cleanlist.ai/api-reference/enrichment).
        """
        try:
            # One invalid contact makes the server refuse all of them, so it is found here.
            prepared = _all_valid(contacts)
            check_enrichment_type(enrichment_type)
            check_webhook_url(webhook_url)
        except ConfigurationError as refusal:
            del webhook_url  # it may hold a token, as may the frames below
            raise refusal.with_traceback(None) from None
        # The body is built when the call is admitted: queued calls would hold each of their contacts twice.
        call = Call(
            SUBMIT_BULK,
            content=lambda: bulk_body(prepared, enrichment_type, webhook_url),
            spend=lambda: Spend.of_contacts("submit_bulk", enrichment_type, len(prepared)),
        )
        return (await self._call(call)).value

    async def bulk_status(
        self, *, workflow_id: WorkflowId | str | None = None, task_id: ContactTaskId | None = None
    ) -> BulkStatus:
        """Return the state of one workflow, or of one of its tasks, with the rows it carries. Free.

        Exactly one of the two ids is required, as on the server.
        """
        return (await self._call(status_call(workflow_id=workflow_id, task_id=task_id))).value

    async def webhook_deliveries(self, workflow_id: str) -> WebhookDeliveries:
        """Return the log of the attempts to deliver a workflow's webhook. Free."""
        params = {"workflow_id": checked_id("workflow_id", workflow_id)}
        return (await self._call(Call(WEBHOOK_DELIVERIES, params=params))).value

    async def _call(self, call: Call[M]) -> Reply[M]:
        return await self._pipeline.call(call, self._options)


def submit_call(
    content: Callable[[], bytes],
    kind: RequestClass = RequestClass.INTERACTIVE,
    *,
    shield_answer: bool = False,
    before: Callable[[], Awaitable[None]] | None = None,
    before_retry: Callable[[], Awaitable[None]] | None = None,
    spend: Callable[[], Spend] | None = None,
    submission: Callable[[], str | None] = lambda: None,
) -> Call[BulkSubmission]:
    """Describe a submit whose results are joined to its contacts; *content* builds the body once admitted.

    An answer that names the workflow of other contacts is rejected. *before* reserves what it may cost.
    """
    return Call(
        SUBMIT_BULK,
        kind,
        content=content,
        own_workflow=True,
        # The free call that has to succeed before the next submit, once an outcome was unclear.
        check=Call(VALIDATE_KEY),
        shield_answer=shield_answer,
        before=before,
        before_retry=before_retry,
        spend=spend,
        submission=submission,
        is_recorded=before is not None,
    )


def status_call(
    *,
    workflow_id: str | None = None,
    task_id: str | None = None,
    kind: RequestClass = RequestClass.INTERACTIVE,
    key: str | None = None,
) -> Call[BulkStatus]:
    """Describe a status request; an answer that names another workflow or task is rejected."""
    if (workflow_id is None) == (task_id is None):
        raise ConfigurationError("Provide exactly one of workflow_id or task_id.")
    if workflow_id is not None:
        operation, params = BULK_STATUS, {"workflow_id": checked_id("workflow_id", workflow_id)}
    else:
        operation, params = TASK_STATUS, {"task_id": checked_id("task_id", task_id)}

    # An answer that names none is believed where it came on a connection of its own.
    def named(status: BulkStatus) -> str | None:
        return status.workflow_id if workflow_id is not None else status.task_id

    asked = workflow_id or task_id
    return Call(
        operation,
        kind,
        params=params,
        key=key,
        belongs=lambda status: named(status) in {None, asked},
        is_named_in=lambda status: named(status) == asked,
    )


def _all_valid(contacts: Iterable[ContactLike]) -> Sequence[Prepared]:
    check_contacts(contacts, Iterable)
    # One more than allowed is enough to refuse: the iterable may be endless.
    at_most = islice(contacts, facts.MAX_CONTACTS_PER_REQUEST + 1)
    checked = [prepare(index, contact) for index, contact in enumerate(at_most)]
    if not checked or len(checked) > facts.MAX_CONTACTS_PER_REQUEST:
        raise BadRequestError(
            "At least one contact is required."
            if not checked
            else "Bulk enrichment supports up to 250 contacts per request.",
            code="bad_request",  # the server's own for this
            fix="client.enrich() splits any number of contacts into requests.",
        )
    invalid = [contact for contact in checked if isinstance(contact, Invalid)]
    if invalid:
        first, more = invalid[0], len(invalid) - 1
        error = RequestValidationError(
            f"contacts[{first.index}] {first.reason}" + (f" (and {more} more)" if more else "") + ".",
            code="validation_error",
        )
        error.field_errors = tuple(
            FieldError(("body", "contacts", bad.index), bad.reason, contact_index=bad.index)
            for bad in invalid
        )
        raise error
    return [contact for contact in checked if isinstance(contact, Prepared)]
