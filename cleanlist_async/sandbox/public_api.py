"""The operations of the Public API, as the sandbox answers them (docs.cleanlist.ai/api-reference)."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, cast
from urllib.parse import urlsplit

from starlette.responses import Response

from cleanlist_async.contacts.contact import API_FIELDS

from . import answers
from .ledger import PUBLIC_PREFIX
from .people import WORST_CASE
from .responses import RefusedError, json_response

if TYPE_CHECKING:
    from starlette.requests import Request

    from .clock import Agenda
    from .gate import Caller, Operation
    from .ledger import Account, Ledger
    from .options import Options
    from .webhooks import WebhookSender
    from .workflows import Workflows

MAX_CONTACTS: Final = 250
# The newest page makes the type optional; older ones required it.
DEFAULT_TYPE: Final = "partial"
EMPTY: Final = "At least one contact is required."
TOO_MANY: Final = "Bulk enrichment supports up to 250 contacts per request."
INCOMPLETE: Final = (
    "Each contact must include linkedin_url OR first_name + last_name + (company_domain or company_name)."
)
BAD_TYPE: Final = "Input should be 'none', 'partial', 'phone_only', 'full' or 'prospecting_only'"
NOT_AN_OBJECT: Final = "Input should be a valid dictionary or object to extract fields from"

FieldError: TypeAlias = dict[str, object]
Location: TypeAlias = tuple[str | int, ...]

ONE_ID: Final = "Provide exactly one of workflow_id or task_id."


@dataclass(frozen=True, slots=True)
class Submission:
    """An acceptable batch: 1..250 contacts, as they were sent."""

    contacts: list[Mapping[str, object]]
    enrichment_type: str
    webhook_url: str | None


def parse_submission(body: bytes) -> Submission:
    """Read the body of ``POST /enrich/bulk``.

    Raises RefusedError 422 with every field error there is, else 400 for no contacts or more than 250.
    """
    document = _document(body)
    errors = [
        *_contacts_errors(document),
        *_type_errors(document.get("enrichment_type", DEFAULT_TYPE)),
        *_webhook_errors(document.get("webhook_url")),
    ]
    # As FastAPI does: the model is validated first, and the counts after it.
    if errors:
        raise RefusedError(422, errors)
    contacts = cast("list[Mapping[str, object]]", document["contacts"])
    if not contacts:
        # 400 and not 422: the documentation keeps counts apart from fields.
        raise RefusedError(400, EMPTY)
    if len(contacts) > MAX_CONTACTS:
        raise RefusedError(400, TOO_MANY)
    return Submission(
        contacts,
        str(document.get("enrichment_type", DEFAULT_TYPE)),
        cast("str | None", document.get("webhook_url")),
    )


def field_error(kind: str, loc: Location, msg: str, given: object) -> FieldError:
    """Return one entry of FastAPI's 422 list."""
    return {"type": kind, "loc": ["body", *loc], "msg": msg, "input": given}


def _document(body: bytes) -> dict[str, object]:
    try:
        document: object = json.loads(body) if body else None
    except ValueError as problem:
        at = getattr(problem, "pos", 0)
        raise RefusedError(422, [field_error("json_invalid", (at,), "JSON decode error", {})]) from None
    if document is None:
        raise RefusedError(422, [field_error("missing", (), "Field required", None)])
    if not isinstance(document, dict):
        raise RefusedError(422, [field_error("model_attributes_type", (), NOT_AN_OBJECT, document)])
    return cast("dict[str, object]", document)


def _contacts_errors(document: dict[str, object]) -> list[FieldError]:
    if "contacts" not in document:
        return [field_error("missing", ("contacts",), "Field required", document)]
    contacts = document["contacts"]
    if not isinstance(contacts, list):
        return [field_error("list_type", ("contacts",), "Input should be a valid list", contacts)]
    errors: list[FieldError] = []
    for index, contact in enumerate(cast("list[object]", contacts)):
        errors += _contact_errors(index, contact)
    return errors


def _contact_errors(index: int, contact: object) -> list[FieldError]:
    if not isinstance(contact, dict):
        return [field_error("model_attributes_type", ("contacts", index), NOT_AN_OBJECT, contact)]
    fields = cast("dict[str, object]", contact)
    # Other keys are let through: whether the API refuses them is not documented.
    wrong = [name for name in API_FIELDS if not isinstance(fields.get(name, ""), str | None)]
    if wrong:
        message = "Input should be a valid string"
        return [
            field_error("string_type", ("contacts", index, name), message, fields[name]) for name in wrong
        ]
    if _is_complete(cast("dict[str, str | None]", contact)):
        return []
    return [field_error("value_error", ("contacts", index), INCOMPLETE, fields)]


