"""``client.lead_lists`` against the sandbox."""

import json

import pytest

from cleanlist_async import (
    ConfigurationError,
    ConflictError,
    InvalidCursorError,
    ListNotFoundError,
    MalformedResponseError,
    RequestValidationError,
)
from tests.support.cases import each_case
from tests.support.clients import Served, respond, virtual_client
from tests.support.modern_world import (
    both_versions,
    csv_of,
    error_of,
    last_body,
    list_of,
    modern_world,
    sent,
)


@both_versions
@pytest.mark.operation("create_list", "get_list", "update_list", "delete_list")
async def test_a_list_is_made_read_changed_and_deleted(world):
    lists = world.client.lead_lists
    made = await world.client.lead_lists.create_list("Autumn", description="Fair")
    assert (made.name, made.description, made.reused, made.lead_count) == ("Autumn", "Fair", False, 0)
    assert made.created_at.tzinfo is not None
    assert last_body(world) == {"name": "Autumn", "description": "Fair"}
    changed = await world.client.lead_lists.update_list(made.list_id, name="Winter")
    assert (changed.name, changed.description) == ("Winter", "Fair")
    assert (await world.client.lead_lists.get_list(made.list_id)).name == "Winter"
    gone = await world.client.lead_lists.delete_list(made.list_id)
    assert (gone.list_id, gone.deleted) == (made.list_id, True)
    assert isinstance(await error_of(lists.get_list(made.list_id)), ListNotFoundError)
    assert isinstance(await error_of(lists.delete_list(made.list_id)), ListNotFoundError)


@both_versions
@pytest.mark.operation("list_lists")
async def test_a_page_of_lists_and_all_lists(world):
    ids = [await list_of(world, 0, f"List {n}") for n in range(7)]
    before = len(world.ledger.requests)
    page = await world.client.lead_lists.list_lists(limit=3)
    assert (len(page.lists), page.cursor is not None) == (3, True)
    assert len(world.ledger.requests) == before + 1
    found = [one.list_id async for one in world.client.lead_lists.list_lists(limit=3)]
    assert set(ids) <= set(found)
    assert len(found) == len(set(found)) == page.total
    pages = [page async for page in world.client.lead_lists.list_lists(limit=3).pages()]
    assert sum(len(page.lists) for page in pages) == page.total


async def test_the_next_page_is_not_asked_for_before_it_is_wanted(world):
    for n in range(4):
        await list_of(world, 0, f"List {n}")
    before = len(world.ledger.requests)
    walk = world.client.lead_lists.list_lists(limit=2)
    assert len(world.ledger.requests) == before
    iterator = aiter(walk)
    for asked, _ in ((1, 1), (1, 2), (2, 3)):
        await anext(iterator)
        assert len(world.ledger.requests) == before + asked
    await iterator.aclose()


@both_versions
@pytest.mark.operation("list_leads_in_list")
async def test_all_leads_of_a_list(world):
    list_id = await list_of(world, 25)
    leads = [lead async for lead in world.client.lead_lists.list_leads_in_list(list_id, limit=10)]
    assert sorted(lead.email for lead in leads) == sorted(f"ada{i}@example.com" for i in range(25))
    page = await world.client.lead_lists.list_leads_in_list(list_id, limit=10, cursor="20")
    assert (page.total, page.list_id, len(page.leads), page.cursor) == (25, list_id, 5, None)
    assert page.task_id.startswith("cl-task_")


@both_versions
@pytest.mark.operation("add_leads_to_list", "remove_leads_from_list")
async def test_leads_are_added_and_removed(world):
    source, target = await list_of(world, 5), await list_of(world, 0, "Other")
    page = await world.client.lead_lists.list_leads_in_list(source)
    ids = [lead.lead_id for lead in page.leads]
    added = await world.client.lead_lists.add_leads_to_list(target, lead_ids=iter(ids[:3]))
    assert (added.added, added.skipped_duplicates, added.credits_charged) == (3, 0, 0)
    assert set(last_body(world)) == {"lead_ids", "idempotency_key"}
    added = await world.client.lead_lists.add_leads_to_list(target, task_id=page.task_id, entity_ids=ids[2:])
    assert (added.added, added.skipped_duplicates) == (2, 1)
    removed = await world.client.lead_lists.remove_leads_from_list(target, lead_ids=[*ids[:2], "nobody"])
    assert removed.removed == 2
    left = [lead.lead_id async for lead in world.client.lead_lists.list_leads_in_list(target)]
    assert sorted(left) == sorted(ids[2:])
    assert not world.ledger.credits_charged


async def test_leads_of_a_search_are_added(world):
    list_id = await list_of(world, 0)
    page = await world.client.search.people(departments=["Sales"], limit=5)
    added = await world.client.lead_lists.add_leads_to_list(list_id, task_id=page.task_id)
    assert (added.added, added.created) == (5, 5)


