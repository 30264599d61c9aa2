"""A model of the Public API that counts every request exactly, for tests and simulations of the limits.

It is written apart from the client and shares no code with it, so that one mistake cannot hide in both.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Literal
from zlib import crc32

import anyio

from cleanlist_async.sandbox.limits import LimitKind, Limits
from cleanlist_async.testing.memory_network import ServerRequest, ServerResponse

_FIELDS: Final = ("linkedin_url", "first_name", "last_name", "company_name", "company_domain", "email")

CREDITS: Final = {"none": 0, "partial": 1, "phone_only": 10, "full": 11, "prospecting_only": 1}
"""Credits of one found contact (docs.cleanlist.ai, enrichment types)."""

Contact = dict[str, object]
Row = dict[str, object]

PREFIX: Final = "/api/v1/public"
MAX_CONTACTS: Final = 250
_IDENTIFIERS: Final = (
    "Each contact must include linkedin_url OR first_name + last_name + (company_domain or company_name)."
)
Envelope = Literal["error", "detail"]
"""The two documented forms of a 429 (docs.cleanlist.ai: mcp-api/errors, api-reference/errors)."""


@dataclass(slots=True)
class Workflow:
    """An accepted submit. Times are in loop seconds."""

    workflow_id: str
    contacts: list[Contact] = field(repr=False)
    task_ids: list[str] = field(repr=False)
    enrichment_type: str
    hit_rate: float
    submitted_at: float
    finishes_at: float

    def status(self, now: float) -> str:
        """Return ``processing`` until ``finishes_at``, then ``completed``."""
        return "completed" if now >= self.finishes_at else "processing"

    def cost(self) -> int:
        """Credits: only what was found costs."""
        return CREDITS[self.enrichment_type] * sum(map(self._is_found, self.contacts))

    def report(self, now: float, *, rows: bool) -> dict[str, object]:
        """Answer of the status operation by ``workflow_id``; the results only once all are there."""
        report: dict[str, object] = {
            "workflow_id": self.workflow_id,
            "status": self.status(now),
            "enrichment_type": self.enrichment_type,
            "total_contacts": len(self.contacts),
        }
        if rows and now >= self.finishes_at:
            results = [self._row(index) for index in range(len(self.contacts))]
            report["summary"] = _summary(results)
            report["results"] = results
            report["results_limit"] = 250
            report["results_truncated"] = 0
        return report

    def task_report(self, index: int, now: float) -> Row:
        """Answer of the status operation by ``task_id``: the contact's own result."""
        if now < self.finishes_at:
            return {"task_id": self.task_ids[index], "status": "processing"}
        return self._row(index)

    def _row(self, index: int) -> Row:
        """One contact's result, in the flat shape of docs.cleanlist.ai/api-reference/webhooks."""
        contact = self.contacts[index]
        found = self._is_found(contact)
        first_name, last_name = _names(contact)
        has_email = found and self.enrichment_type in {"partial", "full", "prospecting_only"}
        has_phone = found and self.enrichment_type in {"phone_only", "full"}
        return {
            "task_id": self.task_ids[index],
            "status": "completed" if found else "failed",
            "primary_email": _email(contact) if has_email else None,
            "primary_email_status": "reliable" if has_email else None,
            "personal_phone_numbers": [f"+1{_fingerprint(contact):010d}"] if has_phone else [],
            "prospect": {
                "first_name": first_name,
                "last_name": last_name,
                "full_name": f"{first_name} {last_name}",
                "linkedin_url": contact.get("linkedin_url"),
            },
            "company": {"name": contact.get("company_name"), "domain": contact.get("company_domain")},
        }

    def _is_found(self, contact: Contact) -> bool:
        return self.enrichment_type == "none" or _fingerprint(contact) < self.hit_rate * 2**32


def _fingerprint(contact: Contact) -> int:
    """Return a number below 2**32, the same for equal contacts in every process."""
    return crc32(repr([contact.get(name) for name in _FIELDS]).encode())


def _summary(rows: list[Row]) -> dict[str, int]:
    successful = sum(row["status"] == "completed" for row in rows)
    return {
        "total": len(rows),
        "successful": successful,
        "failed": len(rows) - successful,
        "emails_found": sum(row["primary_email"] is not None for row in rows),
        "phones_found": sum(bool(row["personal_phone_numbers"]) for row in rows),
    }


def _email(contact: Contact) -> str:
    first_name, last_name = _names(contact)
    domain = contact.get("company_domain") or "example.com"
    return f"{first_name}.{last_name}.{_fingerprint(contact):08x}@{domain}".lower()


def _names(contact: Contact) -> tuple[object, object]:
    """Given names, else what the LinkedIn address suggests: ``/in/ada-lovelace`` is Ada Lovelace."""
    slug = str(contact.get("linkedin_url") or "").rstrip("/").rpartition("/")[2]
    first, _, last = slug.partition("-")
    return (
        contact.get("first_name") or first.title() or "Ada",
        contact.get("last_name") or last.title() or "Lovelace",
    )


