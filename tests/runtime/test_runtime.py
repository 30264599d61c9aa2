"""The parts of a client: made on first use, and shared by the clients of its ``with_options``."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from cleanlist_async import AsyncCleanlist
from cleanlist_async.types import ClientOptions
from tests.support.clients import KEY

PARTS = {"batcher", "bulk", "polls", "submissions", "tally"}


def client_here() -> AsyncCleanlist:
    return AsyncCleanlist(KEY, base_url="http://127.0.0.1:9")


def made_by(client: AsyncCleanlist) -> set[str]:
    return PARTS & vars(client._runtime).keys()


def test_a_new_client_has_made_none_of_its_parts():
    assert made_by(client_here()) == set()


def test_a_part_is_made_with_those_it_needs_and_no_others():
    client = client_here()
    client.statistics()
    assert made_by(client) == {"tally"}
    assert client.abandoned == []
    assert made_by(client) == {"tally", "bulk", "polls", "submissions"}


def test_clients_of_with_options_share_their_parts_and_not_their_options():
    client = client_here()
    patient = client.with_options(deadline_s=60.0)
    assert patient._runtime is client._runtime
    assert patient._runtime.batcher is client._runtime.batcher
    assert (client._options.deadline_s, patient._options.deadline_s) == (None, 60.0)


@pytest.mark.sockets  # a process
def test_making_a_client_imports_neither_pydantic_nor_sqlite():
    code = (
        "import sys; from cleanlist_async import AsyncCleanlist; AsyncCleanlist('key', base_url='http://[::1]')\n"
        "print(*sorted({'pydantic', 'pydantic_core', 'sqlite3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_client_options_are_those_of_the_client():
    taken = inspect.get_annotations(AsyncCleanlist.__init__)
    options = inspect.get_annotations(ClientOptions)
    assert {name: said.__forward_arg__ for name, said in options.items()} == {
        name: said for name, said in taken.items() if name not in {"api_key", "return"}
    }
