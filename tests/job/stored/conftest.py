"""Small requests, so that few contacts are several chunks."""

from functools import partial

import pytest

from cleanlist_async import facts
from cleanlist_async.contacts.chunking import Chunker
from cleanlist_async.enrich import plan, run
from tests.support.stores import FaultyStore
from tests.support.virtual_sandbox import open_world

CHUNK = 25


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


@pytest.fixture
def world(path, request):
    """A world whose client has a store."""
    marker = request.node.get_closest_marker("world")
    options = {"workflow_s": 20.0, **(dict(marker.kwargs) if marker else {})}
    return open_world(client_options={"store": FaultyStore(path)}, **options)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(facts, "MAX_CONTACTS_PER_REQUEST", CHUNK)
    for module in (plan, run):
        monkeypatch.setattr(module, "Chunker", partial(Chunker, max_contacts=CHUNK))
