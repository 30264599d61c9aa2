"""Cursor pages. Cursors are offsets, as in the documented examples, so they shift when a list is edited."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypeVar

from .refusals import refused

T = TypeVar("T")

_OFFSET: Final = re.compile(r"[0-9]{1,9}")


def page(items: Sequence[T], cursor: str | None, limit: int) -> tuple[Sequence[T], str | None]:
    """Return the page at ``cursor`` and the cursor of the next one; None after the last.

    Raises
    ------
    RefusedError
        400 invalid_cursor, for a cursor that is not an offset.

    """
    if cursor is not None and not _OFFSET.fullmatch(cursor):
        raise refused("invalid_cursor")
    start = int(cursor or 0)
    end = start + limit
    return items[start:end], str(end) if end < len(items) else None
