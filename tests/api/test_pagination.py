"""Pages whose items move while they are walked."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async import (
    MalformedResponseError,
)
from cleanlist_async.api.pagination import MOST_PAGES_WITHOUT_NEWS, Pages
from tests.support.modern_world import list_of, sent


@dataclass
class Page:
    items: list
    cursor: str | None
    total: int


@dataclass
class Shelf:
    """A server whose cursors are offsets; before each request, what stands in `changes` happens."""

    items: list
    limit: int
    changes: list = field(default_factory=list)
    asked: list = field(default_factory=list)

    async def fetch(self, cursor: str | None) -> Page:
        if self.asked and self.changes:
            self.changes.pop(0)(self.items)
        self.asked.append(cursor)
        start = int(cursor or 0)
        end = start + self.limit
        return Page(self.items[start:end], str(end) if end < len(self.items) else None, len(self.items))

    def pages(self, identity=lambda item: item) -> Pages:
        return Pages(self.fetch, lambda page: page.items, identity)


def every(pages: Pages) -> list:
    async def walk():
        return [item async for item in pages]

    return anyio.run(walk)


def deletion(places):
    def change(items):
        for place in places:
            if items:
                items.pop(place % len(items))

    return change


def insertion(places):
    def change(items):
        for place in places:
            items.insert(place % (len(items) + 1), f"new {len(items)} {place}")

    return change


PLACES = st.lists(st.integers(0, 40), min_size=1, max_size=3)
CHANGES = st.lists(st.one_of(st.none(), PLACES.map(deletion), PLACES.map(insertion)), max_size=3).map(
    lambda changes: [change or (lambda items: None) for change in changes]
)


@given(count=st.integers(0, 40), limit=st.integers(1, 7), quiet=st.integers(0, 8), changes=CHANGES)
def test_what_was_there_throughout_is_given_exactly_once(count, limit, quiet, changes):
    shelf = Shelf([f"item {n}" for n in range(count)], limit, [lambda items: None] * quiet + changes)
    there = set(shelf.items)
    found = every(shelf.pages())
    assert len(found) == len(set(found))
    assert there & set(shelf.items) <= set(found)


@given(count=st.integers(1, 40), limit=st.integers(1, 7))
def test_nothing_is_asked_for_twice_while_nothing_moves(count, limit):
    shelf = Shelf(list(range(1, count + 1)), limit)
    assert every(shelf.pages()) == shelf.items
    assert len(shelf.asked) == -(-count // limit)


def test_an_item_that_slips_to_a_page_already_walked_is_found():
    shelf = Shelf(list("abcdef"), 2, [lambda items: items.remove("a")])
    assert sorted(every(shelf.pages())) == list("abcdef")


def test_new_items_at_the_front_repeat_nothing():
    shelf = Shelf(list("abcdef"), 2, [lambda items: items.insert(0, "x")])
    assert every(shelf.pages()) == [*"abcdef", "x"]


def test_appended_items_cost_no_second_walk():
    shelf = Shelf(list("abcd"), 2, [lambda items: items.extend("ef")])
    assert every(shelf.pages()) == list("abcdef")
    assert shelf.asked == [None, "2", "4"]


def test_a_total_that_claims_too_much_costs_no_second_walk():
    """A search tells how many there are, and gives only so many."""

    async def fetch(cursor):
        return Page(["a", "b"], None, 10_000)

    assert every(Pages(fetch, lambda page: page.items, lambda item: item)) == ["a", "b"]


@pytest.mark.parametrize("cursors", [["1", "1"], ["1", "2", "1"], ["", None], ["1", "2", "3", "2"]])
def test_a_cursor_that_comes_again_ends_the_walk(cursors):
    asked = []

    async def fetch(cursor):
        asked.append(cursor)
        return Page([len(asked)], cursors[(len(asked) - 1) % len(cursors)], 0)

    found = every(Pages(fetch, lambda page: page.items, lambda item: item))
    assert len(found) == len(asked) <= len(cursors)


@pytest.mark.parametrize("items", [[], ["a"], [""], [None]])
def test_pages_without_end_are_an_error(items):
    asked = []

    async def fetch(cursor):
        asked.append(cursor)
        return Page(items, f"cursor {len(asked)}", 5)

    with pytest.raises(MalformedResponseError, match="no new items"):
        every(Pages(fetch, lambda page: page.items, lambda item: item))
    assert MOST_PAGES_WITHOUT_NEWS <= len(asked) <= MOST_PAGES_WITHOUT_NEWS + 1


def test_an_empty_page_in_the_middle_is_not_the_end():
    answers = {None: Page(["a"], "1", 2), "1": Page([], "2", 2), "2": Page(["b"], None, 2)}

    async def fetch(cursor):
        return answers[cursor]

    assert every(Pages(fetch, lambda page: page.items, lambda item: item)) == ["a", "b"]


def test_items_without_ids_are_given_as_they_come():
    shelf = Shelf([{"x": 1}, {"x": 1}, {"x": 2}], 2, [lambda items: items.pop()])
    assert every(shelf.pages(lambda item: item.get("lead_id"))) == [{"x": 1}, {"x": 1}]


def test_a_walk_from_a_cursor_is_never_begun_anew():
    shelf = Shelf(list("abcdef"), 2, [lambda items: items.pop(0)])
    pages = Pages(shelf.fetch, lambda page: page.items, lambda item: item, cursor="2")
    assert every(pages) == list("cdf")
    assert shelf.asked == ["2", "4"]


@pytest.mark.slow
async def test_a_caller_may_remove_what_it_walks_over(world):
    list_id = await list_of(world, 95)
    lists, seen = world.client.lead_lists, []
    async for lead in lists.list_leads_in_list(list_id, limit=10):
        seen.append(lead.lead_id)
        await lists.remove_leads_from_list(list_id, lead_ids=[lead.lead_id])
    assert len(seen) == len(set(seen)) == 95
    assert (await lists.get_list(list_id)).lead_count == 0
    assert len(sent(world, "/leads", "GET")) < 30


async def test_all_items_as_a_list(world):
    list_id = await list_of(world, 7)
    leads = await world.client.lead_lists.list_leads_in_list(list_id, limit=3).all()
    assert len({lead.lead_id for lead in leads}) == len(leads) == 7
