"""Enrich a CSV file of any size, in constant memory. Spends up to MAX_CREDITS: 1 for each address found.

Usage: python examples/10_bulk_csv.py contacts.csv enriched.csv MAX_CREDITS

The columns of contacts.csv are the fields of a Contact: linkedin_url; or first_name, last_name and
company_name or company_domain; and key, your own id, which is not sent. The command
`cleanlist-async enrich` accepts any columns and keeps them.
"""

import asyncio
import csv
import sys
from pathlib import Path
from typing import TextIO

from cleanlist_async import AsyncCleanlist, CleanlistError


async def main(contacts: TextIO, enriched: TextIO, max_credits: float) -> None:
    write = csv.writer(enriched).writerow
    write(("key", "status", "email", "email_status", "credits", "error"))
    async with AsyncCleanlist() as client:
        rows = csv.DictReader(contacts)
        async with client.stream(rows, enrichment_type="partial", max_credits=max_credits) as results:
            try:
                async for result in results:
                    email = (result.email, result.email_status)
                    write((result.key, result.status, *email, result.credits, result.error))
            except CleanlistError as error:
                print(f"Stopped early: {error}")
            print(results.summary)


if len(sys.argv) != 4:
    sys.exit(__doc__)
source, target = Path(sys.argv[1]), Path(sys.argv[2])
with (
    source.open(encoding="utf-8-sig", newline="") as contacts,
    target.open("x", encoding="utf-8", newline="") as enriched,  # never overwrite results that were paid for
):
    asyncio.run(main(contacts, enriched, float(sys.argv[3])))
