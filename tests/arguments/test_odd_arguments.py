"""What is passed by mistake is refused by name, before anything is sent. The scorecard tries all of it."""

import asyncio
from functools import partial

import pytest

from cleanlist_async import (
    AsyncCleanlist,
    ConfigurationError,
    EnrichmentReport,
    RateLimits,
    RequestValidationError,
    Summary,
    WebhookReceiver,
)
from cleanlist_async.checks import a_type
from tests.arguments.feeding import feed, opened
from tests.arguments.odd_values import ODD, ArrowTable, Frame, RecordTable, Silent, async_function, generator
from tests.arguments.spoiling import foreign_exceptions_of_spoiled_answers
from tests.support.clients import ADA

pytestmark = pytest.mark.anyio

EVERY = 41
"""One of so many in a default run: a prime, so that each parameter and each odd value has its turn."""

PENDING = "pending must be an iterable of EnrichmentResult"
CONTACTS = "contacts must be an iterable of Contact or mappings"
OF_A_FRAME = 'Pass df.to_dict("records") of a pandas DataFrame, df.to_dicts() of a polars one.'
MISTAKES = {
    "an id with half a character": (
        lambda client: client.lead_lists.get_list("\ud800"),
        r"list_id must be an id that the API gave, not '\ud800'.",
    ),
    "an address with half a character": (
        lambda client: client.public.submit_bulk([ADA], webhook_url="https://\ud800/"),
        "webhook_url must be a public https address.",
    ),
    "more credits than there are numbers": (
        lambda client: client.enrich([ADA], max_credits=10**400),
        "max_credits must be a number of credits of at most 9.22337e+18, not about 10**400.",
    ),
    "a wait of no number of seconds": (
        lambda client: client.enrichment.wait("wf_1", timeout_s=float("nan")),
        "timeout_s must be a number of seconds above 0, not nan.",
    ),
    "nothing to collect": (
        lambda client: client.collect(None),
        f"{PENDING}, not None.",
    ),
    "a whole report to collect": (
        lambda client: client.collect(EnrichmentReport([], Summary())),
        f"{PENDING}, not an EnrichmentReport. Pass its pending results: report.pending.",
    ),
    "contacts to collect": (
        lambda client: client.collect([ADA]),
        f"{PENDING}; a dict is in it.",
    ),
    "no name": (
        lambda client: client.job(None, [ADA]),
        "name must be the name of a job, or the path of a journal, not None.",
    ),
    "no source": (
        lambda client: client.job("x.journal", None),
        "There is no journal x.journal. Begin the job with an input.",
    ),
    "an async progress": (
        lambda client: client.enrich([ADA], progress=async_function),
        "progress must be a plain function, not an async one or a generator.",
    ),
    "a progress that is async further inside": (
        lambda client: client.enrich([ADA], progress=partial(async_function, 1)),
        "progress must be a plain function, not an async one or a generator.",
    ),
    "a word that is none": (
        lambda client: client.enrich([ADA], dedupe="no"),
        "dedupe must be 'all', 'window' or 'off', not 'no'.",
    ),
    "a table": (
        lambda client: client.enrich(Frame()),
        f"{CONTACTS}, not a Frame. {OF_A_FRAME}",
    ),
    "a table without the methods of a DataFrame": (
        lambda client: client.enrich(RecordTable([ADA])),
        f"{CONTACTS}, not a RecordTable. {OF_A_FRAME}",
    ),
    "a table of Arrow": (
        lambda client: client.public.submit_bulk(ArrowTable([ADA])),
        f"{CONTACTS}, not an ArrowTable. {OF_A_FRAME}",
    ),
    "a table of Arrow for a job": (
        lambda client: client.job("x.journal", ArrowTable([ADA])),
        f"{CONTACTS.replace('contacts', 'source', 1)}, not an ArrowTable. {OF_A_FRAME}",
    ),
    "contacts without an order": (
        lambda client: client.enrich({1, 2}),
        "contacts must be in an order, which their results keep, not a set. Pass a list.",
    ),
    "one contact for many": (
        lambda client: client.enrich(ADA),
        f"{CONTACTS}, not a dict. For one contact, pass a list of one.",
    ),
    "many contacts for one": (
        lambda client: client.enrich_one([ADA]),
        "contact must be a Contact or a mapping, not a list.",
    ),
    "a generator for a path": (
        lambda client: client.job(generator(), [ADA]),
        "name must be the name of a job, or the path of a journal, not a generator.",
    ),
    "a class for its instance": (
        lambda client: client.enrich([ADA], progress=RateLimits),
        "progress must be a function, not the class RateLimits.",
    ),
    "a text for a bool": (
        lambda client: client.lead_lists.import_csv("l", b"Email\nx\n", dispatch_enrichment="false"),
        "dispatch_enrichment must be True or False, not 'false'.",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_is_named_before_anything_is_sent(mistake):
    call, message = MISTAKES[mistake]

    async with opened() as here:
        with pytest.raises(ConfigurationError) as caught:
            await call(here.client)
        assert str(caught.value) == message
        assert here.server.requests == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_url": ""}, "base_url must be an http(s) address, not ''."),
        ({"limiter": 0}, "limiter must be a RateLimiter, not 0."),
        ({"rate_limits": {}}, "rate_limits must be a RateLimits, not a dict."),
        ({"organization": " "}, "organization must be text that is not blank"),
        ({"max_retries": True}, "max_retries must be a whole number of at least 0, not True."),
        ({"webhooks": WebhookReceiver}, "webhooks must be a WebhookReceiver, not the class WebhookReceiver."),
        ({"on_event": async_function}, "on_event must be a plain function"),
        ({"pace": ["auto"]}, "pace must be 'auto', 'burst' or 'smooth', not a list."),
        ({"deadline_s": Silent()}, "deadline_s must be a number of seconds above 0, not a Silent."),
    ],
)
def test_an_option_that_cannot_work_is_named(options, message):
    with pytest.raises(ConfigurationError) as caught:
        AsyncCleanlist("clapi_of_this_test", **options)
    assert str(caught.value).startswith(message)


