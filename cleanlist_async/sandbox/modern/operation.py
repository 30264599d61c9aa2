"""One operation of the modern surface, as a module declares it."""

from __future__ import annotations

from typing import NamedTuple

from cleanlist_async.sandbox.gate import Operation


class ModernOperation(NamedTuple):
    """An operation. ``request.state.caller`` is the :class:`Caller`, its scope has been checked."""

    name: str
    """As in ``SCOPE_OF``, e.g. ``create_list``."""
    method: str
    path: str
    """After ``/api/v2`` or ``/api/v1/public``, e.g. ``/lead-lists/{list_id}``."""
    run: Operation
