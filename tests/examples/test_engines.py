"""The examples for other engines, run for real: killed in the middle, and redelivered to an empty disk."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import psycopg
import pytest

from cleanlist_async import AsyncCleanlist
from cleanlist_async.sandbox import Sandbox
from tests.examples.running_app import settings_for
from tests.support.redis_server import redis_server

pytestmark = [pytest.mark.slow, pytest.mark.sockets, pytest.mark.anyio, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CONTACTS = 1_500
UV = (sys.executable, "-m", "uv")
_OF_THE_TESTS = ("CLEANLIST_", "PYTEST_", "PYTHON")
PACKAGES = {
    "celery": ["celery[redis]>=5.5"],
    "airflow": ["apache-airflow>=3.1"],
    "dagster": ["dagster>=1.9"],
    "temporal": ["temporalio>=1.8"],
}


ACCEPTED_AND_SENDING = """
SELECT count(*) FILTER (WHERE state = 'accepted'), count(*) FILTER (WHERE state = 'sending')
FROM cleanlist_submits
"""


class Machine:
    """A disk of its own, on which an engine of a virtual environment runs an example."""

    def __init__(self, python: Path, folder: Path, settings: Mapping[str, str]) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self._python = python
        self._settings = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("CLEANLIST_", "PYTEST_"))
            },
            "HOME": str(folder),
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_STATE_HOME": str(folder / "state"),
            **settings,
        }

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / "printed").open("a") as printed:
            return subprocess.Popen(
                [str(self._python), *command],
                cwd=self.folder,
                env=self._settings,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that its children can be killed with it
            )

    async def run(self, *command: str) -> None:
        with self.running(*command) as process:
            await until(lambda: process.poll() is not None)
        assert process.returncode == 0, self.printed

    @contextmanager
    def running(self, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        process = self.start(*command)
        try:
            yield process
        finally:
            kill(process)

    async def kill_in_the_middle(self, *command: str) -> None:
        """Kill it once two submits are accepted, and none is on its way: that one would be unknown."""
        with self.running(*command) as process:
            await until(lambda: self._stands_between_submits(process.pid))

    def _stands_between_submits(self, group: int) -> bool:
        os.killpg(group, signal.SIGSTOP)
        with psycopg.connect(self._settings["CLEANLIST_STORE"]) as store:
            made = store.execute("SELECT to_regclass('cleanlist_submits') IS NOT NULL").fetchone()
            counted = store.execute(ACCEPTED_AND_SENDING).fetchone() if made == (True,) else None
        accepted, on_their_way = counted or (0, 0)
        if accepted >= 2 and not on_their_way:
            return True
        os.killpg(group, signal.SIGCONT)
        return False

    @property
    def printed(self) -> str:
        return (self.folder / "printed").read_text()[-6_000:]


def kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def engines():
    """Return the Python of an engine's own virtual environment, which is made when it is first asked for."""
    made: dict[str, Path] = {}
    with TemporaryDirectory(prefix="cleanlist-engines-", dir="/var/tmp") as folder:  # too large for memory

        def python_of(engine: str) -> Path:
            if engine not in made:
                python = made[engine] = Path(folder, engine, "bin", "python")
                uv = partial(subprocess.run, check=True, capture_output=True, timeout=240)
                uv([*UV, "venv", "--quiet", str(Path(folder, engine))])
                package = ("-e", f"{ROOT}[postgres,cli]")
                uv([*UV, "pip", "install", "--python", str(python), *PACKAGES[engine], *package])
            return made[engine]

        yield python_of


@pytest.fixture
async def api(postgres, database):
    """A server whose workflows take a second, and the settings that lead to it and to a new store."""
    async with Sandbox(workflow_s=1.0, credits=100_000) as sandbox:
        yield sandbox, settings_for(sandbox, postgres.url(database))


@pytest.fixture
def contacts(tmp_path):
    path = tmp_path / "contacts.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("First name", "Last name", "Company domain"))
        writer.writerows((f"Ada{n}", "Lovelace", "analytical.example") for n in range(CONTACTS))
    return path


