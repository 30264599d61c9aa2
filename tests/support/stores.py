"""Stores that fail on demand, clients that share one, and what lies in its file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from os import PathLike

import anyio

from cleanlist_async import Contact
from cleanlist_async.errors import ConfigurationError, StoreUnavailableError
from cleanlist_async.storage.store.store import Store
from cleanlist_async.testing.virtual_client import VirtualCleanlist
from tests.support.virtual_sandbox import World


class FaultyStore(Store):
    """Fails operations by their names, such as ``intend``, while these are in `failing`.

    Those in `losing` are done, and fail all the same, as where the answer of a database is lost.
    """

    def __init__(self, url: str | PathLike[str]) -> None:
        super().__init__(url)
        self.failing: set[str] = set()
        self.losing: set[str] = set()

    async def run(self, operation, *, commit_unless=None):
        name = operation.gi_code.co_name.lstrip("_")
        if name in self.failing:
            operation.close()
            raise StoreUnavailableError(f"no {name} today")
        value = await super().run(operation, commit_unless=commit_unless)
        if name in self.losing:
            raise StoreUnavailableError(f"no answer to {name} today")
        return value


@asynccontextmanager
async def another_client(
    here: World, store: object, *, keys: list[str] | None = None, **options: object
) -> AsyncIterator[VirtualCleanlist]:
    """One more client of the same sandbox, within the same limits; by default with all its keys."""
    limiter = here.client._runtime.pipeline.limiter
    keys = list(here.sandbox.api_keys) if keys is None else keys
    async with VirtualCleanlist(here.network, keys, limiter=limiter, store=store, **options) as client:
        yield client


async def leave_accepted(here: World, store: object, contacts: list[Contact], **options: object) -> None:
    """Let another client submit contacts, and be closed before their workflow is done."""
    async with another_client(here, store, **options) as other:
        run = asyncio.ensure_future(other.enrich(contacts))
        await anyio.sleep(2)
    with suppress(ConfigurationError):
        await run


def make_older(path: PathLike[str], by_s: float) -> None:
    """Move the results in a store into the past."""
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE cleanlist_purchases SET settled_at = settled_at - ?", (by_s,))
    connection.close()


def end_leases(path: PathLike[str]) -> None:
    """Do to the owners in a store what a pause beyond their leases does."""
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE cleanlist_owners SET lease_until = 0")
    connection.close()
