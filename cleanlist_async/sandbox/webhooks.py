"""Delivery of webhooks: a POST on completion, repeated with back-off until it is acknowledged.

docs.cleanlist.ai/guides/receiving-webhooks: any 2xx within 10 s acknowledges, five attempts, unsigned.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import anyio

from .ledger import DeliveryRecord, Ledger
from .options import Options
from .workflows import Workflow

if TYPE_CHECKING:
    import httpx

LONGEST_SLEEP_S: Final = 0.05
"""The clock may be a test's own, so it is looked at this often while a delivery is waiting."""


class WebhookSender:
    """Sends each workflow's webhook when the workflow has completed or failed."""

    def __init__(self, options: Options, ledger: Ledger, payload_of: Callable[[Workflow], bytes]) -> None:
        self._options = options
        self._ledger = ledger
        self._payload_of = payload_of
        self._waiting: list[tuple[float, int, Workflow]] = []
        self._under_way = 0
        self._scheduled = anyio.Event()

    @property
    def idle(self) -> bool:
        """Whether everything was delivered or given up."""
        return not (self._waiting or self._under_way)

    def schedule(self, workflow: Workflow) -> None:
        """Deliver a workflow's webhook, if it has one, when it completes."""
        if workflow.webhook_url:
            # The number keeps the heap from comparing workflows that complete at the same time.
            heapq.heappush(self._waiting, (workflow.completes_at, workflow.number, workflow))
            self._scheduled.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        await self._scheduled.wait()
        import httpx  # noqa: PLC0415 - a sandbox without webhooks does not need it

        # A receiver may close a kept connection just when the next event is sent.
        limits = httpx.Limits(max_keepalive_connections=0)
        timeout = httpx.Timeout(self._options.webhook_timeout_s)
        async with (
            # A proxy of the environment could not reach a receiver on this machine.
            httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=False) as http,
            anyio.create_task_group() as deliveries,
        ):
            while True:
                workflow = await self._next()
                # Counted before the task begins, or settle() could see nothing left in between.
                self._under_way += 1
                deliveries.start_soon(self._deliver, http, workflow)

    async def _next(self) -> Workflow:
        while True:
            if not self._waiting:
                # An event cannot be cleared, so each wait has a new one.
                self._scheduled = anyio.Event()
                await self._scheduled.wait()
            wait_s = self._waiting[0][0] - self._options.clock()
            if wait_s <= 0:
                return heapq.heappop(self._waiting)[2]
            await anyio.sleep(min(wait_s, LONGEST_SLEEP_S))

    async def _deliver(self, http: httpx.AsyncClient, workflow: Workflow) -> None:
        try:
            # Once for all attempts: a repeated delivery is the same event.
            payload = self._payload_of(workflow)
            waits = list(self._options.webhook_backoff_s)
            for attempt, wait_s in enumerate(waits, start=1):
                if await self._attempt(http, workflow, payload, attempt):
                    return
                if attempt < len(waits):
                    await anyio.sleep(wait_s)
        finally:
            self._under_way -= 1

    async def _attempt(
        self, http: httpx.AsyncClient, workflow: Workflow, payload: bytes, attempt: int
    ) -> bool:
        import httpx as _httpx  # noqa: PLC0415

        status: int | None = None
        error: str | None = None
        headers = {"content-type": "application/json"}
        try:
            answer = await http.post(workflow.webhook_url or "", content=payload, headers=headers)
            status = answer.status_code
            error = None if answer.is_success else f"HTTP {status}"
        except (_httpx.HTTPError, _httpx.InvalidURL) as problem:  # InvalidURL is no HTTPError
            error = type(problem).__name__
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._ledger.deliveries.append(
            DeliveryRecord(workflow.workflow_id, attempt, error is None, status, error, now)
        )
        return error is None
