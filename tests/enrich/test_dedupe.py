"""Each identity is bought once."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async import Contact
from cleanlist_async.contacts.identity import prepare
from cleanlist_async.enrich import row_results
from cleanlist_async.enrich.row_results import Duplicates, copy_for
from cleanlist_async.enrich.source import repeated_identities
from cleanlist_async.results import EnrichmentResult

A, B = Contact(linkedin_url="a"), Contact(linkedin_url="b")


def result(contact, **more):
    return EnrichmentResult(contact.index, contact.contact, "found", raw={"x": 1}, **more)


def test_followers_wait_for_their_first_and_later_ones_do_not():
    links = Duplicates("all")
    first, second, third = (prepare(n, A) for n in range(3))
    assert links.follow(first) is False
    assert links.follow(prepare(9, B)) is False
    assert links.follow(second) is True
    assert links.waiting == 1
    found = result(first, email="e", credits_estimated=1.0, credits_charged=1.0)
    assert links.settle(first.identity, found) == [copy_for(second, found)]
    assert links.waiting == 0
    late = links.follow(third)
    assert (late.index, late.duplicate_of, late.email, late.credits) == (2, 0, "e", 0)
    assert links.settle(first.identity, found) == ()


def test_a_copy_keeps_what_the_caller_gave():
    own = prepare(5, Contact(linkedin_url="a", key="mine"))
    copied = copy_for(own, result(prepare(1, Contact(linkedin_url="a", key="other")), key="other"))
    assert (copied.key, copied.contact.key, copied.index) == ("mine", "mine", 5)


def test_off_and_known_repeats():
    assert Duplicates("off").follow(prepare(0, A)) is False
    links = Duplicates("all", {prepare(0, B).identity})
    assert links.follow(prepare(0, A)) is links.follow(prepare(1, A)) is False
    assert links.follow(prepare(2, B)) is False
    assert links.follow(prepare(3, B)) is True


def test_a_window_forgets_the_oldest_and_keeps_no_raw_rows(monkeypatch):
    monkeypatch.setattr(row_results, "WINDOW", 2)
    links = Duplicates("window")
    contacts = [prepare(n, Contact(linkedin_url=f"p{n}")) for n in range(3)]
    for contact in contacts:
        assert links.follow(contact) is False
        links.settle(contact.identity, result(contact))
    assert links.follow(contacts[2]).raw is None
    assert links.follow(contacts[0]) is False


def test_one_in_flight_is_never_forgotten(monkeypatch):
    monkeypatch.setattr(row_results, "WINDOW", 1)
    links = Duplicates("window")
    waiting = [prepare(n, Contact(linkedin_url=f"p{n}")) for n in range(5)]
    assert [links.follow(contact) for contact in waiting] == [False] * 5
    assert [links.follow(contact) for contact in waiting] == [True] * 5
    assert links.waiting == 5


@given(st.lists(st.integers(0, 9)))
def test_repeated_identities(numbers):
    contacts = [Contact(linkedin_url=f"p{n}") for n in numbers]
    repeated = asyncio.run(repeated_identities([*contacts, Contact()]))
    assert repeated == {
        prepare(0, c).identity for c, n in zip(contacts, numbers, strict=True) if numbers.count(n) > 1
    }
