"""Have an AI agent write a column for up to 25 leads of a list. Spends up to MAX_CREDITS.

Usage: python examples/05_smart_agent.py LIST_ID MAX_CREDITS
"""

import asyncio
import sys

from cleanlist_async import AsyncCleanlist


async def main(list_id: str, max_credits: float) -> None:
    async with AsyncCleanlist() as client:
        run = await client.smart_agents.run_smart_agent(
            list_id,
            column_name="Opening line",
            prompt="Write one sentence that could open a conversation with this person.",
            max_rows=25,
            max_credits=max_credits,
        )
        print(f"Started {run.smart_agent_task_id}, at most {run.estimated_cost} credits")
        done = await client.smart_agents.wait(run.smart_agent_task_id)
        print(f"{done.succeeded} of {done.total} leads have an opening line")
        for result in done.results:
            print(f"  {result.lead_id}: {result.error or result.value}")


if len(sys.argv) != 3:
    sys.exit(__doc__)
asyncio.run(main(sys.argv[1], float(sys.argv[2])))