@both_versions
@pytest.mark.operation("csv_import")
async def test_one_file_is_imported(world):
    list_id = await list_of(world, 0)
    done = await world.client.lead_lists.csv_import(
        list_id,
        csv_content_base64="RW1haWwKYUBiLmV4YW1wbGUKYUBiLmV4YW1wbGUK",  # Email, a@b.example, twice
        column_mapping={"email": "Email"},
    )
    assert (done.rows_parsed, done.rows_imported, done.rows_skipped) == (2, 1, 1)
    assert (done.skip_reasons, done.sample_skip_rows) == ({"duplicate_email": 1}, (3,))
    assert done.workflow_id is None
    assert not world.ledger.contacts


NO_UUID = ["x"]
WRONG = {
    "name-empty": (lambda c: c.create_list(""), "name"),
    "name-long": (lambda c: c.create_list("x" * 201), "name"),
    "name-number": (lambda c: c.create_list(5), "name"),
    "name-surrogate": (lambda c: c.create_list("\ud800"), "name"),
    "rename-null": (lambda c: c.update_list("l", name=None), "name"),
    "rename-empty": (lambda c: c.update_list("l", name=""), "name"),
    "update-nothing": (lambda c: c.update_list("l"), None),
    "lists-limit-0": (lambda c: aiter_of(c.list_lists, limit=0), "limit"),
    "lists-limit-101": (lambda c: aiter_of(c.list_lists, limit=101), "limit"),
    "lists-cursor": (lambda c: aiter_of(c.list_lists, cursor=""), "cursor"),
    "leads-limit-501": (lambda c: aiter_of(c.list_leads_in_list, "l", limit=501), "limit"),
    "leads-limit-float": (lambda c: aiter_of(c.list_leads_in_list, "l", limit=2.0), "limit"),
    "add-both": (lambda c: c.add_leads_to_list("l", lead_ids=NO_UUID, task_id="t"), None),
    "add-neither": (lambda c: c.add_leads_to_list("l"), None),
    "add-entities-alone": (lambda c: c.add_leads_to_list("l", lead_ids=NO_UUID, entity_ids=["1"]), None),
    "add-none": (lambda c: c.add_leads_to_list("l", lead_ids=[]), "lead_ids"),
    "add-one-text": (lambda c: c.add_leads_to_list("l", lead_ids="abc"), "lead_ids"),
    "add-1001": (lambda c: c.add_leads_to_list("l", lead_ids=["x"] * 1001), "lead_ids"),
    "add-2001": (lambda c: c.add_leads_to_list("l", task_id="t", entity_ids=["x"] * 2001), "entity_ids"),
    "add-numbers": (lambda c: c.add_leads_to_list("l", task_id="t", entity_ids=[1]), "entity_ids"),
    "add-key-129": (
        lambda c: c.add_leads_to_list("l", lead_ids=NO_UUID, idempotency_key="k" * 129),
        "idempotency_key",
    ),
    "remove-none": (lambda c: c.remove_leads_from_list("l", lead_ids=[]), "lead_ids"),
    "remove-101": (lambda c: c.remove_leads_from_list("l", lead_ids=["x"] * 101), "lead_ids"),
    "import-no-columns": (
        lambda c: c.csv_import("l", csv_content_base64="eA==", column_mapping={}),
        "column_mapping",
    ),
    "import-field": (
        lambda c: c.csv_import("l", csv_content_base64="eA==", column_mapping={"mail": "x"}),
        "column_mapping",
    ),
    "import-what": (
        lambda c: c.csv_import(
            "l", csv_content_base64="eA==", column_mapping={"email": "x"}, dispatch_enrichment=True
        ),
        None,
    ),
    "import-type": (
        lambda c: c.csv_import(
            "l",
            csv_content_base64="eA==",
            column_mapping={"email": "x"},
            dispatch_enrichment=True,
            enrichment_type="all",
        ),
        "enrichment_type",
    ),
}


async def aiter_of(call, *args, **options):
    return [item async for item in call(*args, **options)]


@each_case("case", WRONG)
async def test_what_the_server_would_refuse_is_not_sent(case):
    call, field = WRONG[case]
    async with modern_world() as world:
        error = await error_of(call(world.client.lead_lists))
        assert isinstance(error, RequestValidationError)
        assert (error.code, error.status, error.billed) == ("validation_error", None, "no")
        if field:
            assert error.field_errors[0].loc[1] == field
            assert str(error).startswith(field)
        assert not world.ledger.requests


@each_case("id_", ["", ".", "..", " ", "a b", "a\nb", "x" * 257, None, 5, "\x7f"])
async def test_what_is_no_id_is_not_sent(id_):
    async with modern_world() as world:
        lists = world.client.lead_lists
        for call in (lists.get_list, lists.delete_list, world.client.enrichment.enrichment_status):
            error = await error_of(call(id_))
            assert isinstance(error, ConfigurationError)
            assert "_id" in str(error)
        assert not world.ledger.requests


