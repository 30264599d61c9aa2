"""The life of a list: create, read, change, walk through its leads, delete. Free.

Usage: python examples/04_lead_lists_crud.py
"""

import asyncio

from cleanlist_async import AsyncCleanlist


async def main() -> None:
    async with AsyncCleanlist() as client:
        made = await client.lead_lists.create_list("SDK list demo", description="Made by an example")
        print(f"Created {made.list_id} (reused: {made.reused})")
        changed = await client.lead_lists.update_list(made.list_id, description=None)  # None clears
        print(f"Changed its description from {made.description!r} to {changed.description!r}")
        read = await client.lead_lists.get_list(made.list_id)
        print(f"Read {read.name!r}: {read.lead_count} leads, {read.enriched_count} enriched")
        names = [lead.full_name async for lead in client.lead_lists.list_leads_in_list(made.list_id)]
        print(f"Walked through {len(names)} leads on all pages")
        await client.lead_lists.delete_list(made.list_id)
        print("Deleted")


asyncio.run(main())
