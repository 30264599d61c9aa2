"""A server in a process of its own that answers faster than any client can ask, always the same."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing.connection import Connection

RESULTS, LEADS = 250, 500
WORKFLOW_ID = "public_bulk_00000001-0000-4000-8000-000000000000"
LIST_ID = "list_1"
SMALL, PAGE = "/api/v2/whoami", f"/api/v2/lead-lists/{LIST_ID}/leads"
OFFICIAL_STATUS = f"/api/v2/enrichment/status/{WORKFLOW_ID}"
OUR_STATUS = "/api/v1/public/enrich/status"

WHOAMI = {
    "organization_id": "org_1",
    "organization_name": "Analytical Engines",
    "user_id": "user_1",
    "auth_type": "api_key",
    "scopes": ["lists:read", "lists:write", "enrich:read", "enrich:write"],
    "tier": "pro",
    "features": ["api_access"],
    "timestamp_ms": 1_790_000_000_000,
}


def row(number: int) -> dict[str, object]:
    """One result in the flat shape of docs.cleanlist.ai/api-reference/webhooks."""
    return {
        "task_id": f"00000001-0000-4000-8000-{number:012x}",
        "status": "completed",
        "primary_email": f"ada{number}.lovelace@company{number}.com",
        "primary_email_status": "reliable",
        "personal_phone_numbers": [],
        "prospect": {
            "first_name": f"Ada{number}",
            "last_name": "Lovelace",
            "full_name": f"Ada{number} Lovelace",
            "linkedin_url": f"https://www.linkedin.com/in/ada-lovelace-{number}",
            "headline": "Founder and first programmer of the Analytical Engine",
            "location": "London, England, United Kingdom",
        },
        "company": {
            "name": f"Company {number}",
            "domain": f"company{number}.com",
            "industry": "Computer Software",
            "size": "11-50",
        },
    }


def status(numbers: range = range(RESULTS), workflow_id: str = WORKFLOW_ID) -> dict[str, object]:
    rows = [row(number) for number in numbers]
    summary = {"total": len(rows), "successful": len(rows), "failed": 0, "emails_found": len(rows)}
    return {"workflow_id": workflow_id, "status": "completed", "summary": summary, "results": rows}


def page() -> dict[str, object]:
    leads = [
        {
            "lead_id": f"lead_{number:032x}",
            "first_name": f"Ada{number}",
            "last_name": "Lovelace",
            "full_name": f"Ada{number} Lovelace",
            "email": f"ada{number}.lovelace@company{number}.com",
            "phone": None,
            "title": "Founder and first programmer",
            "company": f"Company {number}",
            "location": "London, England",
            "linkedin_url": f"https://www.linkedin.com/in/ada-lovelace-{number}",
            "provider": "cleanlist",
        }
        for number in range(LEADS)
    ]
    return {"list_id": LIST_ID, "leads": leads, "total": LEADS, "task_id": "cl-task_1"}


class _Answers(asyncio.Protocol):
    def __init__(self, answers: dict[str, bytes]) -> None:
        self._answers = answers
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request whose head is whole; none has a body."""
        *heads, self._received = (self._received + data).split(b"\r\n\r\n")
        for head in heads:
            path = head.split(b" ", 2)[1].split(b"?")[0].decode()
            self._transport.write(self._answers[path])


async def _serve(pipe: Connection) -> None:
    bodies = {SMALL: WHOAMI, PAGE: page(), OFFICIAL_STATUS: status(), OUR_STATUS: status()}
    answers = {path: _http(json.dumps(body).encode()) for path, body in bodies.items()}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Answers(answers), "127.0.0.1", 0, backlog=2048)
    pipe.send(server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, pipe.poll, None)  # until the benchmark closes its end


def _http(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _main(pipe: Connection) -> None:
    asyncio.run(_serve(pipe))


@contextmanager
def local_server() -> Generator[str]:
    """Run the server; yield its address."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_main, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        ours.close()
        process.join(5)
        process.kill()
