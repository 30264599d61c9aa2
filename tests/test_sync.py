"""The blocking client, as threads, scripts and workers use it."""

from __future__ import annotations

import gc
import inspect
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cleanlist_async import (
    AuthenticationError,
    ConfigurationError,
    Contact,
    Job,
    ResultStream,
    WrongEventLoopError,
)
from cleanlist_async.sandbox import Fault, ThreadedSandbox
from cleanlist_async.sandbox.client import limits_of
from cleanlist_async.sync import Cleanlist, SyncFrames, SyncJob, SyncPages, SyncResults
from cleanlist_async.testing import no_double_charge
from cleanlist_async.types import FrameStream

pytestmark = pytest.mark.sockets


@pytest.fixture
def sandbox():
    with ThreadedSandbox(window_s=1.0, workflow_s=0.05) as running:
        yield running


@pytest.fixture
def client(sandbox):
    with client_of(sandbox) as opened:
        yield opened


def client_of(sandbox, **options) -> Cleanlist:
    return Cleanlist(sandbox.api_key, base_url=sandbox.base_url, rate_limits=limits_of(sandbox), **options)


def people(count: int) -> list[Contact]:
    return [
        Contact(first_name=f"Ada{n}", last_name="Lovelace", company_domain="a.example") for n in range(count)
    ]


def test_a_list_is_enriched(client, sandbox):
    report = client.enrich(people(300))
    assert len(report.results) == 300
    no_double_charge(sandbox)


def test_results_are_streamed_from_a_generator(client):
    with client.stream(person for person in people(300)) as results:
        assert sorted(result.index for result in results) == list(range(300))
    assert results.summary.contacts == 300


def test_a_stream_that_is_left_early_can_be_collected(client, sandbox):
    with client.stream(people(600)) as results:
        first = next(iter(results))
    assert first.status in {"found", "not_found"}
    left = results.async_object.leftover
    bought = [result.index for result in (first, *left) if result.status != "failed"]
    assert len(bought) == len({*bought}) == len(sandbox.ledger.accepted_contacts())
    collected = client.collect(results.pending)
    assert {result.status for result in collected.results} <= {"found", "not_found"}
    no_double_charge(sandbox)


def test_threads_share_requests(sandbox):
    with client_of(sandbox) as client, ThreadPoolExecutor(150) as pool:
        results = list(pool.map(client.enrich_one, people(150)))
    assert [result.contact for result in results] == people(150)
    assert len(sandbox.ledger.requests_of("/enrich/bulk")) <= 30
    assert sandbox.ledger.count(429) == 0


def test_a_job_runs_and_is_resumed(client, tmp_path):
    with client.job(tmp_path / "crm.journal", people(300)) as job:
        assert len({result.index for result in job}) == 300
        assert job.status().state == "complete"
        assert sum(1 for _ in job.receipts()) == 300
    with client.job(tmp_path / "crm.journal", people(300)) as again:
        assert again.run().status.state == "complete"


def test_pages_are_walked(client):
    for number in range(3):
        client.lead_lists.create_list(f"List {number}")
    assert len(client.lead_lists.list_lists(limit=2).page().lists) == 2
    names = {found.name for found in client.lead_lists.list_lists(limit=2)}
    assert {"List 0", "List 1", "List 2"} <= names
    assert sum(len(page.lists) for page in client.lead_lists.list_lists(limit=2).pages()) == len(names)


def test_errors_are_those_of_the_async_client(client, sandbox):
    sandbox.revoke(sandbox.api_key)
    with pytest.raises(AuthenticationError):
        client.workspace.whoami()


def test_an_error_in_the_middle_of_a_stream_is_raised_after_what_is_there(client, sandbox):
    sandbox.set_credits(20)
    results = client.stream(people(600))
    with results, pytest.raises(Exception, match="credits"):
        for _ in results:
            pass
    assert results.stopped_by is not None


def test_other_options_are_of_the_same_client(client):
    quick = client.with_options(deadline_s=5)
    quick.public.credits_balance()
    assert client.statistics().requests == 1


def test_a_twin_outlives_the_variable_of_its_client(sandbox):
    quick = client_of(sandbox).with_options(deadline_s=5)
    gc.collect()
    quick.public.credits_balance()
    quick.close()


def test_a_closed_client_says_so(client):
    client.public.credits_balance()
    client.close()
    client.close()
    with pytest.raises(ConfigurationError, match="closed"):
        client.public.credits_balance()


def test_an_answer_can_be_had_with_its_value(client, sandbox):
    answer = client.with_raw_response.public.credits_balance()
    assert (answer.status_code, answer.value) == (200, client.public.credits_balance())
    page = client.with_raw_response.lead_lists.list_lists(limit=2)
    assert page.value.lists == client.lead_lists.list_lists(limit=2).page().lists
    assert client.with_raw_response.request("GET", "/api/v2/whoami").value["user_id"]
    sandbox.revoke(sandbox.api_key)
    with pytest.raises(AuthenticationError):
        client.with_raw_response.workspace.whoami()


