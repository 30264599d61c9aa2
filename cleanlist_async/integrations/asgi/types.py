"""The types of ASGI applications (asgi.readthedocs.io)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
"""What a connection is: its protocol, its path, its headers."""
Message: TypeAlias = MutableMapping[str, Any]
"""One event of a connection."""
Receive: TypeAlias = Callable[[], Awaitable[Message]]
"""Returns the next message of the caller."""
Send: TypeAlias = Callable[[Message], Awaitable[None]]
"""Sends a message to the caller."""
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An application."""
