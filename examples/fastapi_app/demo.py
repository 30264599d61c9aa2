"""A sandbox and invented people, to run the example without a key."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from cleanlist_async import AsyncCleanlist, RateLimits, WebhookReceiver
from cleanlist_async.sandbox import Sandbox

FIRST_NAMES = ("Ada", "Alan", "Barbara", "Edsger", "Frances", "Grace", "Hedy", "Katherine", "Linus", "Radia")
LAST_NAMES = ("Allen", "Hamilton", "Hopper", "Johnson", "Lamarr", "Liskov", "Lovelace", "Perlman", "Turing")
TRADES = ("analytics", "energy", "foods", "labs", "logistics", "mobility", "robotics", "studio", "textiles")


@asynccontextmanager
async def sandboxed_client(webhooks: WebhookReceiver | None) -> AsyncGenerator[AsyncCleanlist]:
    """Open a client of a local sandbox with a window of ten seconds, and a store that ends with it."""

    def workflow_s(random: Random) -> float:
        return random.uniform(0.5, 5)

    limits = RateLimits(window_s=10)
    with TemporaryDirectory(prefix="cleanlist-demo-") as folder:
        store = Path(folder, "purchases.db")
        async with (
            Sandbox(window_s=limits.window_s, workflow_s=workflow_s) as sandbox,
            AsyncCleanlist(
                sandbox.api_key,
                base_url=sandbox.base_url,
                rate_limits=limits,
                webhooks=webhooks,
                store=store,
            ) as client,
        ):
            yield client


def demo_table() -> str:
    """Return a table of people who do not exist."""
    return "\n".join(("First Name,Last Name,Website", *_people()))


def _people() -> Iterator[str]:
    for first, trade, last in product(FIRST_NAMES, TRADES, LAST_NAMES):
        yield f"{first},{last},{trade}.example"
