"""Answers about the workspace: owner, credits, keys, usage (docs.cleanlist.ai/mcp-api)."""

from __future__ import annotations

from typing import ClassVar

from cleanlist_async.api.models.base import Envelope, ModernAnswer, Moment, Number


class Whoami(Envelope):
    """The owner of the key, and what it may do. E-mail addresses are masked for API keys."""

    known_by: ClassVar = ("organization_id", "user_email", "auth_type")

    user_email: str | None = None
    """The e-mail address of the owner, masked."""
    user_id: str | None = None
    """The owner of the key."""
    user_name: str | None = None
    """The owner's name."""
    organization_id: str = ""
    """The organization that pays."""
    organization_name: str | None = None
    """Its name."""
    auth_type: str = ""
    """``clerk_jwt``, ``api_key``, ``oauth``, or a word added later."""
    scopes: tuple[str, ...] = ()
    """What the key may do, such as ``lists:read``."""
    tier: str = ""
    """``free``, ``starter``, ``pro``, ``enterprise``, or a word added later."""
    appsumo_tier: int | None = None
    """The tier of a plan that was bought at AppSumo."""
    features: tuple[str, ...] = ()
    """What the plan includes."""


class CreditsBalance(Envelope):
    """Credits left: whole on one surface, possibly a fraction on the other."""

    known_by: ClassVar = ("credits",)

    organization_id: str | None = None
    """Whose credits they are."""
    credits: Number | None = None
    """Credits left; None where the answer does not say."""


class Quote(ModernAnswer):
    """A signed price, valid for one call of exactly this shape within five minutes.

    ``estimated_cost`` is in credits, and the most that the call can cost. If the balance does not cover it,
    ``sufficient`` is False; that is not an error.
    """

    known_by: ClassVar = ("quote_id",)
    essential: ClassVar = ("quote_id",)

    quote_id: str = ""
    """What to give as ``quote_id`` to the call that buys at this price."""
    expires_at: Moment | None = None
    """Until when the price holds."""
    estimated_cost: Number | None = None
    tool: str = ""
    """The operation that it is for."""
    row_count: int = 0
    """Rows the price is for; the server counts them itself where a list or a cohort is named."""
    filter_hash: str = ""
    """The server's digest of the rows that it is for."""
    available_credits: Number | None = None
    """Credits left when it was made."""
    sufficient: bool | None = None


class ApiKey(ModernAnswer):
    """One of the caller's keys. The key itself is never shown, only its prefix and last four characters."""

    key_id: str = ""
    """The server's id of the key."""
    key_prefix: str = ""
    """Its first characters."""
    key_last4: str = ""
    """Its last four characters."""
    name: str | None = None
    """The name that its owner gave it."""
    scopes: tuple[str, ...] = ()
    """What it may do."""
    created_at: Moment | None = None
    """When it was made."""
    last_used_at: Moment | None = None
    """When it was last used; None if never."""
    is_active: bool = False
    """Whether the server accepts it."""


class ApiKeys(ModernAnswer):
    """The caller's own keys in this organization."""

    known_by: ClassVar = ("keys",)
    essential: ClassVar = ("keys",)

    keys: tuple[ApiKey, ...] = ()
    """The keys."""


class UsageGroup(ModernAnswer):
    """One line of a usage report."""

    group: str = ""
    """The tool, key, day or error that the line is about."""
    calls: int = 0
    """Calls."""
    credits_spent: Number | None = None
    """Credits spent."""
    errors: int = 0
    """Calls that failed."""


class UsageReport(ModernAnswer):
    """Calls, errors and credits of the last days. The server reports 0.0 credits for everything so far."""

    known_by: ClassVar = ("rows", "total_calls")

    days: int = 0
    """Days that the report is about."""
    group_by: str = ""
    """What its lines are: ``tool``, ``key``, ``day`` or ``error``."""
    total_calls: int = 0
    """Calls of all lines."""
    total_credits_spent: Number | None = None
    """Credits of all lines."""
    total_errors: int = 0
    """Failed calls of all lines."""
    rows: tuple[UsageGroup, ...] = ()
    """The lines."""
