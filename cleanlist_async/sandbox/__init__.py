"""An embedded server that behaves like Cleanlist's APIs, legacy and modern, for tests and demonstrations.

Written apart from the client and its rate limiter, so that one misunderstanding cannot hide in both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .faults import Fault
from .ledger import AcceptedContact, ChargeRecord, DeliveryRecord, Ledger, RequestRecord
from .options import Envelope, HalfFullPrice, LimiterKind, Options, Shape, Tier
from .people import Expected, Person, expected

if TYPE_CHECKING:
    from .server import Sandbox

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
    "Tier",
    "expected",
]


def __getattr__(name: str) -> object:
    # Only the server needs two more packages: `cleanlist_async.testing` uses the limits without them.
    if name != "Sandbox":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from .server import Sandbox  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in {"starlette", "uvicorn"}:
            raise
        raise ModuleNotFoundError(
            "the sandbox needs two more packages: pip install 'cleanlist-async[sandbox]'", name=missing.name
        ) from missing
    globals()[name] = Sandbox
    return Sandbox
