"""What is found about a contact is decided by the contact and the seed."""

import re
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async.contacts.contact import API_FIELDS, Contact
from cleanlist_async.sandbox import expected
from cleanlist_async.sandbox.ledger import identity_of
from tests.support.cases import each_case

contacts = st.dictionaries(st.sampled_from(API_FIELDS), st.text(max_size=12) | st.none())
ADDRESS = re.compile(r"[a-z0-9]+\.[a-z0-9]+\.[0-9a-f]{12}@[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


@given(contacts, contacts)
def test_two_contacts_share_an_address_only_if_they_are_the_same(one, other):
    first, second = (expected(contact, "full", hit_rate=1.0) for contact in (one, other))
    assert (first.email == second.email) == (identity_of(one) == identity_of(other))
    assert ADDRESS.fullmatch(first.email)


def test_what_the_contact_says_is_kept_and_the_rest_invented():
    given_name = expected(
        {"first_name": "Zoë", "last_name": "O'Neil", "company_domain": "Acme.example"}, "full", hit_rate=1
    )
    assert given_name.person[:2] == ("Zoë", "O'Neil")
    assert given_name.person.company_domain == "Acme.example"
    assert re.fullmatch(r"zoe\.oneil\.\w{12}@acme\.example", given_name.email)
    assert given_name.person.linkedin_url.startswith("https://www.linkedin.com/in/zoe-oneil-")
    unknown = expected({"linkedin_url": "https://www.linkedin.com/in/x"}, "full", hit_rate=1).person
    assert unknown.linkedin_url == "https://www.linkedin.com/in/x"
    assert all(unknown)


def test_a_contact_object_and_its_payload_are_the_same():
    fields = {"linkedin_url": "x", "first_name": "A"}
    assert expected(Contact(**fields, key="mine"), "full") == expected({**fields, "email": None}, "full")


def test_the_seed_decides():
    person = {"linkedin_url": "https://www.linkedin.com/in/x"}
    assert expected(person, "full", hit_rate=1) != expected(person, "full", hit_rate=1, seed=1)
    assert expected(person, "full", seed=1) == expected(person, "full", seed=1)


def many(enrichment_type, **more):
    return [expected({"linkedin_url": str(i)}, enrichment_type, **more) for i in range(2000)]


def test_the_hit_rate_is_kept_for_emails_and_phones_apart():
    results = many("full", hit_rate=0.7)
    both = Counter((result.email is not None, bool(result.phones)) for result in results)
    assert 0.67 < (both[True, True] + both[True, False]) / 2000 < 0.73
    assert 0.67 < (both[True, True] + both[False, True]) / 2000 < 0.73
    assert 0.45 < both[True, True] / 2000 < 0.53
    assert all(result.successful for result in many("full", hit_rate=1.0))
    assert not any(result.successful for result in many("full", hit_rate=0.0))


def test_email_statuses():
    assert set(Counter(result.email_status for result in many("partial"))) == {
        "reliable",
        "risky",
        "unknown",
        None,
    }


PRICES = [
    ("none", "each", {0}),
    ("partial", "each", {0, 1}),
    ("phone_only", "each", {0, 10}),
    ("prospecting_only", "each", {0, 1}),
    ("full", "each", {0, 1, 10, 11}),
    ("full", "full", {0, 11}),
]


@each_case(("enrichment_type", "half_full_price", "prices"), PRICES)
def test_prices(enrichment_type, half_full_price, prices):
    results = many(enrichment_type, half_full_price=half_full_price)
    assert {result.credits for result in results} == prices
    assert all(result.successful or result.credits == 0 for result in results)
    if enrichment_type == "full" and half_full_price == "each":
        assert all(r.credits == (r.email is not None) + 10 * len(r.phones) for r in results)


def test_each_type_finds_only_its_own():
    assert not any(result.phones for result in many("partial", hit_rate=1))
    assert not any(result.email for result in many("phone_only", hit_rate=1))
    for enrichment_type in ("none", "prospecting_only"):
        assert not any(result.email or result.phones for result in many(enrichment_type, hit_rate=1))
