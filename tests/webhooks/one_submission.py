"""A receiver with one submission, and events as its server sends them."""

from __future__ import annotations

import json

import anyio

from cleanlist_async.webhooks.receiver import WebhookReceiver
from tests.webhooks.couriers import JSON_TYPE, PUBLIC_URL, token_in

SECRET = "a-secret-of-all-workers"
WORKFLOW = "public_bulk_1"
IDS = ("t1", "t2")
FLAT = {
    "event": "enrichment.completed",
    "workflow_id": WORKFLOW,
    "lead_list_id": "11111111-1111-1111-1111-111111111111",
    "enrichment_type": "partial",
    "status": "completed",
    "summary": {"total": 2, "successful": 1, "failed": 1, "emails_found": 1, "phones_found": 0},
    "results": [
        {
            "task_id": "t1",
            "status": "completed",
            "primary_email": "ada@c.example",
            "primary_email_status": "reliable",
            "personal_phone_numbers": ["+1 555 0100"],
            "prospect": {"first_name": "Ada", "last_name": "Lovelace", "full_name": "Ada Lovelace"},
            "company": {"name": "C", "domain": "c.example"},
        },
        {"task_id": "t2", "status": "failed", "primary_email": None, "personal_phone_numbers": []},
    ],
    "results_limit": 250,
    "results_truncated": 0,
    "results_endpoint": f"/api/v1/public/enrich/status?workflow_id={WORKFLOW}",
    "completed_at": "2026-04-06T15:00:42Z",
}
NESTED = FLAT | {
    "results": [
        {
            "task_id": "t1",
            "status": "success",
            "prospect_id": "p1",
            "lead_id": "l1",
            "result": {
                "email": "ada@c.example",
                "email_status": "reliable",
                "other_emails": [],
                "phones": ["+1 555 0100"],
                "linkedin_url": "https://linkedin.com/in/ada",
                "provider": "x",
            },
            "input": {"first_name": "Ada"},
        },
        {"task_id": "t2", "status": "failed", "result": None, "error": "nothing found"},
    ]
}
EVENT = json.dumps(FLAT).encode()


def rows(*changes):
    return [row | change for row, change in zip(FLAT["results"], changes, strict=False)]


class OneSubmission:
    """A receiver and one submission of it."""

    def __init__(self, *, accepted=True, **options) -> None:
        self.receiver = WebhookReceiver(PUBLIC_URL, secret=SECRET, **options)
        self.id, self.submission = self.receiver.begin()
        self.token = token_in(self.submission.webhook_url)
        if accepted:
            self.submission.accepted(WORKFLOW, IDS)

    def post(self, body=EVENT, *, token=None, content_type=JSON_TYPE) -> int:
        async def post():
            return await self.receiver.receive(self.token if token is None else token, content_type, body)

        return anyio.run(post).status

    @property
    def believed(self) -> bool:
        return self.submission.signal.answer is not None

    @property
    def is_hint(self) -> bool:
        return self.submission.signal.is_hint

    def counts(self, **more) -> bool:
        said = self.receiver.statistics()
        return all(getattr(said, name) == count for name, count in more.items())
