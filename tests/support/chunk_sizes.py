"""Jobs with small chunks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cleanlist_async.job import planning

_sizes = [planning._CHUNK_CONTACTS]


@contextmanager
def chunks_of(contacts: int) -> Iterator[None]:
    """Let each chunk of a job hold so many contacts. Uses of tasks that run side by side may overlap."""
    _sizes.append(contacts)
    planning._CHUNK_CONTACTS = contacts
    try:
        yield
    finally:
        _sizes.remove(contacts)
        planning._CHUNK_CONTACTS = _sizes[-1]
