"""What can go wrong, by type: each error says what to do, and whether a retry is safe. Free.

Usage: python examples/08_error_handling.py
"""

import asyncio

from cleanlist_async import (
    AsyncCleanlist,
    AuthenticationError,
    CleanlistError,
    ListNotFoundError,
    RequestValidationError,
)


async def main() -> None:
    async with AsyncCleanlist() as client:
        try:
            await client.lead_lists.get_list("00000000-0000-0000-0000-000000000000")
        except ListNotFoundError as error:
            print(f"There is no such list ({error.status} {error.code}, request {error.request_id})")
        except AuthenticationError as error:
            print(f"The key is not valid: {error}")
        try:
            await client.lead_lists.create_list("")
        except RequestValidationError as error:  # raised before anything was sent
            print(f"The list cannot be created: {error}")
        except CleanlistError as error:  # the base of all others
            print(f"{error} Billed: {error.billed}. Safe to retry: {error.safe_to_retry}.")


asyncio.run(main())
