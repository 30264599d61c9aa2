"""The store that a client is to use, without loading what works with it."""

from __future__ import annotations

import os
from os import PathLike
from typing import TYPE_CHECKING

from cleanlist_async import facts
from cleanlist_async.checks import wrong

if TYPE_CHECKING:
    from cleanlist_async.storage.store.store import Store


def chosen_store(store: Store | str | PathLike[str] | None) -> tuple[Store | None, bool]:
    """Return the store to use, and whether it is the client's own, to be closed with it."""
    if store is None and not (store := os.environ.get(facts.STORE_VARIABLE)):
        return None, False
    from cleanlist_async.storage.store.store import Store  # noqa: PLC0415

    if isinstance(store, Store):
        return store, False
    if not isinstance(store, str | PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise wrong("store", "a Store, a path or an address", store)
    return Store(store), True
