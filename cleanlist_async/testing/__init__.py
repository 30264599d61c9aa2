"""Tools for tests and simulations: virtual time, a network in memory, an exact model of the server.

>>> async def main() -> None:
...     async with MemoryNetwork(StrictServer(), latency=lambda: 0.1) as network:
...         http = httpx.AsyncClient(transport=memory_transport(network))
>>> run(main())

Everything is imported when it is first used, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cleanlist_async import lazy_exports

__all__ = [
    "ArrivalLimit",
    "ConnectOutcome",
    "DeadlockError",
    "Handler",
    "LimitKind",
    "MemoryNetwork",
    "RecordedRequest",
    "ServerRequest",
    "ServerResponse",
    "StrictServer",
    "VirtualCleanlist",
    "VirtualSandbox",
    "VirtualTimeLoop",
    "make_limit",
    "memory_transport",
    "no_double_charge",
    "run",
]

if TYPE_CHECKING:
    from cleanlist_async.sandbox.limits import ArrivalLimit, LimitKind, make_limit
    from cleanlist_async.testing.assertions import no_double_charge
    from cleanlist_async.testing.memory_network import (
        ConnectOutcome,
        Handler,
        MemoryNetwork,
        ServerRequest,
        ServerResponse,
        memory_transport,
    )
    from cleanlist_async.testing.strict_server import RecordedRequest, StrictServer
    from cleanlist_async.testing.virtual_client import VirtualCleanlist
    from cleanlist_async.testing.virtual_sandbox import VirtualSandbox
    from cleanlist_async.testing.virtual_time import DeadlockError, VirtualTimeLoop, run
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "sandbox.limits": "ArrivalLimit LimitKind make_limit",
            "testing.assertions": "no_double_charge",
            "testing.memory_network": (
                "ConnectOutcome Handler MemoryNetwork ServerRequest ServerResponse memory_transport"
            ),
            "testing.strict_server": "RecordedRequest StrictServer",
            "testing.virtual_client": "VirtualCleanlist",
            "testing.virtual_sandbox": "VirtualSandbox",
            "testing.virtual_time": "DeadlockError VirtualTimeLoop run",
        },
    )
