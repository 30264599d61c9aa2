"""How a store is made, and brought to the version of this package."""

from __future__ import annotations

from cleanlist_async.storage.store import statements as sql
from cleanlist_async.storage.store.schema import FIRST_VERSION, MIGRATIONS, TABLES, VERSION
from cleanlist_async.storage.store.statements import Answer, Operation, Statement


def create(secret: bytes, *, is_outside: bool) -> Operation[Answer]:
    """Make what is not there, and return the version, secret and origin of the store."""
    # Not left to IF NOT EXISTS: PostgreSQL asks for the right to make tables also where they are there.
    if (yield Statement(sql.HAS_STORE)).one is None:
        yield from _make(TABLES)
    values = {"version": FIRST_VERSION, "secret": secret, "is_outside": int(is_outside)}
    yield Statement(sql.CREATE_STORE, values)
    return (yield Statement(sql.READ_STORE))


def upgrade() -> Operation[None]:
    """Bring a store to this version. Of a long one, all rows are read, which may take minutes."""
    # Nothing for a store of a newer version, which `Store.open` refuses.
    for version in range((yield Statement(sql.READ_STORE)).one + 1, VERSION + 1):
        yield from _make(MIGRATIONS[version])
        yield Statement(sql.SET_VERSION, {"version": version})


def _make(tables: str) -> Operation[None]:
    for text in tables.split(";"):
        if text.strip():
            yield Statement(text)
