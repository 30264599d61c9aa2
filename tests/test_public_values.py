"""One rule for all public values: what the server said is a model, what this package made is a dataclass."""

from __future__ import annotations

import dataclasses
import json

import pytest
from pydantic import BaseModel

from cleanlist_async import (
    AsyncCleanlist,
    ConfigurationError,
    Contact,
    EnrichmentReport,
    EnrichmentResult,
    RequestValidationError,
)
from cleanlist_async.contacts.identity import prepare
from cleanlist_async.enrich.report import Summary
from cleanlist_async.enrich.row_results import skipped
from cleanlist_async.integrations.asgi import problem_of
from cleanlist_async.types import ContactDict, EnrichmentRow, Lead
from tests.support.cases import each_case
from tests.support.samples import sample, value_classes
from tests.support.stores import another_client
from tests.support.virtual_sandbox import check_against_ledger, people

SAID_BY_THE_SERVER = "cleanlist_async.api.models."
OF_THE_USERS_SERVER = "cleanlist_async.integrations."
"""What a server of the user's says is a model, too; the rest there is what its framework asks for."""


@each_case("name", value_classes())
def test_what_the_server_said_is_a_model_and_all_else_a_dataclass(name):
    kind = value_classes()[name]
    if kind.__module__.startswith(OF_THE_USERS_SERVER):
        return
    assert issubclass(kind, BaseModel) == kind.__module__.startswith(SAID_BY_THE_SERVER)


@each_case("name", [name for name in value_classes() if name not in {"RateLimits", "Response"}])
def test_every_value_becomes_a_dictionary(name):
    value = sample(value_classes()[name])
    fields = value.model_dump() if isinstance(value, BaseModel) else dataclasses.asdict(value)
    assert isinstance(fields, dict)
    assert all(isinstance(field, str) for field in fields)


@pytest.mark.parametrize("kind", [EnrichmentRow, Lead])
def test_a_row_becomes_the_dictionary_that_the_server_sent(kind):
    assert kind({"lead_id": "x", "odd": [1]}).model_dump() == {"lead_id": "x", "odd": [1]}


# -- results in JSON ---------------------------------------------------------------------------------


@pytest.mark.world(workflow_s=600)
async def test_pending_results_are_kept_as_text_and_collected_later(world):
    given = people(20, key="row")
    report = await world.client.with_options(deadline_s=30).enrich(given)
    kept = [result.to_json() for result in report.results]
    assert {result.status for result in report.results} == {"pending"}

    collected = await world.client.collect(map(EnrichmentResult.from_json, kept))
    assert {result.status for result in collected.results} <= {"found", "not_found"}
    check_against_ledger(world, collected.results)


async def test_a_result_is_the_same_after_it_was_written_and_read(world):
    for result in (await world.client.enrich(people(5), enrichment_type="full")).results:
        assert EnrichmentResult.from_json(result.to_json()) == result
        assert EnrichmentResult.from_json(result.to_json().encode()) == result


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '{"index": 0}', '{"index": "ada@x.example"}', b"\xff"]
)
def test_what_is_no_result_is_refused_and_not_shown(text):
    with pytest.raises(ConfigurationError, match="no result") as refused:
        EnrichmentResult.from_json(text)
    assert "ada@x.example" not in str(refused.value)


# -- contacts as dictionaries ------------------------------------------------------------------------


async def test_a_dictionary_of_fields_is_a_contact(world):
    ada: ContactDict = {
        "first_name": "Ada",
        "last_name": "Lovelace",
        "company_domain": "a.example",
        "key": "7",
    }
    (result,) = (await world.client.enrich([ada])).results
    assert (result.key, result.contact) == ("7", Contact(**ada))


def test_the_dictionary_has_the_fields_of_a_contact():
    assert ContactDict.__annotations__.keys() == {field.name for field in dataclasses.fields(Contact)}


async def test_a_whole_number_as_key_comes_back_as_text(world):
    (result,) = (await world.client.enrich([{**people_fields(), "key": 7}])).results
    assert (result.key, result.contact.key) == ("7", "7")


