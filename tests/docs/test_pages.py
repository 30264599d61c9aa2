"""Every page of the documentation does what it says: its blocks run, and print what stands below them."""

import ast
import asyncio
import os
import sys
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

import cleanlist_async
from cleanlist_async import events
from cleanlist_async.integrations import fastapi
from cleanlist_async.integrations.opentelemetry import OpenTelemetry
from cleanlist_async.integrations.prometheus import PrometheusMetrics
from cleanlist_async.sandbox import Sandbox
from cleanlist_async.sync import Cleanlist
from cleanlist_async.testing import VirtualCleanlist, VirtualSandbox
from docs.generated import ERRORS_PAGE, with_tables
from tests.docs.page import Block, Reader, blocks, examples
from tests.support.source_tree import modules

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
NAMES = {
    **{
        name: getattr(module, name)
        for module in (cleanlist_async, events, fastapi)
        for name in module.__all__
    },
    "Cleanlist": Cleanlist,
    "FastAPI": FastAPI,
    "OpenTelemetry": OpenTelemetry,
    "PrometheusMetrics": lambda: PrometheusMetrics(CollectorRegistry()),
    "Sandbox": Sandbox,
    "VirtualCleanlist": VirtualCleanlist,
    "VirtualSandbox": VirtualSandbox,
    "people": [{"linkedin_url": f"linkedin.com/in/ada-{number}"} for number in range(3)],
    "contacts": [{"first_name": "Ada", "last_name": "Lovelace", "company_domain": "engines.example"}],
}
# A part of a program, which examples/temporal_worker has as a whole; a proxy and certificates of a company.
NOT_RUN = {"docs/guides/temporal.md: in_a_workflow.py", "docs/guides/networks.md: certificates.py"}
OPEN = "client = await AsyncCleanlist(store='purchases.db').__aenter__()"


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """What a reader has: a folder of its own, a server, and the installed command."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Sandbox(workflow_s=0.5)) as sandbox,
    ):
        for name in [name for name in os.environ if name.startswith(("CLEANLIST_", "XDG_"))]:
            monkeypatch.delenv(name)
        settings = {
            "CLEANLIST_API_KEY": sandbox.api_key,
            "CLEANLIST_BASE_URL": sandbox.base_url,
            "HOME": str(tmp_path / "home"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONUTF8": "1",
            "COLUMNS": "80",
            "TERM": "dumb",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        (tmp_path / "work").mkdir()
        monkeypatch.chdir(tmp_path / "work")
        yield dict(os.environ)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_does_what_it_says(page, environment):
    Reader(page, Path.cwd(), environment).read()


def test_the_examples_of_docstrings_run(environment):
    """In a namespace that has what a reader has by then: the public names, an open client, contacts."""
    del environment
    Path("contacts.csv").write_text("First Name,Last Name,Website\nAda,Lovelace,engines.example\n")
    found = 0
    for module in modules().values():
        for node in ast.walk(ast.parse(module.text)):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for text in examples(ast.get_docstring(node) or ""):
                with asyncio.Runner() as runner:
                    reader = Reader(Path(module.name), Path.cwd(), {}, dict(NAMES))
                    for source in (OPEN, text):
                        reader.do(Block(1, "python", None, source), runner)
                found += 1
    assert found >= 7


def test_the_page_of_errors_is_that_of_the_code():
    """`python -m docs.generated --write` brings it up to date."""
    page = ERRORS_PAGE.read_text("utf-8")
    assert with_tables(page) == page


def test_every_program_that_a_page_shows_is_run_by_it():
    """By its commands, or a block that readers do not see; those for ASGI frameworks by `test_asgi`."""
    unused = set[str]()
    for page in (page for page in PAGES if page.name != "asgi.md"):
        shown = list(blocks(page))
        for place, block in enumerate(shown, 1):
            if block.language == "python" and block.title:
                name = Path(block.title).stem
                if not any(name in later.text for later in shown[place:]):
                    unused.add(f"{page.relative_to(ROOT)}: {block.title}")
    assert unused == NOT_RUN


def test_every_block_of_code_names_its_language():
    nameless = {
        f"{page.relative_to(ROOT)}:{block.line}"
        for page in PAGES
        for block in blocks(page)
        if not block.language
    }
    assert nameless == set()
