"""The waiting lines of one event loop, whose tokens the courier brings."""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import Callable, Container
from typing import TYPE_CHECKING, TypeVarTuple

from cleanlist_async.errors import CleanlistError
from cleanlist_async.ratelimit.buckets import Lease
from cleanlist_async.ratelimit.dispatcher import Dispatcher, running_loop
from cleanlist_async.ratelimit.lines import RequestClass, Waiter
from cleanlist_async.ratelimit.shared.backend import Wish
from cleanlist_async.ratelimit.shared.courier import Courier
from cleanlist_async.ratelimit.shared.lease import SharedLease, Want

if TYPE_CHECKING:
    from cleanlist_async.ratelimit.shared.store import SharedStore

Ts = TypeVarTuple("Ts")


class SharedDispatcher(Dispatcher):
    """Hands out what was delivered, and tells the courier who waits."""

    def __init__(
        self,
        store: SharedStore,
        courier: Courier,
        clock: Callable[[], float],
        wake_all: Callable[[], None],
    ) -> None:
        super().__init__(store, clock, wake_all)
        self.loop = asyncio.get_running_loop()
        self._shared = store
        self._courier = courier
        self._delivered: list[SharedLease] = []
        self._told: dict[str, list[Want]] = {}
        self._asked_about: set[str] = set()

    def dispatch(self, now: float | None = None) -> None:
        """Hand out what was delivered, give back what nobody waits for, and say who still does."""
        super().dispatch(now)
        left, self._delivered = self._delivered, []
        for lease in left:
            self._shared.unsent(lease)
        self._tell_wants(self._clock())

    def wake(self, returns_at: float = -math.inf) -> None:
        """Say who waits: when a token returns is for the courier to know."""
        del returns_at
        if self.lines or self._told:
            self.dispatch()

    def _take(self, waiter: Waiter, now: float, keep: int, busy: Container[str]) -> Lease | float:
        del now
        for lease in self._delivered:
            fits = lease.key is None if not waiter.route.keys else lease.key in waiter.route.keys
            fits &= lease.organization == self._shared.pool_of(waiter.route)
            fits &= not keep or lease.kind is RequestClass.STATUS
            if fits and lease.buckets[0].name not in busy:
                self._delivered.remove(lease)
                return lease
        return math.inf

    # -- what the courier hears ----------------------------------------------------------------

    def _tell_wants(self, now: float) -> None:
        wants: dict[str, list[Want]] = {}
        for waiter in self.lines.heads():
            busy = self._in_shaper if self._is_shaped(waiter, now) else ()
            organization = self._shared.pool_of(waiter.route)
            keys = tuple(key for key in waiter.route.keys if key not in busy)
            wish = Wish(
                keys or waiter.route.keys,
                waiter.kind,
                more=not self.lines.is_alone(waiter),
                paced=not keys if waiter.route.keys else organization in busy,
            )
            wants.setdefault(organization, []).append(Want(wish, waiter.rank))
        told, self._told = self._told, wants
        asked_about, self._asked_about = self._asked_about, set()
        for organization in {*wants, *told, *asked_about}:
            new = wants.get(organization, [])
            if new != told.get(organization, []) or organization in asked_about:
                self._courier.want(self, organization, new)

    # -- what the courier brings ---------------------------------------------------------------

    def deliver(self, lease: SharedLease) -> None:
        """Take a lease. Any thread may call; raises RuntimeError when the loop is closed."""
        self._call(self._take_delivery, lease)

    def refuse(self, organization: str, error: CleanlistError) -> None:
        """Raise *error* from all that wait for *organization*; as `deliver`."""
        self._call(self._refuse, organization, error)

    def look_again(self) -> None:
        """Look at the lines again: the server asked for a pause; as `deliver`."""
        self._call(self.wake)

    def _take_delivery(self, lease: SharedLease) -> None:
        lease.delivered = True
        self._asked_about.add(lease.organization)
        self._delivered.append(lease)
        self.dispatch()

    def _refuse(self, organization: str, error: CleanlistError) -> None:
        for waiter in self.lines.heads():
            if self._shared.pool_of(waiter.route) == organization:
                for refused in self.lines.leave_all(waiter):
                    refused.future.set_exception(copy.copy(error))
        self.dispatch()

    def _call(self, callback: Callable[[*Ts], None], *args: *Ts) -> None:
        if running_loop() is self.loop:
            callback(*args)
        else:
            self.loop.call_soon_threadsafe(callback, *args)
