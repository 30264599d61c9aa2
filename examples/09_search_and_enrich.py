"""Find people, and buy the e-mail addresses of only those. Spends up to MAX_CREDITS, 1 for each address.

Usage: python examples/09_search_and_enrich.py MAX_CREDITS
"""

import asyncio
import sys

from cleanlist_async import AsyncCleanlist


async def main(max_credits: float) -> None:
    async with AsyncCleanlist() as client:
        page = await client.search.people(titles=["Chief Technology Officer"], limit=10)
        if page.task_id is None:
            sys.exit("No one matches.")
        leads = await client.lead_lists.create_list("SDK technology officers")
        print(f"{page.total} people match; enriching {len(page.results)} of them into list {leads.list_id}")
        await client.enrichment.enrich_by_task(
            page.task_id, data_points=["Email"], lead_list_id=leads.list_id, max_credits=max_credits
        )
        status = await client.enrichment.wait(page.task_id)
        print(f"Credits charged: {status.credits_charged}, refunded: {status.credits_refunded}")
        async for lead in client.lead_lists.list_leads_in_list(leads.list_id):
            print(f"  {lead.full_name}, {lead.company}: {lead.email or 'nothing found'}")


if len(sys.argv) != 2:
    sys.exit(__doc__)
asyncio.run(main(float(sys.argv[1])))
