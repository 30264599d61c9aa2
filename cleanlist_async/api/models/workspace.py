"""Answers about the workspace: owner, credits, keys, usage (docs.cleanlist.ai/mcp-api)."""

from __future__ import annotations

from typing import ClassVar

from cleanlist_async.api.models.base import Envelope, ModernAnswer, Moment, Number


class Whoami(Envelope):
    """The owner of the key, and what it may do. E-mail addresses are masked for API keys."""

    known_by: ClassVar = ("organization_id", "user_email", "auth_type")

    user_email: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    organization_id: str = ""
    organization_name: str | None = None
    auth_type: str = ""
    """``clerk_jwt``, ``api_key``, ``oauth``, or a word added later."""
    scopes: tuple[str, ...] = ()
    tier: str = ""
    """``free``, ``starter``, ``pro``, ``enterprise``, or a word added later."""
    appsumo_tier: int | None = None
    features: tuple[str, ...] = ()


class CreditsBalance(Envelope):
    """Credits left: whole on one surface, possibly a fraction on the other."""

    known_by: ClassVar = ("credits",)

    organization_id: str | None = None
    credits: Number | None = None


class Quote(ModernAnswer):
    """A signed price, valid for one call of exactly this shape within five minutes.

    ``estimated_cost`` is in credits, and the most that the call can cost. If the balance does not cover it,
    ``sufficient`` is False; that is not an error.
    """

    known_by: ClassVar = ("quote_id",)
    essential: ClassVar = ("quote_id",)

    quote_id: str = ""
    expires_at: Moment | None = None
    estimated_cost: Number | None = None
    tool: str = ""
    row_count: int = 0
    """Rows the price is for; the server counts them itself where a list or a cohort is named."""
    filter_hash: str = ""
    available_credits: Number | None = None
    sufficient: bool | None = None


class ApiKey(ModernAnswer):
    """One of the caller's keys. The key itself is never shown, only its prefix and last four characters."""

    key_id: str = ""
    key_prefix: str = ""
    key_last4: str = ""
    name: str | None = None
    scopes: tuple[str, ...] = ()
    created_at: Moment | None = None
    last_used_at: Moment | None = None
    is_active: bool = False


class ApiKeys(ModernAnswer):
    """The caller's own keys in this organization."""

    known_by: ClassVar = ("keys",)
    essential: ClassVar = ("keys",)

    keys: tuple[ApiKey, ...] = ()


class UsageGroup(ModernAnswer):
    """One line of a usage report."""

    group: str = ""
    calls: int = 0
    credits_spent: Number | None = None
    errors: int = 0


class UsageReport(ModernAnswer):
    """Calls, errors and credits of the last days. The server reports 0.0 credits for everything so far."""

    known_by: ClassVar = ("rows", "total_calls")

    days: int = 0
    group_by: str = ""
    total_calls: int = 0
    total_credits_spent: Number | None = None
    total_errors: int = 0
    rows: tuple[UsageGroup, ...] = ()