def test_the_store_is_looked_at_and_purged(sandbox, tmp_path):
    with client_of(sandbox, store=tmp_path / "store.db") as client:
        client.enrich(people(3))
        client.job("crm", people(5)).close()
        assert (client.store.name, client.store.counts().results) == ("store.db", 3)
        assert [job.name for job in client.store.jobs()] == [*client.store.unfinished()] == ["crm"]
        assert {"submit", "accepted"} <= {line.event for line in client.store.audit()}
        assert client.store.purge() == 3
        assert client.store.stop("crm")
    with client_of(sandbox) as client:
        assert client.store is None


def test_a_job_says_what_it_does_and_reports_its_progress(client, tmp_path):
    seen = []
    with client.job(tmp_path / "crm.journal", people(30), submit_mode="plain") as job:
        job.on_progress = seen.append
        assert (job.submit_mode, job.lists_to_create, job.waits_for) == ("plain", 0, None)
        assert "answer" in job.promise
        assert not job.receive("unknown", b"{}")
        job.run()
    assert seen[-1].state == "complete"


def test_closing_ends_the_thread(sandbox):
    client = client_of(sandbox)
    client.public.credits_balance()
    names = {thread.name for thread in threading.enumerate()}
    client.close()
    assert "cleanlist_async" in names
    assert "cleanlist_async" not in {thread.name for thread in threading.enumerate()}


def test_a_call_in_a_callback_is_refused_instead_of_hanging(client):
    said = []

    def progress(_now):
        try:
            client.public.credits_balance()
        except ConfigurationError as error:
            said.append(str(error))

    client.enrich(people(3), progress=progress)
    assert "callbacks" in said[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_needs_a_client_of_its_own(client):
    client.public.credits_balance()
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            client.public.credits_balance()
        except WrongEventLoopError:
            os.write(writing, b"refused")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100) == b"refused"


def test_a_program_that_never_closes_its_client_ends(sandbox):
    code = (
        "from cleanlist_async.sync import Cleanlist\n"
        f"client = Cleanlist({sandbox.api_key!r}, base_url={sandbox.base_url!r})\n"
        "print(client.public.credits_balance().credits)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert float(done.stdout) > 0
    assert done.stderr == ""


# -- the same as the async client --------------------------------------------------------------------

ASYNC_ONLY = {
    "AsyncCleanlist.webhooks": "its receiver answers the requests of an async server",
    "Job.knows": "asked by such a receiver; `receive` says it too",
    "ResultStream.ready": "takes without waiting, which spares an async consumer turns of its loop",
    "Store.digest": "for the parts of the package",
    "Store.open": "whatever needs it opens it",
    "Store.run": "for the parts of the package",
}
"""What the blocking client lacks, and why."""
GROUPS = ("public", "workspace", "lead_lists", "enrichment", "smart_agents", "export", "search")
BLOCKING_NAMES = {"aclose": "close"}


def names_of(kind: type) -> set[str]:
    names = {name for name in dir(kind) if not name.startswith("_")}
    return {name for name in names if f"{kind.__name__}.{name}" not in ASYNC_ONLY}


def fronts() -> list[tuple[type, object]]:
    client = Cleanlist("key", base_url="http://[::1]", store="never-made.db")
    thread, raw = client.loop_thread, client.with_raw_response
    groups = [getattr(client, name) for name in GROUPS] + [getattr(raw, name) for name in GROUPS]
    made = [client, raw, client.store, client.budget, client.lead_lists.list_lists(), *groups]
    return [
        *((type(front.async_object), front) for front in made),
        (Job, SyncJob(None, thread)),
        (ResultStream, SyncResults(ResultStream(None, None), thread)),
        (FrameStream, SyncFrames(None, thread)),
    ]


def test_every_operation_is_there_with_the_same_parameters():
    for kind, front in fronts():
        blocking = {BLOCKING_NAMES.get(name, name) for name in names_of(kind)}
        assert blocking - set(dir(type(front))) == set(), kind
        for name in names_of(kind):
            member = inspect.getattr_static(kind, name)
            if inspect.isfunction(member) or hasattr(member, "__wrapped__"):
                there = BLOCKING_NAMES.get(name, name)
                assert parameters(type(front), there) == parameters(kind, name), (kind, name)


def test_what_is_said_to_be_missing_is_missing():
    by_name = {kind.__name__: (kind, front) for kind, front in fronts()}
    for name in ASYNC_ONLY:
        kind, front = by_name[name.partition(".")[0]]
        member = name.partition(".")[2]
        assert hasattr(kind, member), name
        assert not hasattr(type(front), member), name


def parameters(kind: type, name: str) -> list[str]:
    member = inspect.getattr_static(kind, name)
    signature = inspect.signature(getattr(member, "__wrapped__", member))
    return [
        str(parameter.replace(annotation=inspect.Parameter.empty))
        for parameter in signature.parameters.values()
    ]


def test_a_fault_of_the_network_is_retried(client, sandbox):
    sandbox.add_fault(Fault("/credits/balance", status=503))
    client.public.credits_balance()
    assert sandbox.ledger.count(503) == 1
    assert isinstance(client.lead_lists.list_lists(), SyncPages)


def test_a_job_that_was_begun_and_not_run_is_unfinished(sandbox, tmp_path):
    with client_of(sandbox, store=tmp_path / "store.db") as client:
        with client.job("crm", people(3)):
            assert list(client.unfinished()) == []  # it is open here
        assert list(client.unfinished()) == ["crm"]
        with client.job("crm") as job:
            job.run()
        assert list(client.unfinished()) == []
