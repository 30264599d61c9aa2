"""Pages, and the items in them: await for the first page, iterate for all items."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

from cleanlist_async.errors import MalformedResponseError

# Bounds for servers whose cursors lead nowhere, and for lists that keep changing.
MOST_PAGES_WITHOUT_NEWS: Final = 10
MOST_WALKS_WITHOUT_NEWS: Final = 3


class Page(Protocol):
    """One page of items."""

    @property
    def cursor(self) -> str | None:
        """Where the next page begins; None on the last."""
        ...

    @property
    def total(self) -> int:
        """Number of items on all pages."""
        ...


P = TypeVar("P", bound=Page)
T = TypeVar("T")


class Pages(Generic[P, T]):
    """The pages of an operation: await it for the first page, iterate over it for all items.

    ::

        page = await client.lead_lists.list_lists()             # one page
        async for found in client.lead_lists.list_lists():      # every item of every page
            ...

    A page is requested when its first item is needed. Cursors look like offsets: items that are added or
    removed meanwhile shift the others from page to page. So each item is yielded once, a repeated cursor ends
    a walk, and if ``total`` changes during a walk, the pages are walked again: items that were there all the
    time are not missed, unless as many were added as removed between two requests. Items without an id cannot
    be distinguished, and are yielded as they come.
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

    async def all(self) -> list[T]:
        """Return every item of all pages."""
        return [item async for item in self]

    async def pages(self) -> AsyncIterator[P]:
        """Yield one page after another. Ends at the last, and at a cursor that was seen before."""
        cursor, seen = self._cursor, {self._cursor}
        while True:
            page = await self._fetch(cursor)  # one at a time: the cursor is only known from the page before
            yield page
            # An empty cursor ends the pages as null does.
            cursor = page.cursor or None
            if cursor is None or cursor in seen:
                return
            seen.add(cursor)

    async def __aiter__(self) -> AsyncIterator[T]:
        """Yield every item once. Raises MalformedResponseError if the pages go on without new items."""
        given, walks_without_news = set[object](), 0
        while walks_without_news < MOST_WALKS_WITHOUT_NEWS:
            walk, before = _Walk(self._identity), len(given)
            async for page in self.pages():
                for item in walk.new_in(self._items(page), page.total):
                    identity = _usable(self._identity(item))
                    if not (identity and identity in given):
                        given.add(identity)
                        yield item
            # From a cursor of the caller's, `total` counts items that this walk cannot see.
            if self._cursor is not None or walk.saw_all:
                return
            walks_without_news = walks_without_news + 1 if len(given) == before else 0


class _Walk(Generic[T]):
    def __init__(self, identity: Callable[[T], object]) -> None:
        self._identity = identity
        self._seen: set[object] = set()
        self._last: Sequence[T] = ()
        self._totals: list[int] = []
        self._has_ids = True
        self._without_news = 0

    @property
    def saw_all(self) -> bool:
        """Whether no item seems to have been missed, or another walk could not show it."""
        # A constant total means that nothing was added or removed; without ids, a second walk repeats all.
        if len(set(self._totals)) <= 1 or not self._has_ids:
            return True
        # Items that are only added move others to later pages, where they are seen again and not missed.
        return self._totals == sorted(self._totals) and len(self._seen) >= self._totals[-1]

    def new_in(self, items: Sequence[T], total: int) -> list[T]:
        """Return the items that are new to this walk.

        Raises MalformedResponseError after too many pages without any.
        """
        self._totals.append(total)
        new = [item for item in items if self._is_new(item)]
        # Items without ids always seem new, so a page equal to the one before it counts as a repetition.
        repeats = not new or (not self._has_ids and list(items) == list(self._last))
        self._last = items
        self._without_news = self._without_news + 1 if repeats else 0
        if self._without_news >= MOST_PAGES_WITHOUT_NEWS:
            raise MalformedResponseError(
                f"{MOST_PAGES_WITHOUT_NEWS} pages in a row had no new items.", retryable=False
            )
        return new

    def _is_new(self, item: T) -> bool:
        identity = _usable(self._identity(item))
        if not identity:
            self._has_ids = False
            return True
        is_new = identity not in self._seen
        self._seen.add(identity)
        return is_new


def _usable(identity: object) -> object:
    """Return *identity* if it is text or a number: nothing else distinguishes items."""
    return identity if isinstance(identity, str | int) else None
