"""The programs of the page for ASGI frameworks, behind a real uvicorn, with webhooks that come home."""

from __future__ import annotations

import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from cleanlist_async.sandbox import Sandbox
from tests.docs.page import blocks
from tests.support.backends import served

pytestmark = [pytest.mark.sockets, pytest.mark.slow, pytest.mark.anyio]

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "asgi.md"
FRAMEWORKS = ["starlette", "litestar", "django"]
ADA = {"first_name": "Ada", "last_name": "Lovelace", "company_domain": "analytical.example"}


@asynccontextmanager
async def backend(framework, monkeypatch, key=None, **options):
    """A server that runs the program, and a caller of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with Sandbox(**options) as sandbox:
        monkeypatch.setenv("CLEANLIST_API_KEY", key or sandbox.api_key)
        monkeypatch.setenv("CLEANLIST_BASE_URL", sandbox.base_url)
        monkeypatch.setenv("PUBLIC_URL", f"http://127.0.0.1:{port}")
        if framework == "django":
            forget_django()
        app = program(framework).app
        async with (
            served(app, port=port) as address,
            httpx.AsyncClient(base_url=address, timeout=60) as caller,
        ):
            yield caller, sandbox


def forget_django() -> None:
    """Let settings be configured once more: a process has one Django."""
    from django.conf import settings
    from django.urls import clear_url_caches
    from django.utils.functional import empty

    settings._wrapped = empty
    clear_url_caches()


def program(framework: str) -> ModuleType:
    """The program of a framework, run as a module of its own."""
    title = f"{framework}_app.py"
    (block,) = (block for block in blocks(PAGE) if block.title == title)
    module = sys.modules[title] = ModuleType(title)
    exec(compile("\n" * block.line + block.text, str(PAGE), "exec"), vars(module))
    return module


def test_every_program_of_the_page_is_run():
    assert [block.title for block in blocks(PAGE)] == [f"{framework}_app.py" for framework in FRAMEWORKS]


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_a_contact_is_enriched_by_a_webhook_and_the_probes_are_well(framework, monkeypatch):
    async with backend(framework, monkeypatch, workflow_s=0.2) as (caller, sandbox):
        answer = await caller.post("/enrich", json=ADA)
        assert (answer.status_code, answer.json()["status"]) == (200, "found")
        assert answer.json()["email"].startswith("ada.lovelace.")
        assert [delivery.response_code for delivery in sandbox.ledger.deliveries] == [204]
        assert (await caller.get("/ready")).json() == {"ready": True, "obstacles": []}
        assert (await caller.get("/health")).json()["status"] == "ok"
        forged = await caller.post("/webhooks/cleanlist/forged", json={"workflow_id": "wf_1"})
        assert forged.status_code == 404


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_a_rejected_key_is_a_fault_of_ours_and_ends_the_readiness(framework, monkeypatch):
    async with backend(framework, monkeypatch, key="clapi_revoked_0123456789") as (caller, _):
        answer = await caller.post("/enrich", json=ADA)
        assert answer.status_code == 500
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "authentication"
        ready = await caller.get("/ready")
        assert (ready.status_code, ready.json()["obstacles"]) == (503, ["key_rejected"])


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_a_contact_that_cannot_be_read_is_422_without_its_values(framework, monkeypatch):
    async with backend(framework, monkeypatch) as (caller, sandbox):
        answer = await caller.post("/enrich", json={"first_name": ["Ada of the Analytical Engine"]})
        assert answer.status_code == 422
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "Analytical" not in answer.text
        assert sandbox.ledger.requests == []
