"""A server that answers every request of an operation that it knows as if all were well, and counts them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import count

from cleanlist_async.testing import ServerRequest, ServerResponse
from tests.surface.specification import OURS, SPECIFIED, sample

_PREFIX = "/api/v2"
_SAID = {"status": "completed", "sufficient": True, "estimated_cost": 1, "error": None, "download_url": None}
"""What an answer has to say of these, where it has them, for a call to end well."""
_PUBLIC: dict[str, object] = {
    "/credits/balance": {"credits": 7.5},
    "/auth/validate-key": {"valid": True},
    "/webhooks/deliveries": {"deliveries": []},
}


class AgreeableServer:
    """Knows nothing of limits, and finds nobody."""

    def __init__(self) -> None:
        self.requests = 0
        self.spoil: Callable[[bytes], bytes] = lambda body: body
        """What becomes of each answer on its way."""
        self._numbers = count(1)
        self._tasks: dict[str, list[str]] = {}

    async def __call__(self, request: ServerRequest) -> ServerResponse:
        self.requests += 1
        public = request.path.removeprefix("/api/v1/public")
        answer = _modern(request) if public == request.path else self._public(request, public)
        if answer is None:
            return ServerResponse(404, b'{"detail": "Not Found"}', (("content-type", "application/json"),))
        body = self.spoil(json.dumps(answer).encode())
        return ServerResponse(200, body, (("content-type", "application/json"),))

    def _public(self, request: ServerRequest, path: str) -> object:
        if path == "/enrich/bulk":
            workflow = f"wf_{next(self._numbers)}"
            contacts = json.loads(request.body)["contacts"]
            tasks = self._tasks[workflow] = [f"{workflow}_{at}" for at in range(len(contacts))]
            return {"workflow_id": workflow, "task_ids": tasks, "total_contacts": len(tasks)}
        if path == "/enrich/status":
            workflow, task = request.query.get("workflow_id"), request.query.get("task_id")
            rows = [{"task_id": task, "status": "failed"} for task in self._tasks.get(workflow or "", [])]
            named = {"workflow_id": workflow} if task is None else {"task_id": task}
            return {**named, "status": "completed", "results": rows}
        return _PUBLIC.get(path)


def _modern(request: ServerRequest) -> object:
    path = request.path.removeprefix(_PREFIX)
    for name, operation in OURS.items():
        template = re.sub(r"\{\w+\}", "([^/]+)", operation.path)
        if operation.method == request.method and (found := re.fullmatch(template, path)):
            answer = sample(SPECIFIED[name]["response_model"]) if name in SPECIFIED else {"results": []}
            asked = request.query | _fields(request.body)
            ids = dict(zip(re.findall(r"\{(\w+)\}", operation.path), found.groups(), strict=True))
            own = {field: value for field, value in _SAID.items() if field in answer}
            same = {field: value for field, value in (asked | ids).items() if field in answer}
            return answer | own | same | {"cursor": None}
    return {"folders": []} if path == "/folders" else None


def _fields(body: bytes) -> dict[str, object]:
    found = json.loads(body or b"{}")
    return (
        {field: value for field, value in found.items() if field.endswith("_id")}
        if isinstance(found, dict)
        else {}
    )
