"""Mappings with columns of any name, as the contacts of a run."""

import csv

import pandas as pd
import pyarrow as pa
import pytest

from cleanlist_async import ConfigurationError, Contact
from cleanlist_async.types import ContactTable, TableError
from tests.support.cases import each_case

EXPORT = [
    {"First Name": "Ada", "Last Name": "Love", "Company": "Acme", "Owner": "me", "Score": 1.5},
    {"First Name": "Bo", "Last Name": "Berg", "Company": "Beta", "Owner": None, "Score": float("nan")},
]
BUILT = [
    Contact(first_name="Ada", last_name="Love", company_name="Acme"),
    Contact(first_name="Bo", last_name="Berg", company_name="Beta"),
]


async def contacts_of(world, given, **options):
    report = await world.client.enrich(given, **options)
    async with world.client.stream(iter(given), **options) as stream:
        streamed = sorted([result async for result in stream], key=lambda result: result.index)
    assert [result.contact for result in streamed] == [result.contact for result in report.results]
    return [result.contact for result in report.results]


async def test_columns_are_guessed_from_the_keys_and_others_ignored(world):
    assert await contacts_of(world, EXPORT) == BUILT


async def test_records_of_a_frame_are_read_as_they_are(world):
    assert await contacts_of(world, pd.DataFrame(EXPORT).to_dict("records")) == BUILT


async def test_a_csv_reader_is_a_source(world):
    rows = csv.DictReader(["first_name,last_name,company_domain,Notes", "Ada,Love,https://acme.example/x,hi"])
    report = await world.client.enrich(rows)
    assert report.results[0].contact.company_domain == "acme.example"


async def test_a_key_that_is_a_field_is_that_field_whatever_its_values(world):
    given = [{"email": "not an address", "linkedin_url": "ada", "key": "7", "colour": "red"}]
    assert await contacts_of(world, given) == [Contact(email="not an address", linkedin_url="ada", key="7")]


async def test_rows_may_have_different_columns(world):
    given = [
        {"linkedin_url": "ada"},
        EXPORT[0],
        {"LinkedIn": "linkedin.com/in/bo"},
        Contact(linkedin_url="cy"),
    ]
    assert [contact.linkedin_url for contact in await contacts_of(world, given)] == [
        *("ada", None, "linkedin.com/in/bo", "cy")
    ]


async def test_the_caller_says_what_a_column_is(world):
    given = [{"id": 7, "who": "Ada Love", "Company": "Acme", "shop": "acme.example"}]
    columns = {"id": "key", "who": None, "shop": "company_domain"}
    assert await contacts_of(world, given, columns=columns) == [
        Contact(key="7", company_name="Acme", company_domain="acme.example")
    ]


async def test_a_column_that_no_row_has_is_refused(world):
    with pytest.raises(TableError, match='there is no column "Compny"; did you mean "Company"'):
        await world.client.enrich(EXPORT, columns={"Compny": "company_name"})


async def test_extra_columns_can_be_forbidden(world):
    with pytest.raises(ConfigurationError, match="has an unknown field 'First Name'"):
        await world.client.enrich(EXPORT, extra="forbid")
    columns = {"First Name": "first_name", "Last Name": "last_name", "Company": "company_name", "Owner": None}
    with pytest.raises(ConfigurationError, match="has an unknown field 'Score'"):
        await world.client.enrich(EXPORT, columns=columns, extra="forbid")
    assert await contacts_of(world, EXPORT, columns={**columns, "Score": None}, extra="forbid") == BUILT


async def test_columns_that_tie_are_refused_before_anything_is_sent(world):
    given = [{"First Name": "Ada", "first name": "Bo", "Last Name": "L", "Company": "A"}]
    with pytest.raises(TableError, match=r"the contacts: .* could both be first_name"):
        await world.client.enrich(given)
    assert world.submits() == 0