def is_identified(contact: Contact) -> bool:
    """Whether the API would take this contact (docs.cleanlist.ai/api-reference/errors, 422)."""
    if contact.get("linkedin_url"):
        return True
    named = contact.get("first_name") and contact.get("last_name")
    return bool(named and (contact.get("company_domain") or contact.get("company_name")))


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request that arrived, and how it was answered. ``arrived_at`` in loop seconds."""

    arrived_at: float
    key: str | None = field(repr=False)
    """The credential that came with it, if any."""
    path: str
    """The path, without the query."""
    status: int
    """The HTTP status of the answer."""


class StrictServer:
    """The operations of the Public API behind exact rate limits; a handler for ``MemoryNetwork``.

    A request counts and is carried out when it arrives, and is answered after ``think_s``. It
    counts on its key's and its organization's limit together or on neither. One whose key is unknown
    counts nowhere, and a JWT (``eyJ...``) passes the organization's limit only.

    Parameters
    ----------
    limiter
        How requests are counted, see ``sandbox.limits``.
    organization_limit, key_limit, window_s
        Requests in a window of so many seconds.
    phase_s
        Seconds by which fixed windows are shifted.
    keys
        Organization of each accepted key or JWT; one key, ``clapi_test``, if not given.
    count_rejected
        Whether a request answered 429 counts as well.
    envelope
        Form of the 429: ``error`` carries ``retry_after_ms`` and ``Retry-After``, ``detail`` nothing.
    workflow_s, think_s
        Draw the seconds that a workflow takes, and those that an answer takes.
    hit_rate
        Share of the contacts for which something is found.
    credits
        Balance of all organizations together. A submit that might cost more is answered 402; what its
        results cost is taken at once.
    rows
        Whether workflows have results. Without them a run costs far less CPU, and no credits.
    """

    def __init__(
        self,
        *,
        limiter: LimitKind = "sliding",
        organization_limit: int = 60,
        key_limit: int = 30,
        window_s: float = 60.0,
        phase_s: float = 0.0,
        keys: Mapping[str, str] | None = None,
        count_rejected: bool = False,
        envelope: Envelope = "error",
        workflow_s: Callable[[], float] = lambda: 20.0,
        think_s: Callable[[], float] = lambda: 0.0,
        hit_rate: float = 0.7,
        credits: float = 1e9,  # noqa: A002 - the API's own word
        rows: bool = True,
    ) -> None:
        self.requests: list[RecordedRequest] = []
        self.workflows: dict[str, Workflow] = {}
        self.contacts_accepted = 0
        self.credits = credits
        self._keys = {"clapi_test": "org_test"} if keys is None else dict(keys)
        self._limits = {
            organization: Limits(
                limiter,
                org_limit=organization_limit,
                key_limit=key_limit,
                window_s=window_s,
                phase_s=phase_s,
                count_rejected=count_rejected,
            )
            for organization in self._keys.values()
        }
        self._envelope = envelope
        self._workflow_s = workflow_s
        self._think_s = think_s
        self._hit_rate = hit_rate
        self._rows = rows
        self._tasks: dict[str, tuple[Workflow, int]] = {}
        self._numbers = count(1)
        self._routes: dict[tuple[str, str], Callable[[ServerRequest, str], ServerResponse]] = {
            ("GET", "/auth/validate-key"): self._validate_key,
            ("GET", "/credits/balance"): self._balance,
            ("POST", "/enrich/bulk"): self._submit,
            ("GET", "/enrich/status"): self._status,
            ("GET", "/webhooks/deliveries"): self._deliveries,
        }

    @property
    def rejections(self) -> list[RecordedRequest]:
        """Requests answered 429, by arrival."""
        return [request for request in self.requests if request.status == 429]

    def grants(self, key: str | None = None) -> list[float]:
        """Arrival times, in loop seconds, of the requests (of one key) that passed the limits."""
        return [
            request.arrived_at
            for request in self.requests
            # Every other answer means that the request was let through.
            if request.status not in {401, 429} and (key is None or request.key == key)
        ]

    async def __call__(self, request: ServerRequest) -> ServerResponse:
        """Answer one request."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        key = token if scheme == "Bearer" else None
        response = self._respond(request, key)
        # Before the wait: a request counts even if its caller gives up.
        self.requests.append(RecordedRequest(request.arrived_at, key, request.path, response.status))
        # A 429 comes at once, since nothing is carried out.
        if response.status != 429 and (think_s := self._think_s()) > 0:
            await anyio.sleep(think_s)
        return response

    def _respond(self, request: ServerRequest, key: str | None) -> ServerResponse:
        if key is None or key not in self._keys:
            return _detail(401, "Not authenticated")
        organization = self._keys[key]
        counted = None if key.startswith("eyJ") else key
        if (wait_s := self._limits[organization].admit(counted, request.arrived_at)) > 0:
            return self._too_many_requests(wait_s)
        answer = self._routes.get((request.method, request.path.removeprefix(PREFIX)))
        return _detail(404, "Not Found") if answer is None else answer(request, organization)

    def _too_many_requests(self, wait_s: float) -> ServerResponse:
        if self._envelope == "detail":
            return _detail(429, "Rate limit exceeded")
        wait_ms = math.ceil(wait_s * 1000)
        error = {
            "code": "rate_limited",
            "problem": "Rate limit exceeded.",
            "retryable": True,
            "retry_after_ms": wait_ms,
            "docs_url": "https://docs.cleanlist.ai/errors/rate-limited",
            "request_id": f"req_{len(self.requests):016x}",
        }
        # From the rounded milliseconds, so that header and body agree.
        headers = (("retry-after", str(math.ceil(wait_ms / 1000))),)
        return _json(429, {"error": error}, headers)

    def _validate_key(self, _request: ServerRequest, organization: str) -> ServerResponse:
        return _json(200, {"valid": True, "user_id": "user_test", "organization_id": organization})

    def _balance(self, _request: ServerRequest, organization: str) -> ServerResponse:
        return _json(200, {"organization_id": organization, "credits": self.credits})

    def _submit(self, request: ServerRequest, _organization: str) -> ServerResponse:
        submit = json.loads(request.body)
        contacts = submit["contacts"]
        enrichment_type = submit.get("enrichment_type", "partial")
        if (problem := _submit_problem(contacts, enrichment_type)) is not None:
            return problem
        # At the worst case, as if every contact were found.
        if len(contacts) * CREDITS[enrichment_type] > self.credits:
            return _detail(402, "Insufficient credits")
        workflow = self._accept(contacts, enrichment_type, request.arrived_at)
        return _json(
            200,
            {
                "workflow_id": workflow.workflow_id,
                "status": "processing",
                "message": "Bulk enrichment started",
                "task_ids": workflow.task_ids,
                "total_contacts": len(contacts),
            },
        )

    def _accept(self, contacts: list[Contact], enrichment_type: str, now: float) -> Workflow:
        number = next(self._numbers)
        workflow = Workflow(
            workflow_id=f"public_bulk_{number:08x}-0000-4000-8000-000000000000",
            contacts=contacts,
            task_ids=[f"{number:08x}-0000-4000-8000-{n:012x}" for n in range(1, len(contacts) + 1)],
            enrichment_type=enrichment_type,
            hit_rate=self._hit_rate,
            submitted_at=now,
            finishes_at=now + self._workflow_s(),
        )
        self.workflows[workflow.workflow_id] = workflow
        self.contacts_accepted += len(contacts)
        if self._rows:
            self.credits -= workflow.cost()
            self._tasks |= {task_id: (workflow, n) for n, task_id in enumerate(workflow.task_ids)}
        return workflow

    def _status(self, request: ServerRequest, _organization: str) -> ServerResponse:
        query, now = request.query, request.arrived_at
        workflow_id, task_id = query.get("workflow_id"), query.get("task_id")
        if (workflow_id is None) == (task_id is None):
            return _detail(400, "Provide exactly one of workflow_id or task_id.")
        if workflow_id in self.workflows:
            return _json(200, self.workflows[workflow_id].report(now, rows=self._rows))
        if task_id in self._tasks:
            workflow, index = self._tasks[task_id]
            return _json(200, workflow.task_report(index, now))
        return _detail(404, "Not found")

    def _deliveries(self, request: ServerRequest, _organization: str) -> ServerResponse:
        """No webhooks are sent, so no delivery is ever recorded."""
        workflow_id = request.query.get("workflow_id")
        if workflow_id not in self.workflows:
            return _detail(404, "Not found")
        return _json(200, {"workflow_id": workflow_id, "deliveries": []})


def _submit_problem(contacts: list[Contact], enrichment_type: str) -> ServerResponse | None:
    """Return the documented refusal of a submit, None when there is nothing to refuse."""
    if not contacts:
        return _detail(400, "At least one contact is required.")
    if len(contacts) > MAX_CONTACTS:
        return _detail(400, f"Bulk enrichment supports up to {MAX_CONTACTS} contacts per request.")
    if enrichment_type not in CREDITS:
        return _json(422, {"detail": [_violation(["body", "enrichment_type"], "Unknown type.")]})
    violations = [
        _violation(["body", "contacts", index], _IDENTIFIERS)
        for index, contact in enumerate(contacts)
        if not is_identified(contact)
    ]
    return _json(422, {"detail": violations}) if violations else None


def _violation(location: list[str | int], message: str) -> dict[str, object]:
    return {"type": "value_error", "loc": location, "msg": message}


def _detail(status: int, text: str) -> ServerResponse:
    return _json(status, {"detail": text})


def _json(status: int, content: object, headers: tuple[tuple[str, str], ...] = ()) -> ServerResponse:
    body = json.dumps(content, separators=(",", ":")).encode()
    return ServerResponse(status, body, (("content-type", "application/json"), *headers))
