"""What PostgreSQL knows of the tables that it plans statements for, gathered as soon as that is out of date.

The server does so itself, but about once a minute. Until then it takes a table that is new for nearly empty,
and a job that is new for a few rows, and looks through all of it for each contact of a submit.
"""

from __future__ import annotations

from typing import Final

from cleanlist_async.storage.store.reading import reading
from cleanlist_async.storage.store.statements import Operation, Statement

WRITES_BETWEEN: Final = 16
"""Transactions that write, of one process, between two looks whether there is something to gather."""

# As the server decides it, but at most after 10,000 rows: a job may be a small part of a long table. Only an
# owner of a table may do it.
_OUTDATED: Final = """
SELECT relname, set_config('default_statistics_target', '30', true) FROM pg_class
WHERE relkind = 'r' AND starts_with(relname, 'cleanlist_') AND pg_table_is_visible(oid)
    AND pg_has_role(relowner, 'USAGE')
    AND pg_stat_get_mod_since_analyze(oid) > 500 + least(greatest(reltuples, 0) / 10, 10000)
    AND pg_try_advisory_xact_lock(hashtext('cleanlist_statistics'))
"""
"""A sample of 9,000 rows is enough to choose an index by; the usual one takes three times as long."""


@reading
def gather() -> Operation[None]:
    """Gather what is out of date, unless another process does. Nobody who writes waits for it."""
    for table, _ in (yield Statement(_OUTDATED)).rows:
        yield Statement(f"ANALYZE {table}")
