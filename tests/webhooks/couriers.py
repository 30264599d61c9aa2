"""Delivers the sandbox's webhooks in virtual time, straight into a receiver, disturbed as a test wishes."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import anyio

from cleanlist_async import WebhookReceiver
from tests.support.virtual_sandbox import open_world

PUBLIC_URL = "https://app.example/webhooks/cleanlist"
JSON_TYPE = "application/json"


def token_in(url: str) -> str:
    assert url.startswith(f"{PUBLIC_URL}/")
    return url.removeprefix(f"{PUBLIC_URL}/")


class MemoryStore:
    """Events between receivers of one process."""

    def __init__(self) -> None:
        self.events: dict[str, list[bytes]] = {}

    async def put(self, submission_id, event) -> bool:
        kept = self.events.setdefault(submission_id, [])
        if event not in kept:
            kept.append(event)
        return True

    async def take(self, submission_ids):
        return {id_: self.events.pop(id_) for id_ in submission_ids if id_ in self.events}


class Courier:
    """Posts the event of each workflow once it is done; repeats it as the vendor does until it is taken."""

    def __init__(self, world, receiver, disturb=None) -> None:
        self.world = world
        self.receiver = receiver
        self.disturb = disturb or (lambda _workflow, token, body: [(0.0, token, JSON_TYPE, body)])
        self.answers: list[int] = []
        self._seen: set[str] = set()

    async def run(self) -> None:
        async with anyio.create_task_group() as group:
            while True:
                self.world.sandbox._advance()
                for workflow in list(self.world.sandbox._workflows._workflows.values()):
                    done = workflow.completes_at <= self.world.sandbox.clock()
                    if done and workflow.webhook_url and workflow.workflow_id not in self._seen:
                        self._seen.add(workflow.workflow_id)
                        group.start_soon(self._deliver, workflow)
                await anyio.sleep(0.05)

    async def _deliver(self, workflow) -> None:
        token = token_in(workflow.webhook_url)
        body = self.world.sandbox._webhook_payload(workflow)
        async with anyio.create_task_group() as group:
            for delay_s, *post in self.disturb(workflow, token, body):
                group.start_soon(self._post, delay_s, *post)

    async def _post(self, delay_s, token, content_type, body) -> None:
        await anyio.sleep(delay_s)
        for wait_s in (1, 2, 4, 8, 16):
            answer = await self.receiver.receive(token, content_type, body)
            self.answers.append(answer.status)
            if answer.status < 300:
                return
            await anyio.sleep(wait_s)


@asynccontextmanager
async def delivering(world, receiver, disturb=None):
    courier = Courier(world, receiver, disturb)
    async with anyio.create_task_group() as group:
        group.start_soon(courier.run)
        try:
            yield courier
        finally:
            group.cancel_scope.cancel()


@asynccontextmanager
async def world_with_webhooks(*, receiver_options=None, disturb=None, client_options=None, **options):
    """A world, the receiver that its client has, and the courier that brings it the world's events."""
    receiver = WebhookReceiver(PUBLIC_URL, **(receiver_options or {}))
    client_options = {"webhooks": receiver, **(client_options or {})}
    async with (
        open_world(client_options=client_options, **options) as world,
        delivering(world, receiver, disturb) as courier,
    ):
        yield world, receiver, courier
    check_each_event_has_one_outcome(receiver)


def check_each_event_has_one_outcome(*receivers: WebhookReceiver) -> None:
    """Check the counts of receivers whose submits are over."""
    for said in (receiver.statistics() for receiver in receivers):
        outcomes = said.believed, said.confirmed, said.repeated, said.passed_on, said.dropped
        assert said.received == sum(outcomes), said


def changed(body: bytes, **fields) -> bytes:
    return json.dumps({**json.loads(body), **fields}).encode()
