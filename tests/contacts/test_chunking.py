"""Chunks: small enough, in order, complete."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count, islice, zip_longest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async import facts
from cleanlist_async.contacts.chunking import Chunker, bulk_body, chunked
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.contacts.identity import Prepared, prepare
from tests.support.cases import each_case


def contact(index: int, size: int = 40) -> Prepared:
    """A contact whose payload has exactly *size* bytes."""
    head = f'{{"linkedin_url":"{index:06}'
    payload = (head + "x" * (size - len(head) - 2) + '"}').encode()
    assert len(payload) == size
    return Prepared(index, Contact(), payload, payload[:16])


@given(
    sizes=st.lists(st.integers(40, 400), max_size=60),
    max_contacts=st.integers(1, 12),
    max_bytes=st.integers(150, 1_500),
)
def test_small_enough_in_order_and_complete(sizes: list[int], max_contacts: int, max_bytes: int) -> None:
    contacts = [contact(index, size) for index, size in enumerate(sizes)]
    chunks = list(chunked(iter(contacts), Chunker(max_contacts, max_bytes, overhead=60)))
    assert [one for chunk in chunks for one in chunk] == contacts
    for chunk, following in zip_longest(chunks, chunks[1:]):
        size = 60 + sum(len(one.payload) + 1 for one in chunk)
        assert 1 <= len(chunk) <= max_contacts
        assert size <= max_bytes or len(chunk) == 1  # one contact alone is sent, however large
        if following is not None:  # and no chunk ends before it must
            full = len(chunk) == max_contacts or size + len(following[0].payload) + 1 > max_bytes
            assert full


@each_case(("contacts", "chunks"), [(0, []), (1, [1]), (250, [250]), (251, [250, 1]), (1_000, [250] * 4)])
def test_at_most_250(contacts: int, chunks: list[int]) -> None:
    found = chunked((contact(index) for index in range(contacts)), Chunker())
    assert [len(chunk) for chunk in found] == chunks


def test_each_contact_takes_its_bytes_and_a_comma() -> None:
    contacts = [contact(0), contact(1)]
    assert len(list(chunked(iter(contacts), Chunker(9, 81, overhead=0)))) == 2
    assert len(list(chunked(iter(contacts), Chunker(9, 82, overhead=0)))) == 1


def test_a_chunk_comes_out_with_the_contact_that_fills_it() -> None:
    chunker = Chunker(2)
    assert chunker.add(contact(0)) is None
    assert len(chunker) == 1
    assert chunker.add(contact(1)) is not None
    assert len(chunker) == 0
    assert chunker.flush() is None


def test_an_endless_iterator_is_read_no_further_than_needed() -> None:
    numbers = count()

    def endless() -> Iterator[Prepared]:
        for number in numbers:
            yield contact(number)

    assert len(list(islice(chunked(endless(), Chunker()), 3))) == 3
    assert next(numbers) == 750


def test_the_largest_contacts_there_can_be_stay_within_the_cap_of_bytes() -> None:
    widest = dict.fromkeys(
        ("first_name", "last_name", "company_name", "company_domain", "email"), "\U0001f600" * 2000
    )
    prepared = prepare(0, {"linkedin_url": "\U0001f600" * 2_000, **widest})
    assert isinstance(prepared, Prepared)
    for chunk in chunked(iter([prepared] * 60), Chunker()):
        body = bulk_body(chunk, "prospecting_only", "https://example.com/" + "x" * 2_000)
        assert len(body) <= facts.MAX_REQUEST_BYTES
        assert len(chunk) > 5


@pytest.mark.parametrize("webhook_url", [None, 'https://example.com/hook?a="b\\'])
def test_the_body_is_the_json_that_is_documented(webhook_url: str | None) -> None:
    given_contacts = [
        {"linkedin_url": "https://linkedin.com/in/üx"},
        {"first_name": 'A"', "last_name": "B", "company_name": "C"},
    ]
    prepared = [
        one
        for index, given in enumerate(given_contacts)
        if isinstance(one := prepare(index, given), Prepared)
    ]
    body = json.loads(bulk_body(prepared, "phone_only", webhook_url))
    expected: dict[str, object] = {"contacts": given_contacts, "enrichment_type": "phone_only"}
    assert body == (expected | {"webhook_url": webhook_url} if webhook_url else expected)
