"""Export a list: into a CSV file, and as JSON row by row. Free.

Usage: python examples/06_export.py LIST_ID leads.csv
"""

import asyncio
import sys

from cleanlist_async import AsyncCleanlist


async def main(list_id: str, path: str) -> None:
    async with AsyncCleanlist() as client:
        made = await client.export.download_csv(list_id, path)
        print(f"{path}: {made.row_count} rows, {made.file_size_bytes} bytes")
        async for row in client.export.export_json(list_id, columns=["full_name", "email"]):
            print(f"  {row['full_name']}: {row['email']}")


if len(sys.argv) != 3:
    sys.exit(__doc__)
asyncio.run(main(sys.argv[1], sys.argv[2]))
