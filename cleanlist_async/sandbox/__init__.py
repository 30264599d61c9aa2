"""An embedded server that behaves like Cleanlist's APIs, legacy and modern, for tests and demonstrations.

Written apart from the client and its rate limiter, so that one misunderstanding cannot hide in both.
"""

from __future__ import annotations

from .faults import Fault
from .ledger import AcceptedContact, ChargeRecord, DeliveryRecord, Ledger, RequestRecord
from .options import Envelope, HalfFullPrice, LimiterKind, Options, Shape, Tier
from .people import Expected, Person, expected

try:
    from .server import Sandbox
except ModuleNotFoundError as missing:
    if (missing.name or "").partition(".")[0] not in {"starlette", "uvicorn"}:
        raise
    raise ModuleNotFoundError(
        "the sandbox needs two more packages: pip install 'cleanlist-async[sandbox]'", name=missing.name
    ) from missing

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
