"""Pages, and the items in them: await for the first page, iterate for all items."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

from cleanlist_async.errors import MalformedResponseError

MOST_PAGES_WITHOUT_NEWS: Final = 10


class Page(Protocol):
    """One page of anything."""

    @property
    def cursor(self) -> str | None:
        """Where the next page begins; None on the last."""
        ...

    @property
    def total(self) -> int:
        """How many items there are on all pages."""
        ...


P = TypeVar("P", bound=Page)
T = TypeVar("T")


class Pages(Generic[P, T]):
    """What an operation that answers in pages returns.

    ::

        page = await client.lead_lists.list_lists()             # one page
        async for found in client.lead_lists.list_lists():      # every item of every page
            ...

    A page is asked for when its first item is wanted, not before. Cursors look like offsets: what comes or
    goes meanwhile moves items from page to page. So each item is given once, a cursor that comes again ends
    the walk, and if items are missing at its end the pages are walked once more.
    """

    def __init__(
        self,
        fetch: Callable[[str | None], Awaitable[P]],
        items: Callable[[P], Sequence[T]],
        identity: Callable[[T], object],
        cursor: str | None = None,
    ) -> None:
        self._fetch = fetch
        self._items = items
        self._identity = identity
        self._cursor = cursor

    def __await__(self) -> Generator[Any, None, P]:
        return self._fetch(self._cursor).__await__()

    async def pages(self) -> AsyncIterator[P]:
        """Yield page after page, as they come.

        Ends at the last page, at an empty one, and at a cursor that was seen before.
        """
        cursor, seen = self._cursor, {self._cursor}
        while True:
            page = await self._fetch(cursor)
            yield page
            cursor = page.cursor or None
            if cursor is None or cursor in seen or not self._items(page):
                return
            seen.add(cursor)

    async def __aiter__(self) -> AsyncIterator[T]:
        """Yield every item once. Raises MalformedResponseError where the pages go on without anything new."""
        walk = _Walk(self._identity)
        async for page in self.pages():
            for item in walk.new_in(self._items(page)):
                yield item
            walk.check(page.total)
        if self._cursor is not None or not walk.lacks_items:
            return
        async for page in self.pages():
            for item in walk.new_in(self._items(page)):
                yield item
            if not walk.lacks_items:
                return


class _Walk(Generic[T]):
    """What a walk over pages has seen so far."""

    def __init__(self, identity: Callable[[T], object]) -> None:
        self._identity = identity
        self._seen: set[object] = set()
        self._total = 0
        self._count = 0
        self._without_news = 0

    @property
    def lacks_items(self) -> bool:
        """Whether there should be items that were not seen: those that moved to a page already walked."""
        return self._count == len(self._seen) < self._total

    def new_in(self, items: Sequence[T]) -> list[T]:
        """Return the items that were not seen before; those without an identity count as new."""
        new: list[T] = []
        for item in items:
            identity = self._identity(item)
            if identity and identity in self._seen:
                continue
            if identity:
                self._seen.add(identity)
            new.append(item)
        self._count += len(new)
        self._without_news = 0 if new else self._without_news + 1
        return new

    def check(self, total: int) -> None:
        """Note the last total. Raises MalformedResponseError after too many pages without anything new."""
        self._total = total
        if self._without_news >= MOST_PAGES_WITHOUT_NEWS:
            raise MalformedResponseError(
                f"{MOST_PAGES_WITHOUT_NEWS} pages in a row held nothing new.", retryable=False
            )
