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
        posts = [post for _ in range(random.choice([0, 0, 1, 2, 3])) for post in self._junk(token, body)]
        match random.choice(["straight", "straight", "lost", "late", "repeated", "torn"]):
            case "straight":
                posts.append((random.choice([0.0, 1.0]), token, JSON_TYPE, body))
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
        stolen = [
            dict(row, primary_email="mallory@evil.example", task_id=f"x{n}") for n, row in enumerate(results)
        ]
        post = random.choice(
            [
                (token, JSON_TYPE, changed(body, status="processing")),
                (token, JSON_TYPE, changed(body, status="failed", results=[])),
                (token, JSON_TYPE, changed(body, workflow_id="public_bulk_of_somebody_else")),
                (token, JSON_TYPE, changed(body, results=stolen, tasks=None, data=None)),
                (token, JSON_TYPE, changed(body, results=results[1:], tasks=None, data=None)),
                (token, JSON_TYPE, changed(body, results=results + stolen[:1], tasks=None, data=None)),
                (token, JSON_TYPE, changed(body, results_truncated=3)),
                (token, JSON_TYPE, other_body if other_token != token else b"{}"),
                (token, "text/html", body),
                (token, JSON_TYPE, b"x" * 5_000_000),
                (other_token if other_token != token else forged, JSON_TYPE, body),
                (forged, JSON_TYPE, body),
            ]
        )  # fmt: skip
        return [(random.uniform(0, 5), *post)]
