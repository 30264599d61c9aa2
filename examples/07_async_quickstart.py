"""Many calls at once: the client sends each as soon as the rate limit allows. Free.

Usage: python examples/07_async_quickstart.py
"""

import asyncio

from cleanlist_async import AsyncCleanlist


async def main() -> None:
    async with AsyncCleanlist() as client:
        me, balance, page = await asyncio.gather(
            client.workspace.whoami(),
            client.workspace.credits_balance(),
            client.lead_lists.list_lists(limit=5),
        )
        print(f"{me.organization_name} has {balance.credits} credits")
        lists = await asyncio.gather(*(client.lead_lists.get_list(found.list_id) for found in page.lists))
        print(f"Latest lists: {', '.join(found.name for found in lists)}")
        created = await client.lead_lists.create_list("SDK async demo")
        print(f"List {created.list_id} is ready")


asyncio.run(main())
