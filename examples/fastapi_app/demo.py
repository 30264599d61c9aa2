"""A sandbox and invented people, to run the example without a key."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from itertools import product
from random import Random

from cleanlist_async import AsyncCleanlist, RateLimits, WebhookReceiver
from cleanlist_async.sandbox import Sandbox

FIRST_NAMES = ("Ada", "Alan", "Barbara", "Edsger", "Frances", "Grace", "Hedy", "Katherine", "Linus", "Radia")
LAST_NAMES = ("Allen", "Hamilton", "Hopper", "Johnson", "Lamarr", "Liskov", "Lovelace", "Perlman", "Turing")
TRADES = ("analytics", "energy", "foods", "labs", "logistics", "mobility", "robotics", "studio", "textiles")


@asynccontextmanager
async def sandboxed_client(webhooks: WebhookReceiver | None) -> AsyncGenerator[AsyncCleanlist]:
    """Open a client of a local sandbox with a window of ten seconds."""

    def workflow_s(random: Random) -> float:
        return random.uniform(0.5, 5)

    limits = RateLimits(window_s=10)
    async with Sandbox(window_s=limits.window_s, workflow_s=workflow_s) as sandbox:
        key, url = sandbox.api_key, sandbox.base_url
        async with AsyncCleanlist(key, base_url=url, rate_limits=limits, webhooks=webhooks) as client:
            yield client


def demo_table() -> str:
    """Return a table of people who do not exist."""
    return "\n".join(("First Name,Last Name,Website", *_people()))


def _people() -> Iterator[str]:
    for first, trade, last in product(FIRST_NAMES, TRADES, LAST_NAMES):
        yield f"{first},{last},{trade}.example"