@each_case("id_", ["../../v1/api-keys", "a/b", "a?b=c", "a#b", "%2e%2e", "ü", "a%2Fb"])
async def test_an_odd_id_stays_in_its_place(id_):
    async with modern_world() as world:
        assert isinstance(
            await error_of(world.client.lead_lists.get_list(id_)), ListNotFoundError | Exception
        )
        (record,) = world.ledger.requests
        assert record.path.startswith("/api/v2/lead-lists/")
        assert not record.query


async def test_a_file_of_csv_is_read_once_and_goes_where_it_should(world):
    list_id = await list_of(world, 0)
    await world.client.lead_lists.import_csv(list_id, csv_of(3))
    (record,) = sent(world, f"/lead-lists/{list_id}/csv-import")
    assert record.status == 201


LISTED = {"list_id": "l", "name": "A", "lead_count": 1, "enriched_count": 0}


async def test_create_list_answers_200_with_reused_when_the_name_is_taken(world):
    first = await world.client.lead_lists.create_list("Fair")
    again = await world.client.lead_lists.create_list("FAIR")
    assert (again.list_id, first.reused, again.reused) == (first.list_id, False, True)
    assert [record.status for record in sent(world, "/lead-lists")] == [201, 200]


async def test_null_in_a_patch_is_a_command_and_a_missing_key_is_none(world):
    made = await world.client.lead_lists.create_list("A", description="text")
    kept = await world.client.lead_lists.update_list(made.list_id, name="B")
    assert (kept.name, kept.description) == ("B", "text")
    cleared = await world.client.lead_lists.update_list(made.list_id, description=None)
    assert (cleared.name, cleared.description) == ("B", None)


async def test_delete_has_a_body():
    server = Served(lambda request, number: respond({"list_id": "l", "removed": 1}))
    async with virtual_client(server) as client:
        await client.lead_lists.remove_leads_from_list("l", lead_ids=["a"])
    (request,) = server.requests
    assert (request.method, json.loads(request.body)) == ("DELETE", {"lead_ids": ["a"]})
    assert request.headers["content-type"] == "application/json"


async def test_an_import_enriches_nothing_unless_it_is_told_to(world):
    await list_of(world, 5)
    assert last_body(world)["dispatch_enrichment"] is False
    assert not world.ledger.contacts


async def test_an_idempotency_key_of_another_list_is_no_import(world):
    first, second = await list_of(world, 0, "A"), await list_of(world, 0, "B")
    file = {"csv_content_base64": "RQphQGIuY28K", "column_mapping": {"email": "E"}}
    lists = world.client.lead_lists
    await lists.csv_import(first, **file, idempotency_key="same")
    error = await error_of(lists.csv_import(second, **file, idempotency_key="same"))
    assert isinstance(error, ConflictError)
    assert error.billed == "no"
    again = await lists.csv_import(first, **file, idempotency_key="same")
    assert again.idempotency_replayed
    for list_id in (first, second):  # a file has keys of its own in each list
        report = await lists.import_csv(list_id, csv_of(3), idempotency_key="same")
        assert report.rows_imported == 3
        assert not report.parts[0].idempotency_replayed
        report = await lists.import_csv(list_id, csv_of(3), idempotency_key="same")
        assert report.parts[0].idempotency_replayed


async def test_a_cursor_that_is_none_is_told(world):
    error = await error_of(world.client.lead_lists.list_lists(cursor="x"))
    assert isinstance(error, InvalidCursorError)


async def test_an_answer_about_another_list_is_asked_for_again():
    answers = [respond(LISTED | {"list_id": "other"}), respond(LISTED | {"list_id": "l"})]
    async with virtual_client(lambda request, number: answers[number]) as client:
        assert (await client.lead_lists.get_list("L")).list_id == "l"
    async with virtual_client(lambda request, number: answers[0]) as client:
        error = await error_of(client.lead_lists.get_list("L"))
    assert isinstance(error, MalformedResponseError)


@pytest.mark.world(api_keys=("clapi_one_0123456789", "clapi_two_0123456789"))
async def test_lists_belong_to_the_user_of_a_key_and_so_do_their_requests(world):
    list_id = await list_of(world, 3)
    run = await world.client.enrichment.enrich_list(list_id, max_credits=3)
    for _ in range(3):
        assert (await world.client.lead_lists.get_list(list_id)).lead_count == 3
        await world.client.request("GET", f"/api/v2/lead-lists/{list_id}")
    await world.client.enrichment.wait(run.workflow_id)
    await world.client.enrichment.wait(run.task_id)
    assert len({record.key_id for record in world.ledger.requests}) == 1
