"""A CSV file in parts: every row once, within the limits, whatever stands in it."""

import csv
import io
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async import BudgetExceededError, ConfigurationError, facts
from cleanlist_async.contacts.texts import is_placeholder
from cleanlist_async.sandbox import Fault, Sandbox
from cleanlist_async.tables import TableError
from cleanlist_async.tables.import_table import ImportTable, split_table
from tests.support.cases import each_case
from tests.support.clients import client_of, outcome_of
from tests.support.modern_world import csv_of, error_of, list_of, modern_world, sent

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
CELL = st.one_of(TEXT, st.sampled_from(['"', '""', "a,b", "x\ny", "\r\n", "\r", " ", "", "é;è", "\t", "=1"]))
ROWS = st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=30)
HEADER = ["City", "Company Name", "Notes"]


def written(rows, delimiter=",", lineterminator="\r\n"):
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, lineterminator=lineterminator).writerows(rows)
    return file.getvalue()


def split_csv(data, mapping=None):
    return split_table(ImportTable.open(data, mapping or {}, guess=mapping is None))


def read(part):
    return list(csv.reader(io.StringIO(part.content.decode(), newline="")))


def _company(text):
    return "" if is_placeholder("company_name", text) else text


@given(ROWS, st.integers(120, 2_000), st.integers(1, 7), st.sampled_from(",;\t|"), st.booleans())
def test_every_row_is_once_in_some_part(rows, max_bytes, max_rows, delimiter, mark):
    rows = [*rows, ["Graz", "Engine", "Ada"]]  # below it nothing stands apart, as a footer does
    data = (("\ufeff" if mark else "") + written([HEADER, *rows], delimiter)).encode()
    with (
        patch.object(facts, "MAX_IMPORT_BYTES", max_bytes),
        patch.object(facts, "MAX_IMPORT_ROWS", max_rows),
    ):
        split = split_csv(data, {"city": "City", "company_name": "Company Name"})
    kept, numbers = [], []
    for part in split.parts:
        assert len(part.content) <= max_bytes
        header, *content = read(part)
        assert header == ["company_name", "city"]
        assert len(content) == len(part.rows) <= max_rows
        kept += content
        numbers += part.rows
    empty = split.left_out.pop("missing_required", [])
    assert not split.left_out
    values = [[_company(company.strip()), city.strip()] for city, company, _ in rows]
    assert kept == [row for row in values if any(row)]
    assert numbers == sorted(set(numbers) - set(empty))
    assert [values[number - 2] for number in numbers] == kept
    assert split.rows == len(kept)


@given(ROWS)
def test_parts_are_as_full_as_they_can_be(rows):
    rows = [["x", *row[1:]] for row in rows]
    with patch.object(facts, "MAX_IMPORT_ROWS", 4):
        split = split_csv(written([HEADER, *rows]).encode())
    assert [len(part.rows) for part in split.parts[:-1]] == [4] * (len(split.parts) - 1)


@given(st.lists(st.sampled_from(["a@b.c", "A@B.C ", "d@e.f", "", "g@h.i"]), min_size=1, max_size=20))
def test_an_address_is_sent_once_in_all_parts_together(emails):
    with patch.object(facts, "MAX_IMPORT_ROWS", 2):
        split = split_csv(written([["Email", "City"], *([email, "x"] for email in emails)]).encode())
    sent_ = [row[0].strip().casefold() for part in split.parts for row in read(part)[1:]]
    known = [email for email in sent_ if email]
    assert len(known) == len(set(known))
    assert set(known) == {email.strip().casefold() for email in emails} - {""}
    assert len(sent_) + len(split.left_out.get("duplicate_email", [])) == len(emails)


def test_profiles_are_told_apart_without_their_last_slash():
    split = split_csv(b"LinkedIn URL\nhttps://linkedin.com/in/A/\nhttps://linkedin.com/in/a\n")
    assert (split.rows, split.left_out) == (1, {"duplicate_linkedin": [3]})


def test_blank_rows_count_as_a_reader_counts_them():
    split = split_csv(b"Email,City\n\na@b.c,x\n,\n \na@b.c,y\n")
    assert [part.rows for part in split.parts] == [(3,)]
    assert split.left_out == {"duplicate_email": [6]}


def test_short_and_long_rows():
    split = split_csv(b"City,Email,Phone\nx\ny,a@b.c,1,surplus\n")
    assert read(split.parts[0])[1:] == [["", "", "x"], ["a@b.c", "1", "y"]]


