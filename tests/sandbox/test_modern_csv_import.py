"""CSV import over HTTP: what is taken in, what is skipped and why, what is bought, what is replayed."""

import pytest

from cleanlist_async.sandbox import Sandbox
from tests.support.cases import each_case
from tests.support.modern_caller import HEADER, ModernCaller, code, encoded, locations, table

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

ROWS = [
    HEADER,
    "Ada,Lovelace,ada@x.example,,x.example,Programmer",
    "Ada,Lovelace,ADA@x.example,,x.example,Programmer",
    "Alan,Turing,,https://www.linkedin.com/in/alan,,",
    "A.,Turing,alan@x.example,https://www.linkedin.com/in/Alan,,",
    "",
    "Grace,Hopper,,,,Admiral",
    " , ,,,,",
    ",,grace@x.example,,,",
]


async def test_rows_that_say_who_they_are_come_in_and_the_rest_is_counted(sandbox, http):
    list_id = await http.made()
    answer = await http.take_in(list_id, "\n".join(ROWS))
    assert answer.status_code == 201
    body = answer.json()
    del body["timestamp_ms"]
    assert body == {
        "list_id": list_id,
        "rows_parsed": 6,
        "rows_imported": 3,
        "rows_skipped": 3,
        "skip_reasons": {"duplicate_email": 1, "duplicate_linkedin": 1, "missing_required": 1},
        "sample_skip_rows": [3, 5, 7],
        "workflow_id": None,
        "enrichment_status_url": None,
        "idempotency_replayed": False,
    }
    leads = await http.leads(list_id)
    assert [(row["full_name"], row["email"], row["title"]) for row in leads] == [
        ("Ada Lovelace", "ada@x.example", "Programmer"),
        ("Alan Turing", None, None),
        (None, "grace@x.example", None),
    ]
    assert sandbox.ledger.credits_charged == 0


async def test_columns_are_put_together_and_unmapped_ones_dropped():
    text = '\ufeff"Name ",Mobile,Town,Land,Firm,Secret\n"Ada, King Lovelace",+1,London,UK,"A ""B"" C",s\n'
    mapping = {
        "full_name": "Name",
        "mobile_phone": "Mobile",
        "city": "Town",
        "country": "Land",
        "company_name": "Firm",
    }
    async with Sandbox() as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made()
        await http.take_in(list_id, text, column_mapping=mapping)
        (lead,) = await http.leads(list_id)
        assert {name: lead[name] for name in ("first_name", "last_name", "phone", "location", "company")} == {
            "first_name": "Ada, King",
            "last_name": "Lovelace",
            "phone": "+1",
            "location": "London, UK",
            "company": 'A "B" C',
        }


async def test_more_than_600_rows_are_capped_and_ten_skipped_ones_named(http):
    list_id = await http.made()
    body = (await http.take_in(list_id, table(615))).json()
    assert (body["rows_parsed"], body["rows_imported"], body["rows_skipped"]) == (615, 600, 15)
    assert body["skip_reasons"] == {"row_cap_exceeded": 15}
    assert body["sample_skip_rows"] == list(range(602, 612))


async def test_413_above_150_kb_of_file(http):
    list_id = await http.made()
    full = table(1).ljust(150_000, "\n")
    assert (await http.take_in(list_id, full)).status_code == 201
    assert code(await http.take_in(list_id, full + "\n"))[0] == 413
    assert (await http.get(f"/lead-lists/{list_id}")).json()["lead_count"] == 1


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"column_mapping": {"email": "Mail", "first_name": "First"}}, "missing_column"),
        ({"csv_content_base64": "no base64!"}, "validation_error"),
        ({"csv_content_base64": encoded(b"\xff\xfe")}, "validation_error"),
    ],
)
async def test_400_for_a_file_that_does_not_fit(change, refusal, http):
    list_id = await http.made()
    answer = await http.take_in(list_id, table(1), **change)
    assert code(answer) == (400, refusal)
    if refusal == "missing_column":
        assert answer.json()["error"]["details"]["missing_columns"] == ["Mail"]


@each_case(
    ("change", "where"),
    [
        ({"column_mapping": {}}, ("body", "column_mapping")),
        ({"column_mapping": {"twitter": "First"}}, ("body", "column_mapping", "twitter", "[key]")),
        ({"dispatch_enrichment": True}, ("body",)),
        ({"enrichment_type": "phone-only"}, ("body", "enrichment_type")),
        ({"webhook_url": "https://x.example"}, ("body", "webhook_url")),
    ],
)
async def test_422_for_a_request_that_does_not_fit(change, where):
    async with Sandbox() as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made()
        assert locations(await http.take_in(list_id, table(1), **change)) == [where]


