"""When a job is named, and lives in a store, rather than in a journal file."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from typing import Final, TypeGuard

from cleanlist_async.errors import ConfigurationError
from cleanlist_async.job.journal.schema import APPLICATION_ID

_LONGEST_NAME: Final = 200
_APPLICATION_ID: Final = slice(68, 72)
"""Where a SQLite file has its application id (sqlite.org/fileformat.html)."""


def is_name(journal: str | PathLike[str]) -> TypeGuard[str]:
    """Whether a job is named: text without a folder that does not end in ``.journal``.

    Raises ConfigurationError for text that cannot be one.
    """
    if not isinstance(journal, str) or journal.endswith(".journal"):
        return False
    if any(separator in journal for separator in (os.sep, os.altsep) if separator):
        return False
    if not journal.strip() or len(journal) > _LONGEST_NAME or not journal.isprintable():
        raise ConfigurationError(
            f"The name of a job must have 1 to {_LONGEST_NAME} characters that can be printed."
        )
    return True


def is_journal(path: Path) -> bool:
    """Whether there is the journal of a job at a path."""
    try:
        with path.open("rb") as file:
            head = file.read(_APPLICATION_ID.stop)
    except (OSError, ValueError):
        return False
    return head[_APPLICATION_ID] == APPLICATION_ID.to_bytes(4, "big")
