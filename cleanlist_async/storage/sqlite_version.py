"""What the SQLite of this Python lacks: systems bring versions of their own, Enterprise Linux 9 has 3.34."""

from __future__ import annotations

import re
import sqlite3
from typing import Final

from cleanlist_async.errors import CleanlistError

OLDEST: Final = (3, 33)
"""The first that knows ``UPDATE ... FROM``."""
_FIRST_WITH_STRICT: Final = (3, 37)
_STRICT: Final = re.compile(r",\s*STRICT\b|\bSTRICT\s*,|\bSTRICT\b")


def refuse_old(error: type[CleanlistError]) -> None:
    """Raise *error* for a SQLite that is too old."""
    if sqlite3.sqlite_version_info < OLDEST:
        raise error(
            f"The SQLite of this Python is {sqlite3.sqlite_version}, and 3.33 or later is needed.",
            fix="Use another build of Python, such as that of uv or conda.",
        )


def for_this_sqlite(tables: str) -> str:
    """Return the statements that make tables, without STRICT where it is not known.

    Types are then not enforced by the file. Such tables open everywhere; strict ones need 3.37.
    """
    return tables if sqlite3.sqlite_version_info >= _FIRST_WITH_STRICT else _STRICT.sub("", tables)
