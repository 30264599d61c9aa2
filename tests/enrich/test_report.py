"""What a report raises, and what is no report at all."""

import csv

import pytest

from cleanlist_async import ConfigurationError, InternalServerError, UnknownOutcomeError, WorkflowFailedError
from cleanlist_async.enrich.report import EnrichmentReport, Summary
from cleanlist_async.sandbox import Fault, Shape
from tests.support.cases import each_case
from tests.support.virtual_sandbox import people

BULK = "/enrich/bulk"


async def test_a_run_that_went_on_after_a_500_raises_it(world):
    world.sandbox.add_fault(Fault(BULK, status=500, nth=2))
    report = await world.client.enrich(people(750))
    assert report.stopped_by is None
    assert len(report.unknown) == 250
    with pytest.raises(UnknownOutcomeError) as raised:
        report.raise_for_error()
    assert raised.value.status == 500
    assert isinstance(raised.value.answer, InternalServerError)


async def test_contacts_that_are_unknown_for_another_reason_raise_too(world):
    world.sandbox.add_fault(Fault(BULK, status=500, nth=2))
    report = await world.client.enrich(people(750))
    with pytest.raises(UnknownOutcomeError, match=r"^250 contacts may have been bought: "):
        EnrichmentReport(report.results, report.summary).raise_for_error()


@pytest.mark.world(shape=Shape(failed_workflows=1.0))
async def test_contacts_that_failed_for_one_common_reason_raise_it(world):
    report = await world.client.enrich(people(3))
    with pytest.raises(WorkflowFailedError, match=r"^3 contacts failed: .*ended the workflow as 'failed'"):
        report.raise_for_error()


async def test_a_refusal_that_a_later_attempt_undid_raises_nothing(world):
    world.sandbox.add_fault(Fault(BULK, status=429, nth=2))
    report = await world.client.enrich(people(750))
    report.raise_for_error()


MALFORMED = {
    "an unknown field": ([{"linkdn_url": "x"}] * 5, "Every one of the 5 contacts has an unknown field"),
    "a misspelt field": ([{"frist_nmae": "Ada"}] * 2, "did you mean first_name"),
    "fractions": ([{"linkedin_url": 7.5}] * 2, "linkedin_url must be text, not a float"),
    "lists": ([["Ada", "Love"]] * 2, "is a list, not a Contact or a mapping"),
    "a single contact": ([{"linkdn_url": "x"}], "The only one of the contacts has an unknown field"),
}


@each_case("name", MALFORMED)
async def test_contacts_that_are_all_malformed_in_one_way_are_an_error(world, name):
    contacts, says = MALFORMED[name]
    with pytest.raises(ConfigurationError, match=says):
        await world.client.enrich(contacts)
    with pytest.raises(ConfigurationError, match=says):
        await world.client.plan(contacts)
    with pytest.raises(ConfigurationError, match=says):
        world.client.stream(contacts)
    assert world.submits() == 0


async def test_a_stream_of_contacts_that_are_all_malformed_in_one_way_ends_in_an_error(world):
    rows = csv.DictReader(["Frist,Lsat,Frim", "Ada,Love,Acme", "Bo,Berg,Beta"])
    invalid = 0
    with pytest.raises(ConfigurationError, match="Every one of the 2 contacts has an unknown field 'Frist'"):
        async with world.client.stream(rows) as stream:
            async for result in stream:
                invalid += result.status == "invalid"
    assert invalid == 2


@each_case(
    "contacts",
    [
        [{"linkedin": "x"}, {"linkedin_url": "https://www.linkedin.com/in/ada"}],
        [{"linkedin": "x"}, {"url": "x"}],
        [{"first_name": "Ada"}] * 2,
        [],
    ],
)
async def test_contacts_that_are_invalid_one_by_one_are_results(world, contacts):
    report = await world.client.enrich(contacts)
    assert len(report.results) == len(contacts)
    async with world.client.stream(iter(contacts)) as results:
        assert len([result async for result in results]) == len(contacts)


def test_a_single_contact_and_credit_are_counted_in_the_singular():
    summary = Summary(contacts=1, credits=1.0)

    assert str(summary) == "1 contact: none; 1 credit"