async def test_it_spends_unless_told_not_to():
    async with Sandbox(workflow_s=0.0) as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made()
        body = {
            "csv_content_base64": encoded(table(20)),
            "column_mapping": {"first_name": "First", "last_name": "Last", "company_domain": "Domain"},
            "enrichment_type": "full",
        }
        answer = (await http.post(f"/lead-lists/{list_id}/csv-import", json=body)).json()
        assert answer["enrichment_status_url"] == f"/api/v2/enrichment/status/{answer['workflow_id']}"
        status = (await http.get(f"/enrichment/status/{answer['workflow_id']}")).json()
        assert (status["status"], status["lead_list_id"], status["total"]) == ("completed", list_id, 20)
        assert 0 < status["credits_charged"] == sandbox.ledger.credits_charged < 220
        leads = await http.leads(list_id)
        assert len(leads) == 20
        assert any(lead["email"] for lead in leads)


async def test_a_quote_is_for_the_rows_that_come_in():
    async with Sandbox(workflow_s=0.0) as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made()
        buy = {"dispatch_enrichment": True, "enrichment_type": "partial"}
        asked = {"list_id": list_id, "enrichment_type": "partial"}
        quote_id = await http.quoted("bulk_import_csv", row_count=3, **asked)
        small = await http.quoted("bulk_import_csv", row_count=2, **asked)
        first = await http.take_in(list_id, table(3), **buy, quote_id=quote_id)
        again = await http.take_in(list_id, table(3), **buy, quote_id=quote_id)
        above = await http.take_in(list_id, table(3), **buy, quote_id=small)
        assert first.status_code == 201
        assert code(again) == (400, "quote_already_redeemed")
        assert code(above) == (400, "spend_cap_exceeded")


async def test_what_cannot_be_paid_for_is_not_imported():
    async with Sandbox(credits=5) as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made()
        answer = await http.take_in(list_id, table(6), dispatch_enrichment=True, enrichment_type="partial")
        assert code(answer) == (400, "insufficient_credits")
        assert answer.json()["error"]["shortfall_credits"] == 1
        assert await http.leads(list_id) == []


async def test_importing_and_enriching_are_two_rights():
    scopes = {"a": ("lists:write", "lists:read")}
    async with Sandbox(api_keys=("a",), scopes=scopes) as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made()
        refused = await http.take_in(list_id, table(1), dispatch_enrichment=True, enrichment_type="partial")
        assert code(refused) == (403, "insufficient_scope")
        assert refused.json()["error"]["details"]["required"] == ["enrich:write"]
        assert (await http.take_in(list_id, table(1))).status_code == 201


async def test_an_idempotency_key_is_organization_wide_and_the_first_one_wins():
    now = [0.0]
    async with (
        Sandbox(api_keys=("a", "b"), clock=lambda: now[0], limiter="off", workflow_s=0.0) as sandbox,
        ModernCaller(sandbox, "a") as mine,
        ModernCaller(sandbox, "b") as theirs,
    ):
        first_list, second_list = await mine.made("One"), await theirs.made("Two")
        buy = {"dispatch_enrichment": True, "enrichment_type": "partial", "idempotency_key": "k"}
        first = (await mine.take_in(first_list, table(3), **buy)).json()
        charged = sandbox.ledger.credits_charged
        again = await theirs.take_in(second_list, table(7), **buy)
        assert again.status_code == 201
        assert again.json() == first | {"idempotency_replayed": True}
        assert sandbox.ledger.credits_charged == charged
        assert await theirs.leads(second_list) == []
        now[0] = 86_400.0
        anew = (await theirs.take_in(second_list, table(7), **buy)).json()
        assert (anew["list_id"], anew["rows_imported"], anew["idempotency_replayed"]) == (
            second_list,
            7,
            False,
        )


async def test_a_refused_import_leaves_its_idempotency_key_free():
    async with Sandbox(credits=0, workflow_s=0.0) as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made()
        buy = {"dispatch_enrichment": True, "enrichment_type": "partial", "idempotency_key": "k"}
        assert (await http.take_in(list_id, table(2), **buy)).status_code == 400
        sandbox.set_credits(10)
        answer = await http.take_in(list_id, table(2), **buy)
        assert (answer.status_code, answer.json()["idempotency_replayed"]) == (201, False)


async def test_nobody_of_a_file_without_rows_is_bought():
    async with Sandbox(credits=0) as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made()
        answer = await http.take_in(list_id, HEADER, dispatch_enrichment=True, enrichment_type="full")
        assert (answer.status_code, answer.json()["workflow_id"]) == (201, None)


async def test_503_when_it_is_switched_off():
    async with Sandbox(modern_disabled=("csv_import",)) as sandbox, ModernCaller(sandbox) as http:
        answer = await http.take_in(await http.made(), table(1))
        assert code(answer) == (503, "not_enabled")
        assert answer.json()["error"]["retryable"] is False
