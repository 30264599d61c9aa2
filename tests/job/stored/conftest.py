"""Small requests, so that few contacts are several chunks."""

from __future__ import annotations

from functools import partial

import pytest

from cleanlist_async import facts
from cleanlist_async.contacts.chunking import Chunker
from cleanlist_async.enrich import plan, run

CHUNK = 25


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(facts, "MAX_CONTACTS_PER_REQUEST", CHUNK)
    for module in (plan, run):
        monkeypatch.setattr(module, "Chunker", partial(Chunker, max_contacts=CHUNK))
