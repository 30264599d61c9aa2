"""The operations of the Public API, as the sandbox answers them (docs.cleanlist.ai/api-reference)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from . import answers
from .ledger import PUBLIC_PREFIX
from .refusals import RefusedError
from .responses import json_response
from .validation import field_error, parse_submission

if TYPE_CHECKING:
    from starlette.requests import Request

    from .auth import Caller
    from .gate import Operation
    from .ledger import Ledger
    from .options import Options
    from .prices import Account
    from .webhooks import WebhookSender
    from .workflows import Workflows

ONE_ID: Final = "Provide exactly one of workflow_id or task_id."


class PublicApi:
    """What each operation does, once the request has passed the gate."""

    def __init__(
        self,
        options: Options,
        account: Account,
        workflows: Workflows,
        webhooks: WebhookSender,
        ledger: Ledger,
    ) -> None:
        self._options = options
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
        self._now()
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
        workflow = self._workflows.submit(submission, self._now())
        self._webhooks.schedule(workflow)
        return json_response(answers.submitted(workflow, self._options.shape))

    async def enrich_status(self, request: Request) -> Response:
        """Return the status of a workflow or of a task."""
        workflow_id = request.query_params.get("workflow_id")
        task_id = request.query_params.get("task_id")
        # An empty id counts as none.
        if bool(workflow_id) == bool(task_id):
            raise RefusedError(400, ONE_ID)
        now, shape = self._now(), self._options.shape
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

    def _now(self) -> float:
        self._ledger.on_read()  # the modern surface spends the same credits
        now = self._options.clock()
        self._workflows.advance(now)
        return now
