"""Enrich one person and wait for the result. Spends 1 credit if an e-mail address is found.

Usage: python examples/02_enrich_person.py
"""

import asyncio

from cleanlist_async import AsyncCleanlist


async def main() -> None:
    async with AsyncCleanlist() as client:
        leads = await client.lead_lists.create_list("SDK enrich person")
        started = await client.enrichment.enrich_person(
            leads.list_id,
            first_name="Ada",
            last_name="Lovelace",
            company_name="Analytical Engines",
            enrichment_type="partial",  # 1 credit at most; phone_only is 10, full 11
        )
        print(f"Started {started.workflow_id}, credits reserved: {started.credits_reserved}")
        status = await client.enrichment.wait(started)
        print(f"Credits charged: {status.credits_charged}, refunded: {status.credits_refunded}")
        if person := status.person:
            print(f"Found {person.full_name}: {person.email}")


asyncio.run(main())
