"""Two probes: whether the process is alive, and whether it can buy."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias
from weakref import WeakKeyDictionary

import anyio
from pydantic import BaseModel, ConfigDict

from cleanlist_async.checks import check_instance, check_seconds
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.errors import AuthenticationError, CleanlistError, InsufficientCreditsError

Obstacle: TypeAlias = Literal["draining", "limits_away", "key_rejected", "no_credits"]
"""Why a client cannot buy: it drains, its shared limits are away, its key is rejected, or credits lack."""

_CHECK_S: Final = 2.0
"""Seconds that a check of the key and the credits may take. Probes time out after a second or more."""
_RETRY_S: Final = 15.0
"""Seconds after which a failed check is made again."""


class Health(BaseModel):
    """The state of a client. It holds no key, no name and no contact, and may be public."""

    # The docstrings of the fields describe them in the OpenAPI document too.
    model_config = ConfigDict(use_attribute_docstrings=True)

    status: Literal["ok", "degraded"]
    """`degraded` while a 429 pauses the client, or makes it keep to less than the limit."""
    tokens_available: int
    """Requests that could be sent at once."""
    waiting: int
    """Requests that wait for the rate limit."""
    paused_for_s: float
    """Seconds for which nothing is sent, because the server asked so."""
    rejected_429: int
    """Requests that were answered 429, since the start."""
    requests: int
    """Requests sent, since the start."""


class Readiness(BaseModel):
    """Whether a client can buy. It holds no key, no name and no contact, and may be public."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    ready: bool
    """Whether requests should come here."""
    obstacles: list[Obstacle]
    """Why not; empty if it is ready."""


def health_of(client: AsyncCleanlist) -> Health:
    """Return the health of *client*. Sends nothing."""
    check_instance("client", client, AsyncCleanlist)
    now = client.statistics()
    # The capacity is what 429s have taught; the limit is the configured one.
    is_slowed = any(bucket.capacity < bucket.limit for bucket in now.buckets)
    return Health(
        status="degraded" if now.paused_for_s > 0 or is_slowed else "ok",
        tokens_available=now.available,
        waiting=now.waiting,
        paused_for_s=round(now.paused_for_s, 3),
        rejected_429=now.rejected_429,
        requests=now.requests,
    )


@dataclass(slots=True)
class _Account:
    """What is known of a client's key and credits, and since when."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    obstacle: Obstacle | None = None
    checked_at: float = -math.inf
    refusals: int = 0


_accounts: Final[WeakKeyDictionary[AsyncCleanlist, _Account]] = WeakKeyDictionary()


async def readiness_of(client: AsyncCleanlist, *, recheck_s: float = 300.0) -> Readiness:
    """Return whether *client* can buy.

    It cannot while it drains, while its shared limits are away, with a key that is rejected, or without
    credits. The last two are learned by a free request for the balance: at the first probe, when a call was
    refused for one of them, and every *recheck_s* seconds; while they hold, every 15 s.
    """
    check_instance("client", client, AsyncCleanlist)
    check_seconds("recheck_s", recheck_s)
    now = client.statistics()
    if now.enrich_one.is_draining:
        return Readiness(ready=False, obstacles=["draining"])
    if now.limits_away:  # a check would only wait for them
        return Readiness(ready=False, obstacles=["limits_away"])
    obstacle = await _checked(client, now.account_refusals, recheck_s)
    return Readiness(ready=obstacle is None, obstacles=[] if obstacle is None else [obstacle])


async def _checked(client: AsyncCleanlist, refusals: int, recheck_s: float) -> Obstacle | None:
    account = _accounts.setdefault(client, _Account())
    async with account.lock:  # several probes share one check
        kept_s = recheck_s if account.obstacle is None else min(_RETRY_S, recheck_s)
        age_s = anyio.current_time() - account.checked_at
        if age_s >= kept_s or refusals != account.refusals:
            account.obstacle = await _obstacle(
                client.with_options(deadline_s=_CHECK_S, max_retries=0), account
            )
            account.checked_at = anyio.current_time()
            # Counted anew, since a refusal of the check itself is no reason for another check.
            account.refusals = client.statistics().account_refusals
        return account.obstacle


async def _obstacle(client: AsyncCleanlist, account: _Account) -> Obstacle | None:
    try:
        balance = await client.public.credits_balance()
    except AuthenticationError:
        return "key_rejected"
    except InsufficientCreditsError:
        return "no_credits"
    except CleanlistError:  # the limit or the network: it says nothing about the account
        return account.obstacle
    return None if balance.credits is None or balance.credits > 0 else "no_credits"
