"""The server that a command talks to, and the opening of a client for it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from cleanlist_async.cli.terminal.exits import CommandError
from cleanlist_async.cli.terminal.options import BaseURL, CaBundle, Proxy, WindowS
from cleanlist_async.cli.terminal.progress import warnings_shown
from cleanlist_async.cli.terminal.render import say
from cleanlist_async.cli.terminal.signals import StopSignals
from cleanlist_async.cli.terminal.wording import as_typed
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.facts import BASE_URL_VARIABLE, DEFAULT_BASE_URL, MAX_RETRIES, REQUEST_TIMEOUT_S

if TYPE_CHECKING:
    from rich.console import Console

    from cleanlist_async.client import AsyncCleanlist
    from cleanlist_async.http.calls import Spend
    from cleanlist_async.ratelimit import RateLimiter, RateLimits
    from cleanlist_async.storage.store.store import Store
    from cleanlist_async.webhooks.receiver import WebhookReceiver

T = TypeVar("T")

_STOPPED = "stopped; the server may have done what was asked."


@dataclass(frozen=True, slots=True)
class Connection:
    """Which server, how it is reached, and under which limits. The key comes from the environment."""

    base_url: BaseURL = None
    window_s: WindowS = None
    proxy: Proxy = None
    ca_bundle: CaBundle = None
    max_retries: int = MAX_RETRIES

    @property
    def limits(self) -> RateLimits:
        """The limits to keep to."""
        from cleanlist_async.ratelimit import RateLimits

        return RateLimits() if self.window_s is None else RateLimits(window_s=self.window_s)

    def open(self, webhooks: WebhookReceiver | None = None, store: Store | None = None) -> AsyncCleanlist:
        """Return a client, which cannot spend without a *store*: no budget would bound what it buys.

        Raises ConfigurationError, for instance where there is no key.
        """
        from cleanlist_async.cli.terminal.in_flight import in_flight
        from cleanlist_async.cli.terminal.shared_limits import are_on_a_server, warn_of_own_limits
        from cleanlist_async.client import AsyncCleanlist

        limiter = self.limiter()
        if store is not None and store.is_on_server and not are_on_a_server():
            warn_of_own_limits()
        return AsyncCleanlist(
            base_url=self.base_url,
            rate_limits=None if limiter else self.limits,  # a limiter has its own
            limiter=limiter,
            max_retries=self.max_retries,
            proxy=self.proxy,
            verify=self.ca_bundle or True,
            on_event=in_flight.follow(self.max_retries + 1, REQUEST_TIMEOUT_S),
            webhooks=webhooks,
            store=store,
            before_spend=_refuse if store is None else None,
        )

    def limiter(self) -> RateLimiter | None:
        """Return the limiter that runs share; None where each run has its own."""
        from cleanlist_async.cli.terminal.shared_limits import limiter_of
        from cleanlist_async.http.transport import is_loopback

        return limiter_of(self.limits, on_loopback=is_loopback(self.address))

    @property
    def address(self) -> str:
        """The address of the server, found in the same order as by the client, which is not open yet."""
        return self.base_url or os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL

    def as_typed(self) -> str:
        """Return the options as they would be typed again, with a blank before each word."""
        return as_typed(
            {
                "--base-url": self.base_url,
                "--window-s": f"{self.window_s:g}" if self.window_s else None,
                "--ca-bundle": self.ca_bundle,
                "--proxy": None if "@" in (self.proxy or "") else self.proxy,  # it may hold a password
            }
        )

    def ask(
        self,
        console: Console,
        question: Callable[[AsyncCleanlist], Awaitable[T]],
        store: Store | None = None,
    ) -> T:
        """Open a client, with a *store* or without, ask, and close both. Raises CommandError at a signal."""
        import anyio

        async def ask(client: AsyncCleanlist, signals: StopSignals) -> T:
            with signals.stopping(scope := anyio.CancelScope()), scope:
                return await question(client)
            raise CommandError(_STOPPED, signals.exit_code)  # the request may have arrived

        return self.run(console, ask, store)

    def run(
        self,
        console: Console,
        work: Callable[[AsyncCleanlist, StopSignals], Awaitable[T]],
        store: Store | None = None,
    ) -> T:
        """Open a client, as `ask` does, do *work*, which has to end at a signal, and close both."""
        import anyio

        async def run() -> T:
            # The store outermost: the client writes to it until it is closed.
            async with store or nullcontext(), self.open(store=store) as client:
                return await work(client, signals)

        with warnings_shown(console), StopSignals(lambda: say(console, "Stopping.")) as signals:
            return anyio.run(run)


def _refuse(_spend: Spend) -> None:
    raise ConfigurationError("this command opens no store, so no budget bounds what it spends")
