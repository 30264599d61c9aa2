"""When a job is named, and what a named one does not take."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cleanlist_async import ConfigurationError, JobNotFoundError, JournalError
from cleanlist_async.job.journal_job import JournalJob
from cleanlist_async.job.stored.stored_job import StoredJob
from tests.support.cases import each_case
from tests.support.virtual_sandbox import open_world, people

FEW = people(3)


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A world whose client has a store, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return open_world(client_options={"store": tmp_path / "store.db"})


def files_beside_the_store():
    return [path.name for path in Path().iterdir() if not path.name.startswith("store.db")]


@pytest.mark.parametrize("name", ["crm-2026-11", "jobs of May", "run", "x.journal.old", "naïve"])
async def test_text_without_a_folder_is_a_name(world, name):
    async with await world.client.job(name, FEW) as job:
        assert isinstance(job, StoredJob)
    assert files_beside_the_store() == []


@pytest.mark.parametrize("name", ["run.journal", "./run", Path("run"), Path("run.journal")])
async def test_a_path_is_a_journal(world, name):
    async with await world.client.job(name, FEW) as job:
        assert isinstance(job, JournalJob)
    assert Path(name).name in files_beside_the_store()


async def test_a_journal_that_has_a_name_like_a_job_is_opened_for_now(world):
    async with await world.client.job(Path("crm"), FEW) as job:
        await job.run()
    with pytest.warns(DeprecationWarning, match=r"pass Path\('crm'\)") as warned:
        job = await world.client.job("crm", FEW)
    async with job:
        assert (await job.status()).state == "complete"
    assert warned[0].filename == __file__


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 201])
async def test_what_cannot_be_a_name_is_refused(world, name):
    with pytest.raises(ConfigurationError, match="name of a job"):
        await world.client.job(name, FEW)


@pytest.mark.parametrize(
    "options",
    [
        {"webhook_url": "https://a.example/hook"},
        {"submit_mode": "exact"},
        {"on_unknown": lambda _chunk: None},
        {"on_unknown": "resubmit", "max_duplicate_credits": 5},
        {"half_full_price": "each"},
        {"enrichment_type": "none"},
        {"enrichment_type": "prospecting_only"},
    ],
)
async def test_options_of_a_journal_are_refused_for_a_name(world, options):
    with pytest.raises(ConfigurationError, match="use a journal file"):
        await world.client.job("crm", FEW, **options)


async def test_a_name_without_a_store_is_refused_with_the_way_out(tmp_path):
    async with open_world() as here:
        with pytest.raises(ConfigurationError, match=r"store=, or \$CLEANLIST_STORE.+\.journal"):
            await here.client.job("crm", FEW)


async def test_a_journal_that_is_not_there_needs_an_input(world, tmp_path):
    with pytest.raises(JobNotFoundError, match=r"no journal .+ Begin the job with an input"):
        await world.client.job(tmp_path / "run.journal")
    assert not list(tmp_path.glob("*.journal"))


async def test_a_job_that_nobody_has_begun_needs_an_input(world):
    with pytest.raises(JobNotFoundError, match=r"no job 'crm' .+ Begin it with an input"):
        await world.client.job("crm")


@each_case(
    ("name", "says"),
    [
        (
            "lists/2026",
            "'lists/2026' has a slash in it, so it is the path of a journal. There is no folder 'lists'",
        ),
        ("../../nowhere/x", "has a slash in it"),
        ("gone/run.journal", "There is no folder 'gone' for the journal 'run.journal'. Make the folder."),
        (Path("gone", "run"), "There is no folder 'gone' for the journal 'run'. Make the folder."),
    ],
)
async def test_a_name_with_a_slash_says_that_it_is_a_path_and_what_to_do(world, name, says):
    with pytest.raises(JournalError, match=re.escape(says)) as refused:
        await world.client.job(name, FEW)
    if name == "lists/2026":
        assert "give a name without one, such as 'lists-2026'" in str(refused.value)