def _is_complete(contact: Mapping[str, str | None]) -> bool:
    def has(name: str) -> bool:
        return bool((contact.get(name) or "").strip())

    if has("linkedin_url"):
        return True
    return has("first_name") and has("last_name") and (has("company_domain") or has("company_name"))


def _type_errors(enrichment_type: object) -> list[FieldError]:
    if isinstance(enrichment_type, str) and enrichment_type in WORST_CASE:
        return []
    return [field_error("literal_error", ("enrichment_type",), BAD_TYPE, enrichment_type)]


def _webhook_errors(url: object) -> list[FieldError]:
    if url is None:
        return []
    if not isinstance(url, str):
        return [field_error("url_type", ("webhook_url",), "URL input should be a string or URL", url)]
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:  # such as an unclosed bracket
        parts, host = urlsplit(""), ""
    if host and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
        return []
    return [field_error("url_parsing", ("webhook_url",), "Input should be a valid public HTTPS URL", url)]


def _is_loopback(host: str) -> bool:
    # Plain HTTP to this machine is the sandbox's one concession: tests have no certificate.
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class PublicApi:
    """What each operation does, once the request has passed the gate."""

    def __init__(
        self,
        options: Options,
        agenda: Agenda,
        account: Account,
        workflows: Workflows,
        *,
        webhooks: WebhookSender,
        ledger: Ledger,
    ) -> None:
        self._options = options
        self._agenda = agenda
        self._account = account
        self._workflows = workflows
        self._webhooks = webhooks
        self._ledger = ledger

    def operations(self) -> list[tuple[str, str, Operation]]:
        """Return method, path and function of each operation."""
        return [
            ("GET", f"{PUBLIC_PREFIX}/auth/validate-key", self.validate_key),
            ("GET", f"{PUBLIC_PREFIX}/credits/balance", self.credits_balance),
            ("POST", f"{PUBLIC_PREFIX}/enrich/bulk", self.enrich_bulk),
            ("GET", f"{PUBLIC_PREFIX}/enrich/status", self.enrich_status),
            ("GET", f"{PUBLIC_PREFIX}/webhooks/deliveries", self.webhook_deliveries),
        ]

    async def validate_key(self, request: Request) -> Response:
        """Return the user and organization of the key."""
        caller: Caller = request.state.caller
        organization_id = self._options.organization_id
        return json_response({"valid": True, "user_id": caller.user_id, "organization_id": organization_id})

    async def credits_balance(self, request: Request) -> Response:
        """Return the balance; what running workflows hold still counts."""
        _ = request
        self._agenda.advance()
        balance = self._account.balance
        return json_response(
            {
                "organization_id": self._options.organization_id,
                # Both forms are documented: 1249 and 1234.5.
                "credits": int(balance) if balance == int(balance) else balance,
            }
        )

    async def enrich_bulk(self, request: Request) -> Response:
        """Accept a batch."""
        submission = parse_submission(await request.body())
        workflow = self._workflows.submit(submission, self._agenda.advance())
        self._webhooks.schedule(workflow)
        return json_response(answers.submitted(workflow, self._options.shape))

    async def enrich_status(self, request: Request) -> Response:
        """Return the status of a workflow or of a task."""
        workflow_id = request.query_params.get("workflow_id")
        task_id = request.query_params.get("task_id")
        # An empty id counts as none.
        if bool(workflow_id) == bool(task_id):
            raise RefusedError(400, ONE_ID)
        now, shape = self._agenda.advance(), self._options.shape
        if workflow_id:
            workflow = self._workflows.workflow(workflow_id)
            return json_response(answers.workflow_answer(workflow, shape, now))
        workflow, task = self._workflows.task(task_id or "")
        return json_response(answers.task_answer(workflow, task, shape, now))

    async def webhook_deliveries(self, request: Request) -> Response:
        """List the attempts to deliver a workflow's webhook."""
        workflow_id = request.query_params.get("workflow_id")
        if workflow_id is None:
            # field_error() places every error in the body; this one is in the query.
            missing = field_error("missing", (), "Field required", None)
            raise RefusedError(422, [missing | {"loc": ["query", "workflow_id"]}])
        # Raises 404: an unknown workflow is not one without deliveries.
        self._workflows.workflow(workflow_id)
        rows = [
            {
                "attempt": delivery.attempt,
                "status": "delivered" if delivery.delivered else "failed",
                "response_code": delivery.response_code,
                "error_message": delivery.error_message,
                "attempted_at": delivery.attempted_at,
            }
            for delivery in self._ledger.deliveries
            if delivery.workflow_id == workflow_id
        ]
        return json_response({"workflow_id": workflow_id, "deliveries": rows})