@each_case(
    "columns",
    [{"Company": "employer"}, {"Company": {"email": 1}}, {"a": "email", "b": "email"}, "email", ["email"]],
)
async def test_columns_that_cannot_be_are_refused(world, columns):
    with pytest.raises(ConfigurationError, match="columns must be"):
        await world.client.plan(EXPORT, columns=columns)


async def test_a_job_reads_rows_too(world, tmp_path):
    async with await world.client.job(tmp_path / "a.journal", EXPORT, columns={"Owner": "key"}) as job:
        results = [result async for result in job]
    assert [result.contact.company_name for result in results] == ["Acme", "Beta"]
    assert [result.key for result in results] == ["me", None]


async def test_a_job_takes_the_columns_of_a_file(world, tmp_path):
    (tmp_path / "a.csv").write_text("who,URL\nAda,linkedin.com/in/ada\n")
    async with await world.client.job(
        tmp_path / "a.journal", tmp_path / "a.csv", columns={"who": "key"}
    ) as job:
        results = [result async for result in job]
    assert [(result.key, result.contact.linkedin_url) for result in results] == [
        ("Ada", "linkedin.com/in/ada")
    ]


async def test_a_job_leaves_out_a_column_of_a_file(world, tmp_path):
    (tmp_path / "a.csv").write_text("E-Mail,URL\nboss@x.example,linkedin.com/in/ada\n")
    async with await world.client.job(
        tmp_path / "a.journal", tmp_path / "a.csv", columns={"E-Mail": None}
    ) as job:
        assert [result.contact.email async for result in job] == [None]
    with pytest.raises(ConfigurationError, match="are said when it is opened"):
        table = ContactTable.open(tmp_path / "a.csv")
        await world.client.job(tmp_path / "b.journal", table, columns={"E-Mail": None})


async def test_a_job_reads_a_frame_also_when_it_is_resumed(world, tmp_path):
    frame = pd.DataFrame(EXPORT)
    for _ in range(2):
        async with await world.client.job(tmp_path / "a.journal", frame, columns={"Owner": "key"}) as job:
            assert [result.key async for result in job] == ["me", None]
    assert world.submits() == 1
    with pytest.raises(ConfigurationError, match="source is read more than once"):
        await world.client.job(tmp_path / "b.journal", pa.Table.from_pandas(frame).to_reader())


WHOLE = [{"Kunde": "Love, Ada", "company_name": "Acme"}, {"Kunde": "Bo Berg", "company_name": "Beta"}]


@each_case("extra", ["ignore", "forbid"])
async def test_a_column_of_full_names_is_split(world, extra):
    assert await contacts_of(world, WHOLE, columns={"Kunde": "full_name"}, extra=extra) == BUILT


async def test_a_frame_has_full_names_too(world):
    report = await world.client.enrich(pd.DataFrame(WHOLE), columns={"Kunde": "full_name"})
    assert [result.contact for result in report.results] == BUILT


async def test_a_job_splits_the_full_names_of_a_file(world, tmp_path):
    (tmp_path / "a.csv").write_text("Kunde,Company\nAda Love,Acme\nBo Berg,Beta\n")
    async with await world.client.job(
        tmp_path / "a.journal", tmp_path / "a.csv", columns={"Kunde": "full_name"}
    ) as job:
        assert [result.contact async for result in job] == BUILT


@each_case("extra", ["ignore", "forbid"])
async def test_a_full_name_beside_a_half_of_it_is_refused(world, extra):
    says = "full_name is split into first and last name, so first_name cannot have a column as well"
    with pytest.raises(ConfigurationError, match=says):
        await world.client.enrich(WHOLE, columns={"Kunde": "full_name", "First": "first_name"}, extra=extra)
    given = [{**WHOLE[0], "first_name": "Ada"}]
    with pytest.raises(TableError, match=says):
        await world.client.enrich(given, columns={"Kunde": "full_name"}, extra=extra)
    assert world.submits() == 0
