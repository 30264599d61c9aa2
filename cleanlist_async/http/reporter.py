"""Reports what happens to the requests of a client: events, and differences from the documentation."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from cleanlist_async.http.root_task import RootTask
from cleanlist_async.ratelimit import StoreState

if TYPE_CHECKING:
    from cleanlist_async.events import Events, Listener
    from cleanlist_async.http.drift import Drift, FindUnknown


class Reporter:
    """Makes what reports on first use: events load with the first call."""

    def __init__(self, root: RootTask, on_event: Listener | None, find_unknown: FindUnknown) -> None:
        self._root = root
        self._on_event = on_event
        self._find_unknown = find_unknown

    @cached_property
    def events(self) -> Events:
        """Delivers the events of the client."""
        from cleanlist_async.events import Events

        return Events(self._on_event)

    @cached_property
    def drift(self) -> Drift:
        """Reports what differs from the documentation in answers."""
        from cleanlist_async.http.drift import Drift

        return Drift(self.events.emit, self._find_unknown)

    def on_store_reachability(self, state: StoreState, /) -> None:
        """Report, in the client's event loop, that the store of the limits was lost or found again."""
        from cleanlist_async.events import LimitsAway, LimitsBack

        self._root.call_soon(self.events.emit, LimitsBack() if state == "found" else LimitsAway())
