"""What is done to a store, on each database: contacts belong to one owner, and are paid for once."""

from __future__ import annotations

import asyncio

from cleanlist_async import Store
from tests.support.store_owners import Owner, found, people


def test_smoke(store_url):
    async def main():
        async with Store(store_url) as store:
            owner = await Owner.begin(store, "a")
            record = await owner.buy(people(range(3)), "wf-1")
            await record.settle([found(contact) for contact in people(range(3))])
            print(await owner.claim(people(range(4))))
            print([line async for line in store.audit()], await store.counts(), await store.purge())
    asyncio.run(main())