@each_case(
    ("header", "mapping"),
    [
        (
            "First Name,Surname,E-Mail,Company,Website",
            {
                "first_name": "First Name",
                "last_name": "Surname",
                "email": "E-Mail",
                "company_name": "Company",
                "company_domain": "Website",
            },
        ),
        (" Email , Job Title ", {"email": " Email ", "job_title": " Job Title "}),
        (
            "Mobile Phone;Work Phone;Phone;State",
            {"phone": "Phone", "mobile_phone": "Mobile Phone", "work_phone": "Work Phone", "state": "State"},
        ),
        ('"Email";"Company, Inc"', {"email": "Email"}),
        ("Email 2,Email", {"email": "Email"}),
        ("Email,Phone,Phone Number", {"email": "Email", "phone": "Phone"}),
        (
            "Name,Title",
            {"first_name": "Name", "last_name": "Name", "full_name": "Name", "job_title": "Title"},
        ),
        ("Full Name,First Name,Last Name", dict.fromkeys(["first_name", "last_name", "full_name"])),
        ("Vorname,Name", {"first_name": "Vorname", "last_name": "Name"}),
    ],
)
def test_columns_are_known_by_their_headers(header, mapping):
    known = ImportTable.open(f"{header}\n".encode(), {}, guess=True).mapping
    assert {field: header and known[field] for field, header in mapping.items()} == mapping
    assert known.keys() == mapping.keys()


def test_a_name_is_split_as_for_an_enrichment_and_sent_whole_beside_it():
    split = split_csv(b'Name,Website\n"Love, Ada",https://www.engine.example/about\nCher,\n')
    assert read(split.parts[0]) == [
        ["first_name", "last_name", "full_name", "company_domain"],
        ["Ada", "Love", "Love, Ada", "engine.example"],
        ["Cher", "", "Cher", ""],
    ]


def test_a_mapping_names_every_column_that_is_sent():
    split = split_csv(b"Email,City,Tel\na@b.co,x,+1\n", {"phone": "tel", "mobile_phone": "Tel"})
    assert read(split.parts[0]) == [["phone", "mobile_phone"], ["+1", "+1"]]


@each_case(
    ("data", "mapping", "why", "row", "column"),
    [
        (b"", None, "is empty", None, None),
        (b"\n \n", None, "is empty", None, None),
        (b"Colour,Size\nred,1\n", None, "none of the column headers is known", 1, None),
        (b"Email\nx\n", {"email": "Mail"}, 'no column "Mail"', None, None),
        (b"Email\nx\n", {"mail": "Email"}, "no field", None, None),
        (b"Email,City\na@b.co,\x81\n", None, "not utf-8", 2, "City"),
        (b'Email,City\na@b.c,"x\nb@b.c,y\n', None, "a quote opens here", 2, "City"),
        (b"Name,City\nx y," + b"x" * 150_000 + b"\n", None, "larger than one import", 2, None),
        (b"Email,City\na@b.co,a\nb@b.co," + b"y" * 160_000, None, "larger than one import", 3, None),
    ],
)
def test_a_file_that_cannot_be_imported_is_refused_by_row_and_column(data, mapping, why, row, column):
    with pytest.raises(TableError, match=why) as refused:
        split_csv(data, mapping)
    assert (refused.value.row, refused.value.column) == (row, column)


def test_json_that_no_csv_can_hold_is_refused_or_replaced(tmp_path):
    path = tmp_path / "leads.jsonl"
    path.write_text('{"email": "a@b.co", "city": "x\\u0000y"}\n{"email": "b@b.co", "city": "\\ud800"}\n')
    with pytest.raises(TableError, match="surrogate") as refused:
        split_csv(path)
    assert refused.value.row == 2
    path.write_text('{"email": "a@b.co", "city": "x\\u0000y"}\n')
    assert read(split_csv(path).parts[0])[1] == ["a@b.co", "x\ufffdy"]


@given(st.binary(max_size=60))
def test_any_bytes_are_a_file_or_a_clear_refusal(data):
    try:
        split = split_csv(b"City,State\n" + data)
    except TableError:
        return
    assert sum(len(read(part)) - 1 for part in split.parts) == split.rows


# -- through the client ----------------------------------------------------------------------------


