"""A client of a sandbox: the only module here that imports what the sandbox judges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.ratelimit import RateLimits

if TYPE_CHECKING:
    from cleanlist_async.runtime.base_client import ClientOptions

    from .options import Options

_UNLIMITED = 10**6


def client_of(sandbox: Options, base_url: str, options: ClientOptions) -> AsyncCleanlist:
    """Return a client that knows the address, the keys and the limits of *sandbox*."""
    if not base_url:
        raise ConfigurationError("The sandbox is not started, so it has no address yet.")
    options.setdefault("base_url", base_url)
    if options.get("limiter") is None:
        options.setdefault("rate_limits", limits_of(sandbox))
    return AsyncCleanlist([*sandbox.api_keys] or sandbox.jwts[0], **options)


def limits_of(sandbox: Options) -> RateLimits:
    """Return the limits that the sandbox keeps."""
    if sandbox.limiter == "off":
        return RateLimits(org=_UNLIMITED, key=_UNLIMITED, window_s=sandbox.window_s)
    return RateLimits(org=sandbox.org_limit, key=sandbox.key_limit, window_s=sandbox.window_s)
