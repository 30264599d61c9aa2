"""Types of public signatures."""

from __future__ import annotations

from typing import Literal, TypeAlias

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
"""What a JSON document can hold."""
Failure: TypeAlias = Literal["timeout", "connection", "too_large", "encoding", "incomplete"]
"""Why an attempt has no whole answer."""
Billed: TypeAlias = Literal["no", "yes", "unknown"]
"""Whether credits were spent."""
