"""One webhook event as received, and passed between workers. It is unsigned, so it is not trusted yet."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterable, Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

import anyio.lowlevel

from cleanlist_async import facts
from cleanlist_async.api.models.public import BulkStatus, WebhookPayload
from cleanlist_async.events import report_failure
from cleanlist_async.http.decode import parse_json
from cleanlist_async.http.lenient_json import read_leniently
from cleanlist_async.types import JSON

_LONGEST_ID: Final = 128

_CHUNKS_AT_ONCE: Final = 1_000
"""Chunks of a body read between two checkpoints."""
log: Final = logging.getLogger("cleanlist_async")
LOOK_EVERY_S: Final = 0.5
LOOK_AGAIN_S: Final = 5.0
"""Seconds until the next look after the store could not be read."""


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


def check_content_type(content_type: str | None) -> None:
    """Raise RefusedEventError 415 unless it is a type of JSON."""
    kind = content_type if isinstance(content_type, str) else ""  # pyright: ignore[reportUnnecessaryIsInstance]
    kind = kind.partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise RefusedEventError(415, "not application/json")


class BodyReader:
    """Reads bodies of at most *limit* bytes, at most MAX_WEBHOOKS_READ_AT_ONCE at once per token."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: Counter[str] = Counter()

    async def read(self, token: str, body: bytes | AsyncIterable[bytes]) -> bytes:
        """Return the whole body.

        Raises RefusedEventError: 413 as soon as it is too long, 429 without reading it while too many are
        being read for this token, 400 when the sender disconnects.
        """
        if isinstance(body, bytes | bytearray | memoryview):
            if len(body) > self._limit:
                raise RefusedEventError(413, "too large")
            return bytes(body)
        with self._place(token):
            return await self._read(body)

    async def _read(self, body: AsyncIterable[bytes]) -> bytes:
        whole, chunks = bytearray(), 0
        try:
            async for chunk in body:
                whole += chunk
                chunks += 1
                if len(whole) > self._limit:
                    break  # refused below: in here, that would be taken for a disconnect
                if not chunks % _CHUNKS_AT_ONCE:  # reading a buffered body never yields
                    await anyio.lowlevel.checkpoint()
        except Exception:  # noqa: BLE001  # frameworks raise different errors when the sender disconnects
            raise RefusedEventError(400, "incomplete body") from None
        if len(whole) > self._limit:
            raise RefusedEventError(413, "too large")
        return bytes(whole)

    @contextmanager
    def _place(self, token: str) -> Generator[None]:
        if self._open[token] >= facts.MAX_WEBHOOKS_READ_AT_ONCE:
            raise RefusedEventError(429, "too many at once")
        self._open[token] += 1
        try:
            yield
        finally:
            self._open[token] -= 1
            if not self._open[token]:  # forged tokens must not fill the memory
                del self._open[token]


class EventStore(Protocol):
    """Store of events between workers. They hold contact data: keep it private, and events only briefly.

    An event may be deleted after an hour: its owner has asked the server by then. Only a job that lost the
    answer to a submit, and is not resumed within the hour, misses something.
    """

    async def put(self, submission_id: str, event: bytes, /) -> bool | None:
        """Keep an event until its owner takes it. Once this returns, the sender is answered with success.

        Return False if there is no room: the sender is refused, and the owner asks the server. Limit the
        events of one submit: the server and its operators know the address too.
        """
        ...

    async def take(self, submission_ids: Collection[str], /) -> Mapping[str, Sequence[bytes]]:
        """Return the events of these submits so far, and delete them. Does not wait."""
        ...


async def look_into(
    store: EventStore, submission_ids: Collection[str], give: Callable[[str, bytes], object]
) -> bool:
    """Pass stored events of these submissions to *give*. Return whether the store could be read.

    Raises what *give* raises: the event that it failed on, and those after it, go back into the store.
    """
    try:
        found = await store.take(submission_ids)
        mail = [(id_, event) for id_ in submission_ids for event in found.get(id_, ())]
    except Exception as problem:  # noqa: BLE001  # a store of the caller's own may raise anything
        report_failure("the store of webhook events", problem)
        return False
    given = 0
    try:
        for id_, event in mail:
            give(id_, event)
            given += 1
    except Exception:
        await _put_back(store, mail[given:])
        raise
    return True


async def _put_back(store: EventStore, mail: Sequence[tuple[str, bytes]]) -> None:
    try:
        for id_, event in mail:
            if await store.put(id_, event) is False:
                log.warning("an event that could not be processed was dropped: too many are waiting")
    except Exception as problem:  # noqa: BLE001  # see above
        report_failure("storing an event again", problem)
