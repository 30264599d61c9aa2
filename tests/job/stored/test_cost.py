"""What a submit of a job does in the database, in steps of SQLite's machine: not more for a long list."""

import pytest

from cleanlist_async.storage.store import sqlite
from tests.support.machine_steps import count_steps
from tests.support.virtual_sandbox import people

STEPS = 1_000
"""How many steps of the machine are counted at once."""


@pytest.fixture
def statements(monkeypatch):
    """The statements that were run, each with its steps."""
    return count_steps(monkeypatch, STEPS)


async def most_work(world, statements, contacts):
    """The statement of a submit that takes the most work, and how much."""
    async with await world.client.job(f"of {contacts}", people(contacts)) as job:
        del statements[:]
        await job.pilot(25)
    return max(((steps, text) for text, steps in statements), default=None)


async def test_a_submit_of_a_long_list_takes_hardly_more_work_than_of_a_short_one(world, statements):
    few, _ = await most_work(world, statements, 1_000)
    many, text = await most_work(world, statements, 20_000)
    assert few > 0, "the steps must be counted"
    # To count the rows takes 25 steps each; a look at each of them for each contact of the submit, hundreds.
    assert many < 50 * 20_000, text


async def test_a_contact_with_many_duplicates_is_handed_out_some_at_a_time(world, monkeypatch):
    execute, most = sqlite._execute, [0]

    def observed(connection, statement):
        answer = execute(connection, statement)
        most[0] = max(most[0], len(answer.rows))
        return answer

    monkeypatch.setattr(sqlite, "_execute", observed)
    one, other = people(2)
    contacts = [one, other, *[one, other] * 1_000, *[one] * 1_000]
    async with await world.client.job("twins", contacts) as job:
        places = [result.index async for result in job]
    assert sorted(places) == list(range(len(contacts)))
    async with await world.client.job("again", contacts) as job:
        assert (await job.run()).status.duplicates == len(contacts) - 2
    assert len(world.ledger.contacts) == 2
    assert most[0] <= 501
