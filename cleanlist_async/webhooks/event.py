"""One webhook event as received. It is unsigned, so nothing here is trusted yet."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from cleanlist_async import facts
from cleanlist_async.api.models.public import BulkStatus, WebhookPayload
from cleanlist_async.http.decode import parse_json
from cleanlist_async.http.lenient_json import read_leniently
from cleanlist_async.types import JSON

_LONGEST_ID: Final = 128


class RefusedEventError(Exception):
    """The body is not an acceptable event; `status` is the HTTP status to answer with."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Event:
    """An event that names a workflow. Whether it is believed depends on the submission that it came to."""

    workflow_id: str
    payload: WebhookPayload
    body: bytes = field(repr=False)  # contact data

    @classmethod
    def read(cls, body: bytes) -> Event:
        """Parse the body of a webhook. Raises RefusedEventError 400 if it is not one."""
        # Counted before parsing: a million empty objects fit into the allowed bytes, and block the loop.
        if sum(map(body.count, (b",", b"[", b"{"))) > facts.MAX_WEBHOOK_VALUES:
            raise RefusedEventError(400, "too many values")
        try:
            payload = WebhookPayload.model_validate(_read(body))
        except (ValueError, RecursionError):
            payload = None
        if payload is None:  # raised outside the handler: a ValidationError quotes the body
            raise RefusedEventError(400, "not a JSON object")
        if not payload.workflow_id or len(payload.workflow_id) > _LONGEST_ID:
            raise RefusedEventError(400, "names no workflow")
        return cls(payload.workflow_id, payload, body)

    def completes(self, workflow_id: str, task_ids: Collection[str]) -> bool:
        """Whether it holds the whole outcome of a workflow with exactly these tasks.

        A failed workflow never does: it has no rows that could prove that the event is its own.
        """
        payload = self.payload
        ids = [row.task_id for row in payload.rows]
        # The ids of the tasks are the proof: only the server and the submitter know them all.
        return (
            self.workflow_id == workflow_id
            and payload.is_final
            and not payload.failed
            and payload.is_complete
            and all(row.is_final for row in payload.rows)
            and len(ids) == len(set(ids)) > 0
            and set(ids) == set(task_ids)
        )

    @property
    def status(self) -> BulkStatus:
        """What a status request would answer."""
        return self.payload.as_status()


def _read(body: bytes) -> JSON:
    try:
        return parse_json(body)
    except ValueError:
        # One odd value must not lose the event. Not row by row: anybody may post what takes long to read.
        return read_leniently(body, by_rows=False).value