async def test_a_progress_function_of_a_job_must_be_plain():
    async with opened() as here:
        here.job.on_progress = async_function
        with pytest.raises(ConfigurationError, match="on_progress must be a plain function"):
            await here.job.run()
        assert here.server.requests == 0


async def test_an_empty_key_is_no_key_of_ours():
    async with opened() as here:
        with pytest.raises(RequestValidationError, match="idempotency_key"):
            await here.client.lead_lists.add_leads_to_list("l", lead_ids=["a"], idempotency_key="")
        assert here.server.requests == 0


@pytest.mark.parametrize(
    ("value", "named"),
    [(1, "an int"), ([], "a list"), (object(), "an object"), (generator(), "a generator"), (b"", "bytes")],
)
def test_types_have_their_article(value, named):
    assert a_type(value) == named


def test_odd_arguments_are_refused_by_name_and_before_anything_is_sent():
    assert len(ODD) >= 40
    fed = asyncio.run(feed(every=EVERY))
    assert fed.tries > 500
    assert [str(finding) for finding in fed.findings] == []


def test_every_public_callable_is_fed():
    async def names():
        async with opened() as here:
            return {target.name for target in here.targets()}

    found = asyncio.run(names())
    assert {"AsyncCleanlist", "RateLimiter.sqlite", "Sandbox", "webhook_router"} <= found
    assert {
        "VirtualCleanlist.job",
        "PublicAPI.submit_bulk",
        "SearchAPI.people",
        "JournalJob.resolve",
    } <= found
    assert len(found) > 70


@pytest.mark.slow
def test_spoiled_answers_raise_no_foreign_exceptions():
    calls, foreign = asyncio.run(foreign_exceptions_of_spoiled_answers(rounds=3))
    assert calls > 75
    assert foreign == []
