"""See the price of enriching a list, then buy for at most MAX_CREDITS. Spends credits for each lead found.

Usage: python examples/03_bulk_enrich_with_quote.py LIST_ID MAX_CREDITS
"""

import asyncio
import sys

from cleanlist_async import AsyncCleanlist, BudgetExceededError, InsufficientCreditsError


async def main(list_id: str, max_credits: float) -> None:
    async with AsyncCleanlist() as client:
        quote = await client.workspace.credits_estimate("enrich_list", list_id=list_id, scope="full")
        print(f"{quote.row_count} leads, at most {quote.estimated_cost} of {quote.available_credits} credits")
        try:
            started = await client.enrichment.enrich_list(list_id, scope="full", max_credits=max_credits)
        except (BudgetExceededError, InsufficientCreditsError) as refusal:
            sys.exit(str(refusal))
        status = await client.enrichment.wait(
            started.workflow_id, progress=lambda now: print(f"  {now.status}: {now.processed} of {now.total}")
        )
        print(f"Enriched {status.completed} leads, {status.failed} without a result")
        print(f"Credits charged: {status.credits_charged}, refunded: {status.credits_refunded}")


if len(sys.argv) != 3:
    sys.exit(__doc__)
asyncio.run(main(sys.argv[1], float(sys.argv[2])))