async def test_celery_delivers_a_killed_task_to_another_worker(engines, api, contacts, tmp_path):
    sandbox, settings = api
    with redis_server() as redis:
        settings |= {"CELERY_BROKER_URL": redis.url, "VISIBILITY_TIMEOUT_S": "5"}
        settings |= {"PYTHONPATH": str(EXAMPLES / "celery_app")}
        one, other = (Machine(engines("celery"), tmp_path / name, settings) for name in ("one", "other"))
        worker = ("-m", "celery", "-A", "tasks", "worker", "--pool=solo", "--loglevel=info")
        await one.run(str(EXAMPLES / "celery_app" / "tasks.py"), "crm", str(contacts))
        await one.kill_in_the_middle(*worker)
        with other.running(*worker):
            await until(lambda: "succeeded" in other.printed)
    assert_bought_once(sandbox)


async def test_a_killed_airflow_task_goes_on_with_an_empty_disk(engines, api, contacts, tmp_path):
    sandbox, settings = api
    settings |= {"CONTACTS": str(contacts), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    settings |= {"AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES / "airflow_dag")}
    settings |= {"PYTHONPATH": str(EXAMPLES / "airflow_dag")}
    one, other = (
        Machine(engines("airflow"), tmp_path / name, settings | {"AIRFLOW_HOME": str(tmp_path / name)})
        for name in ("one", "other")
    )
    night = ("-m", "airflow", "dags", "test", "nightly_enrichment", "2026-11-20")
    await one.run("-m", "airflow", "db", "migrate")
    await one.kill_in_the_middle(*night)
    await other.run("-m", "airflow", "db", "migrate")
    await other.run(*night)
    assert_bought_once(sandbox)


async def test_a_dagster_run_is_retried_on_another_machine(engines, api, contacts, tmp_path):
    sandbox, settings = api
    settings |= {"CONTACTS": str(contacts), "JOB": "crm"}
    one, other = (
        Machine(engines("dagster"), tmp_path / name, settings | {"DAGSTER_HOME": str(tmp_path / name)})
        for name in ("one", "other")
    )
    definitions = str(EXAMPLES / "dagster_job" / "definitions.py")
    job = ("-m", "dagster", "job", "execute", "-f", definitions, "-j", "enrich_contacts")
    await one.kill_in_the_middle(*job)
    await other.run(*job)
    assert_bought_once(sandbox)


async def test_the_temporal_activities_run_a_job_and_chunks(engines, api, contacts, tmp_path):
    sandbox, settings = api
    settings |= {"PYTHONPATH": str(EXAMPLES / "temporal_worker")}
    async with AsyncCleanlist(
        sandbox.api_key, base_url=sandbox.base_url, store=settings["CLEANLIST_STORE"]
    ) as client:
        await (await client.job("crm", contacts)).aclose()
    machine = Machine(engines("temporal"), tmp_path / "one", settings)
    await machine.run(str(Path(__file__).with_name("temporal_activities.py")), "crm")
    came = json.loads(machine.printed.splitlines()[-1])
    assert came["done"]["found"] > 0
    assert came["beats"] > 0
    assert came["rows"] == 20
    assert came["refused"] == {"type": "RequestValidationError", "non_retryable": True}
    assert len(sandbox.ledger.times_accepted()) == CONTACTS + 20
    assert not sandbox.ledger.duplicates(), (
        len(sandbox.ledger.duplicates()),
        [
            (r.path, r.status, round(r.at, 1))
            for r in sandbox.ledger.requests
            if "bulk" in r.path and r.method == "POST"
        ],
    )


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    with anyio.fail_after(300):
        while not condition():  # noqa: ASYNC110
            await anyio.sleep(0.1)


def assert_bought_once(sandbox: Sandbox) -> None:
    assert len(sandbox.ledger.times_accepted()) == CONTACTS
    assert not sandbox.ledger.duplicates(), (
        len(sandbox.ledger.duplicates()),
        [
            (r.path, r.status, round(r.at, 1))
            for r in sandbox.ledger.requests
            if "bulk" in r.path and r.method == "POST"
        ],
    )
