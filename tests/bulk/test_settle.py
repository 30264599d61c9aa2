"""What a row makes of a contact's result."""

from __future__ import annotations

from cleanlist_async.bulk import settle
from cleanlist_async.contacts import Contact
from cleanlist_async.identity import Prepared
from cleanlist_async.models.rows import EnrichmentRow
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
