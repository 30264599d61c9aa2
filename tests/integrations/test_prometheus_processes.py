"""Metrics of several real processes, as prometheus_client collects them from the files of all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families as parsed

from cleanlist_async.integrations.metrics import STATE_METRICS
from cleanlist_async.integrations.prometheus import _name_of
from cleanlist_async.sandbox import ThreadedSandbox

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
END = "# the end"
WORKER = f"""
import asyncio, sys
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from cleanlist_async import AsyncCleanlist, RateLimiter, WebhookReceiver
from cleanlist_async.integrations.prometheus import PrometheusMetrics

PEOPLE = [{{"linkedin_url": f"linkedin.com/in/{{sys.argv[1]}}-{{n}}"}} for n in range(10)]

async def main():
    metrics = PrometheusMetrics(CollectorRegistry())
    receiver = WebhookReceiver("https://app.example/hooks")
    limiter = RateLimiter.sqlite("limits.db")
    async with AsyncCleanlist(limiter=limiter, webhooks=receiver, on_event=metrics) as client:
        metrics.watch(client)
        task = asyncio.create_task(client.enrich(PEOPLE))
        await receiver.receive("no token of ours", "application/json", b"{{}}")
        while await asyncio.to_thread(sys.stdin.readline):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
            print(generate_latest(registry).decode() + {END!r}, flush=True)

asyncio.run(main())
"""


class Worker:
    """One worker process, which answers scrapes for all of them."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def scrape(self) -> dict[str, Metric]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("scrape\n")
        self._process.stdin.flush()
        page = "".join(iter(self._process.stdout.readline, f"{END}\n"))
        return {family.name: family for family in parsed(page)}

    def until(self, name: str, value: float) -> dict[str, Metric]:
        """Scrape until the samples of a metric have this sum."""
        while True:
            found = self.scrape()
            if name in found and sum(one.value for one in found[name].samples) == value:
                return found

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def start(cleanlist_sandbox: ThreadedSandbox, tmp_path: Path) -> Iterator[Callable[[str], Worker]]:
    folder = tmp_path / "metrics"
    folder.mkdir()
    environment = {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": str(folder),
        "CLEANLIST_API_KEY": cleanlist_sandbox.api_key,
        "CLEANLIST_BASE_URL": cleanlist_sandbox.base_url,
        "PYTHONPATH": str(ROOT),
    }
    with ExitStack() as stack:

        def started(name: str) -> Worker:
            process = subprocess.Popen(
                [sys.executable, "-c", WORKER, name],
                cwd=tmp_path,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return Worker(process)

        yield started


@pytest.mark.cleanlist(workflow_s=3_600)
def test_the_state_of_all_workers_is_shown_and_none_of_a_killed_one(start: Callable[[str], Worker]) -> None:
    first, second = start("first"), start("second")
    first.until("cleanlist_runs", 2)
    both = second.until("cleanlist_webhooks_expected", 2)
    assert [_name_of(metric) for metric in STATE_METRICS if _name_of(metric) not in both] == []
    labels = {label for family in both.values() for sample in family.samples for label in sample.labels}
    assert "pid" not in labels
    # The workers share a limiter, so each bucket is one.
    buckets = [sample.labels["bucket"] for sample in both["cleanlist_tokens_available"].samples]
    assert len(buckets) == len(set(buckets)) == 2
    first.kill()
    left = second.until("cleanlist_runs", 1)
    assert [sample.value for sample in left["cleanlist_run_contacts"].samples] == [20]  # it had begun
    assert "cleanlist_tokens_available" in left


@pytest.mark.cleanlist(workflow_s=3_600)
def test_a_worker_that_is_killed_leaves_nothing_to_its_successor(start: Callable[[str], Worker]) -> None:
    first = start("first")
    first.until("cleanlist_runs", 1)
    first.kill()
    found = start("second").until("cleanlist_run_contacts", 20)
    assert [sample.value for sample in found["cleanlist_runs"].samples] == [1]


WITHOUT_A_FOLDER = """
from prometheus_client import CollectorRegistry
from cleanlist_async.integrations.prometheus import PrometheusMetrics

registry = CollectorRegistry()
try:
    PrometheusMetrics(registry)
except Exception as error:
    print(type(error).__name__, error, list(registry.collect()))
"""


@pytest.mark.parametrize("folder", ["not-there", "a-file", ""])
def test_a_folder_that_is_not_there_is_named(folder: str, tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_FOLDER],
        cwd=tmp_path,
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": folder, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == (
        f"ConfigurationError $PROMETHEUS_MULTIPROC_DIR is {folder!r}, which is no folder that can be written."
        " Set it to an empty folder that is there before the first process starts, or unset it where there is"
        " only one process. []\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a-file"]
