"""An open store in each database in turn, and owners of purchases in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cleanlist_async import Store
from tests.support.store_owners import Owner


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    async with Store(store_url) as store:
        yield store


@pytest.fixture
async def ann(store: Store) -> Owner:
    return await Owner.begin(store, "ann")


@pytest.fixture
async def bob(store: Store) -> Owner:
    return await Owner.begin(store, "bob")
