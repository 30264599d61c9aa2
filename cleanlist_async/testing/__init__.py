"""Tools for tests and simulations: virtual time, a network in memory, an exact model of the server.

>>> async def main() -> None:
...     async with MemoryNetwork(StrictServer(), latency=lambda: 0.1) as network:
...         http = httpx.AsyncClient(transport=memory_transport(network))
>>> run(main())

Everything is imported when it is first used, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cleanlist_async.sandbox.limits import LimitKind, make_limit
    from cleanlist_async.testing.memory_network import (
        MemoryNetwork,
        ServerRequest,
        ServerResponse,
        memory_transport,
    )
    from cleanlist_async.testing.strict_server import RecordedRequest, StrictServer
    from cleanlist_async.testing.virtual_time import DeadlockError, VirtualTimeLoop, run

__all__ = [
    "DeadlockError",
    "LimitKind",
    "MemoryNetwork",
    "RecordedRequest",
    "ServerRequest",
    "ServerResponse",
    "StrictServer",
    "VirtualTimeLoop",
    "make_limit",
    "memory_transport",
    "run",
]

_MODULES = {
    "DeadlockError": ".virtual_time",
    "LimitKind": "..sandbox.limits",
    "MemoryNetwork": ".memory_network",
    "RecordedRequest": ".strict_server",
    "ServerRequest": ".memory_network",
    "ServerResponse": ".memory_network",
    "StrictServer": ".strict_server",
    "VirtualTimeLoop": ".virtual_time",
    "make_limit": "..sandbox.limits",
    "memory_transport": ".memory_network",
    "run": ".virtual_time",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name], __name__), name)
