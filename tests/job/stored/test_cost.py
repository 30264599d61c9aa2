"""What a submit of a job does in the database, in steps of SQLite's machine: not more for a long list."""

import sqlite3

import pytest

from cleanlist_async.storage import sqlite_file
from tests.support.virtual_sandbox import people

STEPS = 1_000
"""How many steps of the machine are counted at once."""


@pytest.fixture
def statements(monkeypatch):
    """The statements that were run, each with its steps in thousands."""
    counted: list[list] = []

    def connect(*args, **options):
        connection = connection_of(*args, **options)
        connection.set_trace_callback(lambda text: counted.append([text, 0]))

        def count():
            counted[-1][1] += 1

        connection.set_progress_handler(count, STEPS)
        return connection

    connection_of = sqlite3.connect
    monkeypatch.setattr(sqlite_file.sqlite3, "connect", connect)
    return counted


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
    assert many * STEPS < 50 * 20_000, text
