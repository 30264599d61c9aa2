"""An embedded server that behaves like Cleanlist's APIs, legacy and modern, for tests and demonstrations.

Written apart from the client and its rate limiter, so that one misunderstanding cannot hide in both.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from cleanlist_async.checks import with_extras

from .ledger import AcceptedContact, ChargeRecord, DeliveryRecord, Ledger, RequestRecord
from .options import Envelope, Fault, HalfFullPrice, LimiterKind, Options, Shape, Tier
from .people import Expected, Person, expected

if TYPE_CHECKING:
    from .server import Sandbox, ThreadedSandbox

__all__ = [
    "AcceptedContact",
    "ChargeRecord",
    "DeliveryRecord",
    "Envelope",
    "Expected",
    "Fault",
    "HalfFullPrice",
    "Ledger",
    "LimiterKind",
    "Options",
    "Person",
    "RequestRecord",
    "Sandbox",
    "Shape",
    "ThreadedSandbox",
    "Tier",
    "expected",
]


def __getattr__(name: str) -> object:
    # Only the server needs two more packages: `cleanlist_async.testing` uses the limits without them.
    if name not in {"Sandbox", "ThreadedSandbox"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        server: object = getattr(import_module(".server", __name__), name)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in {"starlette", "uvicorn"}:
            raise
        raise ModuleNotFoundError(
            f"the sandbox needs two more packages: {with_extras('sandbox')}.", name=missing.name
        ) from missing
    globals()[name] = server
    return server
