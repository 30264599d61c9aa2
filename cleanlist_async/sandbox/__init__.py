"""An embedded server that behaves like Cleanlist's Public API, for tests and demonstrations.

Written apart from the client and its rate limiter, so that one misunderstanding cannot hide in both.
"""

from __future__ import annotations

from .faults import Fault
from .ledger import AcceptedContact, DeliveryRecord, Ledger, RequestRecord
from .options import Options, Shape
from .people import Expected, Person, expected
from .server import Sandbox

__all__ = [
    "AcceptedContact",
    "DeliveryRecord",
    "Expected",
    "Fault",
    "Ledger",
    "Options",
    "Person",
    "RequestRecord",
    "Sandbox",
    "Shape",
    "expected",
]
