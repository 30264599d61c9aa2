"""The store that a client is to use, without loading what works with it."""

from __future__ import annotations

import os
from os import PathLike
from typing import TYPE_CHECKING

from cleanlist_async import facts

if TYPE_CHECKING:
    from cleanlist_async.storage.store.store import Store


def chosen_store(store: Store | str | PathLike[str] | None) -> tuple[Store | None, bool]:
    """Return the store to use, and whether it is the client's own, to be closed with it."""
    if store is None and not (store := os.environ.get(facts.STORE_VARIABLE)):
        return None, False
    from cleanlist_async.storage.store.store import Store  # noqa: PLC0415

    return (store, False) if isinstance(store, Store) else (Store(store), True)
