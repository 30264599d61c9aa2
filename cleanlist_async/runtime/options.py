"""The options of a client, for functions that pass them on."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from cleanlist_async.events import Listener
    from cleanlist_async.facts import ApiVersion
    from cleanlist_async.http.spending import BeforeSpend
    from cleanlist_async.http.transport import HTTPClient, Verify
    from cleanlist_async.ratelimit import Pace, RateLimiter, RateLimits
    from cleanlist_async.storage.store.store import Store
    from cleanlist_async.webhooks.receiver import WebhookReceiver


class ClientOptions(TypedDict, total=False):
    """What `AsyncCleanlist` takes besides the key, and documents."""

    base_url: str | None
    api_version: ApiVersion
    organization: str | None
    rate_limits: RateLimits | None
    limiter: RateLimiter | None
    pace: Pace
    request_timeout_s: float
    deadline_s: float | None
    max_retries: int
    give_up_after_s: float
    max_queued: int
    proxy: str | None
    verify: Verify
    trust_env: bool
    default_headers: Mapping[str, str] | None
    http_client: HTTPClient | None
    webhooks: WebhookReceiver | None
    on_event: Listener | None
    store: Store | str | PathLike[str] | None
    before_spend: BeforeSpend | None
