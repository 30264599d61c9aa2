"""What a row makes of a contact's result."""

import pickle

import pytest

from cleanlist_async.api.models.rows import EnrichmentRow
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich import row_results as settle
from cleanlist_async.enrich.row_results import copy_for
from tests.support.cases import each_case

EMAIL, PHONE = {"email": "ada@x.com"}, {"phones": ["+1"]}


@each_case(
    ("enrichment_type", "said", "status", "price"),
    [
        ("partial", EMAIL, "found", 1),
        ("partial", PHONE, "found", 0),
        ("partial", {}, "not_found", 0),
        ("phone_only", EMAIL, "found", 0),
        ("phone_only", PHONE, "found", 10),
        ("full", EMAIL, "found", 11),
        ("full", PHONE, "found", 11),
        ("full", {}, "not_found", 0),
        ("prospecting_only", EMAIL, "found", 1),
        ("prospecting_only", {}, "found", 0),
        ("none", {}, "found", 0),
        ("none", EMAIL, "found", 0),
        ("none", {"status": "failed"}, "not_found", 0),
        ("prospecting_only", {"status": "failed"}, "not_found", 0),
        ("brand_new", EMAIL, "found", 0),
    ],
)
def test_status_and_price_of_what_was_found(enrichment_type, said, status, price):
    row = EnrichmentRow(said)
    contact = Prepared(4, Contact(linkedin_url="x", key="mine"), b"{}")
    result = settle.found(contact, row, "w", "t", enrichment_type)
    assert (result.index, result.key, result.task_id) == (4, "mine", "t")
    assert (result.email, result.phones) == (said.get("email"), tuple(said.get("phones", ())))
    assert (result.status, result.credits_estimated) == (status, price)
    assert settle.estimate(row, enrichment_type) == price


@pytest.mark.parametrize(
    ("enrichment_type", "said", "billed"),
    [
        ("partial", EMAIL, "yes"),
        ("partial", PHONE, "no"),
        ("partial", {}, "no"),
        ("phone_only", PHONE, "yes"),
        ("full", EMAIL, "yes"),
        ("full", {}, "no"),
        ("none", {}, "no"),
        ("none", EMAIL, "no"),
        ("prospecting_only", EMAIL, "yes"),
        ("prospecting_only", {}, "unknown"),
        ("prospecting_only", {"status": "failed"}, "no"),
        ("prospecting_only", {"credits_charged": 0}, "no"),
        ("prospecting_only", {"credits_charged": 3}, "yes"),
        ("partial", {**EMAIL, "credits_charged": 0}, "no"),
        ("partial", {"credits_charged": 0.5}, "yes"),
    ],
)
def test_a_result_says_whether_it_was_billed_by_the_servers_word_or_the_price_list(
    enrichment_type, said, billed
):
    contact = Prepared(4, Contact(linkedin_url="x"), b"{}")
    result = settle.found(contact, EnrichmentRow(said), "w", "t", enrichment_type)
    assert result.billed == billed
    assert copy_for(Prepared(5, Contact(linkedin_url="x"), b"{}"), result).billed == "no"
    assert pickle.loads(pickle.dumps(result)).billed == billed


@pytest.mark.parametrize(
    ("status", "enrichment_type", "billed"),
    [
        ("invalid", None, "no"),
        ("failed", "full", "no"),
        ("pending", "full", "unknown"),
        ("pending", "prospecting_only", "unknown"),
        ("pending", "none", "no"),
        ("unknown", "full", "unknown"),
        ("unknown", "none", "unknown"),
        ("unknown", None, "unknown"),
    ],
)
def test_a_result_without_a_row_says_whether_it_was_billed(status, enrichment_type, billed):
    contact = Prepared(4, Contact(linkedin_url="x"), b"{}")
    result = settle.without_row(contact, status, None, enrichment_type=enrichment_type)
    assert result.billed == copy_for(contact, result).billed == billed
