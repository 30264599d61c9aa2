"""First steps: whose key it is, the credits left, a list, the latest lists. Free.

Usage: python examples/01_quickstart.py
"""

import asyncio

from cleanlist_async import AsyncCleanlist


async def main() -> None:
    async with AsyncCleanlist() as client:
        me = await client.workspace.whoami()
        print(f"{me.organization_name} is on the plan {me.tier}")
        print(f"Scopes of the key: {', '.join(me.scopes)}")
        balance = await client.workspace.credits_balance()
        print(f"Credits left: {balance.credits}")
        leads = await client.lead_lists.create_list("SDK quickstart")
        print(f"List {leads.list_id} {'already existed' if leads.reused else 'is new'}")
        page = await client.lead_lists.list_lists(limit=5)
        for found in page.lists:
            print(f"  {found.name}: {found.lead_count} leads")


asyncio.run(main())