async def test_a_large_file_goes_in_parts_with_a_key_each():
    file = csv_of(1_500) + b"\n" + csv_of(3).split(b"\n", 1)[1]
    async with modern_world() as world:
        list_id = await list_of(world, 0)
        report = await world.client.lead_lists.import_csv(list_id, file)
        assert (report.rows_parsed, report.rows_imported, report.rows_skipped) == (1_503, 1_500, 3)
        assert report.skip_reasons == {"duplicate_email": 3}
        assert report.skipped_rows == [1_502, 1_503, 1_504]
        assert len(report.parts) == len(sent(world, "/csv-import")) == 3
        report.raise_for_error()
        assert (await world.client.lead_lists.get_list(list_id)).lead_count == 1_500
        again = await world.client.lead_lists.import_csv(list_id, file)
        assert again.rows_imported == 1_500  # no key was given: imported anew


async def test_rows_that_the_server_skips_are_named_by_their_place_in_the_file():
    rows = [f"a{i}@b.example,x" for i in range(700)]
    rows[650] = ",only a city"
    data = "\n".join(["Email,City", *rows]).encode()
    async with modern_world() as world:
        list_id = await list_of(world, 0)
        report = await world.client.lead_lists.import_csv(list_id, data)
        assert (report.skip_reasons, report.skipped_rows) == ({"missing_required": 1}, [652])


async def test_an_import_that_stops_half_way_says_how_far_it_came():
    async with modern_world() as world:
        list_id = await list_of(world, 0)
        world.sandbox.add_fault(Fault("*/csv-import", nth=2, status=403, times=9))
        report = await world.client.lead_lists.import_csv(list_id, csv_of(1_300), idempotency_key="k")
        assert (report.rows_imported, report.stopped_by.status, len(report.parts)) == (600, 403, 1)
        with pytest.raises(type(report.stopped_by)):
            report.raise_for_error()
        world.sandbox.clear_faults()
        report = await world.client.lead_lists.import_csv(list_id, csv_of(1_300), idempotency_key="k")
        assert report.rows_imported == 1_300
        assert (await world.client.lead_lists.get_list(list_id)).lead_count == 1_300
        world.sandbox.add_fault(Fault("*/csv-import", status=403))
        assert (await error_of(world.client.lead_lists.import_csv(list_id, csv_of(1)))).status == 403


async def test_an_import_that_enriches_stays_within_its_wall():
    async with modern_world() as world:
        lists, list_id = world.client.lead_lists, await list_of(world, 0)
        for options in (
            {"dispatch_enrichment": True},
            {"dispatch_enrichment": True, "enrichment_type": "full"},
            {"dispatch_enrichment": True, "max_credits": 5},
            {"dispatch_enrichment": True, "enrichment_type": "all", "max_credits": 5},
            {"enrichment_type": "full"},
            {"max_credits": 5},
        ):
            assert type(await error_of(lists.import_csv(list_id, csv_of(3), **options))) is ConfigurationError
        what = {"dispatch_enrichment": True, "enrichment_type": "phone_only"}
        error = await error_of(lists.import_csv(list_id, csv_of(3), **what, max_credits=29))
        assert isinstance(error, BudgetExceededError)
        assert not sent(world, "/csv-import")
        report = await lists.import_csv(list_id, csv_of(3), **what, max_credits=30)
        (workflow_id,) = report.workflow_ids
        done = await world.client.enrichment.wait(workflow_id)
        assert done.credits_charged == world.ledger.credits_charged <= 30


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("/nowhere/x.csv", TableError),
        ("", ConfigurationError),
        ("a\0b", ConfigurationError),
        ("/", ConfigurationError),
    ],
)
@pytest.mark.anyio
async def test_a_file_that_cannot_be_read_is_refused_before_any_request(source, kind):
    async with client_of("http://127.0.0.1:9") as client:
        outcome = await outcome_of(client.lead_lists.import_csv("l", source))
        assert type(outcome) is kind
        assert not client.statistics().requests


@pytest.mark.sockets
@pytest.mark.anyio
async def test_a_file_is_read_from_the_disk(tmp_path):
    file = tmp_path / "people.csv"
    file.write_bytes(csv_of(3))

    async with Sandbox() as sandbox, client_of(sandbox.base_url, api_key=sandbox.api_key) as client:
        made = await client.lead_lists.create_list("A")
        done = await client.lead_lists.import_csv(made.list_id, file)
    assert done.rows_imported == 3
