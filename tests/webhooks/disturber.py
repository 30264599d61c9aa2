"""Disturbs the delivery of events at random, as a sender may who knows the addresses but not the tasks."""

from __future__ import annotations

import json
from random import Random

from tests.webhooks.couriers import JSON_TYPE, changed


class Disturber:
    """Makes of an event what is posted: any number of (delay in seconds, token, content type, body)."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._others: list[tuple[str, bytes]] = []

    def __call__(self, _workflow, token, body):
        random = self._random
        posts = [post for _ in range(random.choice([0, 1, 1, 4])) for post in self._junk(token, body)]
        match random.choice(["straight", "straight", "lost", "late", "repeated", "torn"]):
            case "straight":
                posts.append((random.choice([0.0, 4.0]), token, JSON_TYPE, body))
            case "late":
                posts.append((random.uniform(10, 200), token, JSON_TYPE, body))
            case "repeated":
                posts += [(random.uniform(0, 40), token, JSON_TYPE, body) for _ in range(3)]
            case "torn":
                posts.append((0.0, token, JSON_TYPE, body[: len(body) // 2]))
        self._others.append((token, body))
        return posts

    def _junk(self, token, body):
        random, event = self._random, json.loads(body)
        results = event.get("results") or event.get("tasks") or event.get("data") or []
        other_token, other_body = random.choice(self._others or [(token, body)])
        forged = "".join(random.choices("0123456789abcdef", k=64))
        stolen = [_stolen(row, n) for n, row in enumerate(results)]
        rows = random.choice([stolen, results[1:], results + stolen[:1], [*stolen[:1], *results[1:]]])
        tampered = (token, JSON_TYPE, changed(body, results=rows, tasks=None, data=None))
        post = random.choice(
            [
                *[tampered] * 9,
                (token, JSON_TYPE, changed(body, status="processing")),
                (token, JSON_TYPE, changed(body, status="failed", results=[])),
                (token, JSON_TYPE, changed(body, workflow_id="public_bulk_of_somebody_else")),
                (token, JSON_TYPE, changed(body, results_truncated=3)),
                (token, JSON_TYPE, other_body if other_token != token else b"{}"),
                (token, "text/html", body),
                (token, JSON_TYPE, b"x" * 5_000_000),
                (other_token if other_token != token else forged, JSON_TYPE, body),
                (forged, JSON_TYPE, body),
            ]
        )
        return [(random.uniform(0, 3), *post)]


def _stolen(row, number):
    """Mallory's address in somebody's row, as another task."""
    mail = "mallory@evil.example"
    nested = "result" in row
    mine = {"result": {**(row["result"] or {}), "email": mail}} if nested else {"primary_email": mail}
    return {**row, **mine, "task_id": f"x{number}"}