@each_case("as_dict", [True, False])
async def test_a_key_that_is_no_text_is_refused_and_comes_back_as_text(world, as_dict):
    given = {**people_fields(), "key": 7.5} if as_dict else Contact(**people_fields(), key=7.5)
    refused, bought = (await world.client.enrich([given, people_fields("Grace")])).results
    assert (refused.status, refused.key[0]) == ("invalid", "7")
    assert refused.error.startswith("key must be text, not a")
    assert bought.status in {"found", "not_found"}


def people_fields(first_name="Ada"):
    return {"first_name": first_name, "last_name": "Lovelace", "company_domain": "a.example"}


def test_a_client_is_no_value():
    assert not dataclasses.is_dataclass(AsyncCleanlist)


# -- text that no encoding has ---------------------------------------------------------------------------

HALF = "k\ud800"
"""Half of a surrogate pair, as ``json.loads('"k\\\\ud800"')`` gives it."""
PERSON = {"linkedin_url": "https://www.linkedin.com/in/ada-x", "key": HALF}


def rows_of(given, tmp_path, how):
    """The same contact as a value of each kind that holds half of a surrogate pair."""
    if how == "mapping":
        return [given], {}
    if how == "columns":
        return [{"Profile": given["linkedin_url"], "Id": HALF}], {
            "columns": {"Profile": "linkedin_url", "Id": "key"}
        }
    file = tmp_path / "people.jsonl"
    file.write_text(json.dumps(given) + "\n")
    return file, {"columns": {"key": "key"}}


@each_case(
    ("door", "how"),
    [
        *(("enrich", how) for how in ("mapping", "columns")),
        *((door, how) for door in ("job", "journal") for how in ("mapping", "columns", "file")),
    ],
)
async def test_a_key_that_no_encoding_has_is_refused_before_it_is_sent(world, tmp_path, how, door):
    given, options = rows_of(PERSON, tmp_path, how)
    if door == "enrich":
        [result] = (await world.client.enrich(given, **options)).results
    else:
        place = tmp_path / "run.journal" if door == "journal" else "crm"
        async with (
            another_client(world, tmp_path / "store.db") as client,
            await client.job(place, given, **options) as job,
        ):
            [result] = [one async for one in job]
    check_refused(result)
    assert world.submits() == 0


async def test_one_contact_whose_key_no_encoding_has_is_not_billed(world):
    result = await world.client.enrich_one(PERSON)
    check_refused(result)
    assert world.submits() == 0
    with pytest.raises(RequestValidationError) as refused:
        result.raise_for_invalid()
    assert problem_of(refused.value).model_dump_json()


def test_a_report_of_it_becomes_a_frame_of_any_library():
    report = EnrichmentReport([skipped(prepare(0, PERSON))], Summary())
    for frame in (report.to_polars(), report.to_pandas(), report.to_arrow()):
        assert len(frame) == 1
    assert json.dumps(report.to_dicts(), ensure_ascii=False).encode()


def check_refused(result):
    assert (result.status, result.credits) == ("invalid", 0)
    assert "lone surrogates" in result.error
    assert result.key == HALF
    assert EnrichmentResult.from_json(result.to_json().encode()).key == "k?"


@each_case(
    "odd",
    [
        {"first_name": HALF},
        {"linkedin_url": f"https://x/{HALF}", "first_name": "A", "last_name": "B", "company_name": "C"},
        {"first_name": b"\xff"},
        {"first_name": [1]},
        {"first_name": {HALF: 1}},
        {"first_name": 0.5},
        {"first_name": 10**400},
        {"key": object()},
        {HALF: "x"},
    ],
)
def test_the_result_of_whatever_was_refused_is_written_and_read(odd):
    result = skipped(prepare(0, odd))
    assert EnrichmentResult.from_json(result.to_json().encode()).error == result.error


def test_a_result_of_the_callers_own_making_is_written_too():
    own = EnrichmentResult(
        index=0, contact=Contact(key=HALF), status="found", key=HALF, error=HALF, raw={"a": HALF}
    )
    assert EnrichmentResult.from_json(own.to_json().encode()).key == "k?"
