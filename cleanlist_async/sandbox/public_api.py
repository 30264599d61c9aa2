"""The operations of the Public API, as the sandbox answers them (docs.cleanlist.ai/api-reference)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import Response

from . import answers
from .clock import Agenda
from .gate import Caller, Operation
from .ledger import PUBLIC_PREFIX, Account, Ledger
from .options import Options
from .responses import RefusedError, decode, field_error, json_response, validated
from .webhooks import WebhookSender
from .workflows import Submission, Workflows

MAX_CONTACTS: Final = 250
EMPTY: Final = "At least one contact is required."
TOO_MANY: Final = "Bulk enrichment supports up to 250 contacts per request."
INCOMPLETE: Final = (
    "Each contact must include linkedin_url OR first_name + last_name + (company_domain or company_name)."
)
ONE_ID: Final = "Provide exactly one of workflow_id or task_id."


def _checked_url(url: object) -> object:
    if url is None:
        return None
    if not isinstance(url, str):
        raise PydanticCustomError("url_type", "URL input should be a string or URL")
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:  # such as an unclosed bracket
        parts, host = urlsplit(""), ""
    if host and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
        return url
    raise PydanticCustomError("url_parsing", "Input should be a valid public HTTPS URL")


def _is_loopback(host: str) -> bool:
    # Plain HTTP to this machine is the sandbox's one concession: tests have no certificate.
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Body(BaseModel):
    # As FastAPI reads a body. Other keys are let through: whether the API refuses them is not documented.
    model_config = ConfigDict(from_attributes=True)


class SubmittedContact(_Body):
    """One contact: the fields of ``API_FIELDS``."""

    linkedin_url: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company_name: str | None = None
    company_domain: str | None = None
    email: str | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        def has(text: str | None) -> bool:
            return bool((text or "").strip())

        named = has(self.first_name) and has(self.last_name)
        if has(self.linkedin_url) or (named and (has(self.company_domain) or has(self.company_name))):
            return self
        raise PydanticCustomError("value_error", INCOMPLETE)


class Submit(_Body):
    """Body of ``POST /enrich/bulk``."""

    contacts: list[SubmittedContact]
    # The newest page makes the type optional; older ones required it.
    enrichment_type: Literal["none", "partial", "phone_only", "full", "prospecting_only"] = "partial"
    webhook_url: Annotated[str | None, BeforeValidator(_checked_url)] = None


def parse_submission(body: bytes) -> Submission:
    """Read the body of ``POST /enrich/bulk``.

    Raises RefusedError 422 with every field error there is, else 400 for no contacts or more than 250.
    """
    document = decode(body or b"null", echo=True)
    if document is None:
        raise RefusedError(422, [field_error("missing", ["body"], "Field required", input=None)])
    # As FastAPI does: the model is validated first, and the counts after it.
    submit = validated(document, Submit, "body", echo=True)
    contacts = cast("dict[str, list[Mapping[str, object]]]", document)["contacts"]
    if not contacts:
        # 400 and not 422: the documentation keeps counts apart from fields.
        raise RefusedError(400, EMPTY)
    if len(contacts) > MAX_CONTACTS:
        raise RefusedError(400, TOO_MANY)
    return Submission(contacts, submit.enrichment_type, submit.webhook_url)


@dataclass(frozen=True, slots=True)
class PublicApi:
    """What each operation does, once the request has passed the gate."""

    options: Options
    agenda: Agenda
    account: Account
    workflows: Workflows
    webhooks: WebhookSender
    ledger: Ledger

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
        organization_id = self.options.organization_id
        return json_response({"valid": True, "user_id": caller.user_id, "organization_id": organization_id})

    async def credits_balance(self, request: Request) -> Response:
        """Return the balance; what running workflows hold still counts."""
        _ = request
        self.agenda.advance()
        balance = self.account.balance
        return json_response(
            {
                "organization_id": self.options.organization_id,
                # Both forms are documented: 1249 and 1234.5.
                "credits": int(balance) if balance == int(balance) else balance,
            }
        )

    async def enrich_bulk(self, request: Request) -> Response:
        """Accept a batch."""
        submission = parse_submission(await request.body())
        workflow = self.workflows.submit(submission, self.agenda.advance())
        self.webhooks.schedule(workflow)
        return json_response(answers.submitted(workflow, self.options.shape))

    async def enrich_status(self, request: Request) -> Response:
        """Return the status of a workflow or of a task."""
        workflow_id = request.query_params.get("workflow_id")
        task_id = request.query_params.get("task_id")
        # An empty id counts as none.
        if bool(workflow_id) == bool(task_id):
            raise RefusedError(400, ONE_ID)
        now, shape = self.agenda.advance(), self.options.shape
        if workflow_id:
            workflow = self.workflows.workflow(workflow_id)
            return json_response(answers.workflow_answer(workflow, shape, now))
        workflow, task = self.workflows.task(task_id or "")
        return json_response(answers.task_answer(workflow, task, shape, now))

    async def webhook_deliveries(self, request: Request) -> Response:
        """List the attempts to deliver a workflow's webhook."""
        workflow_id = request.query_params.get("workflow_id")
        if workflow_id is None:
            where = ["query", "workflow_id"]
            raise RefusedError(422, [field_error("missing", where, "Field required", input=None)])
        # Raises 404: an unknown workflow is not one without deliveries.
        self.workflows.workflow(workflow_id)
        rows = [
            {
                "attempt": delivery.attempt,
                "status": "delivered" if delivery.delivered else "failed",
                "response_code": delivery.response_code,
                "error_message": delivery.error_message,
                "attempted_at": delivery.attempted_at,
            }
            for delivery in self.ledger.deliveries
            if delivery.workflow_id == workflow_id
        ]
        return json_response({"workflow_id": workflow_id, "deliveries": rows})
