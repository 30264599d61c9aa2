"""Over real HTTP, through every call that can spend: how often it is sent, and what it says of the money."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from itertools import chain, product

import pytest

from cleanlist_async.errors import InternalServerError, QuoteAlreadyRedeemedError, UnknownOutcomeError
from tests.support.examples import some
from tests.support.paid_doors import DOORS, ODD_ANSWERS, WITH_A_QUOTE, WITHOUT_A_KEY, Seen, knock_on_all
from tests.support.refusals import Said, is_refusal

pytestmark = pytest.mark.sockets

UNCLEAR = (
    Said(400, "error", "workflow_timeout", flag=True),
    Said(404, "error", "internal_error", flag=True),
    Said(422, "wrapped", "filters_unavailable"),
    Said(400, "error", "brand_new", flag=True),
    Said(402, "detail object", "internal_error"),
    Said(422, "detail", flag=True),
    Said(429, "error", "internal_error", flag=True),
    Said(413, "bare object", "internal_error", flag=True),
    Said(500, "error", "insufficient_credits", flag=False),
    Said(405, "detail"),
    Said(409, "error", "conflict", flag=True),
    Said(425, "empty"),
    Said(403, "html"),
    Said(302, "error", "invalid_token"),
    Said(307, "error", "internal_error"),
    Said(200, "error", "insufficient_credits", flag=False),
    Said(503, "detail", flag=True),
)
REFUSALS = (
    Said(400, "error", "validation_error", flag=False),
    Said(400, "error", "insufficient_credits", flag=False),
    Said(307, "html"),
    Said(401, "detail"),
    Said(402, "detail"),
    Said(403, "error", "insufficient_scope", flag=False),
    Said(404, "error", "list_not_found", flag=False),
    Said(410, "error", "version_deprecated", flag=False),
    Said(413, "html"),
    Said(422, "error", "brand_new", flag=False),
    Said(503, "error", "not_enabled", flag=False),
)


def seen(cases: Iterable[tuple[Said, str]]) -> list[Seen]:
    """What came of each case; the doors are tried side by side."""
    by_door = defaultdict(list)
    for said, door in cases:
        by_door[door].append((said, door))

    async def of_one_door(door):
        return [one async for one in knock_on_all(by_door[door])]

    async def main():
        return list(chain.from_iterable(await asyncio.gather(*map(of_one_door, by_door))))

    return asyncio.run(main())


ENGINES = ("enrich", "stream", "enrich_one", "job")
"""Doors that apply `enrich.submit_outcome`: another process may have bought with the quote."""


@pytest.mark.scaled
def test_an_unclear_answer_is_unknown_after_one_send():
    for one in seen(some(product(UNCLEAR, WITHOUT_A_KEY))):
        assert not is_refusal(one.said), one
        assert (one.sent, one.billed) == (1, {"unknown"}), one
        if one.error is None:
            assert [result.status for result in one.results] == ["unknown"], one
            continue
        assert type(one.error) is UnknownOutcomeError, one
        assert (one.error.retryable, one.error.safe_to_retry) == (False, False)
        assert (one.error.status, one.error.code) == (one.said.status, one.error.answer.code)
        assert one.error.request_id == one.error.answer.request_id
        assert one.error.answer.safe_to_retry is False


@pytest.mark.scaled
def test_an_unclear_answer_to_a_call_with_a_quote_never_claims_that_nothing_was_billed():
    for one in seen(some(product(UNCLEAR, WITH_A_QUOTE))):
        assert one.sent >= 1, one
        if one.error is not None:
            assert type(one.error) is UnknownOutcomeError, one
            assert one.billed == {"unknown"}, one
        else:
            assert one.sent == ODD_ANSWERS + 1, one


@pytest.mark.scaled
def test_a_refusal_costs_nothing_and_is_what_the_server_called_it():
    for one in seen(some(product(REFUSALS, DOORS))):
        assert is_refusal(one.said), one
        assert one.sent == 1, one
        assert one.billed == {"no"}, one
        assert not isinstance(one.error, UnknownOutcomeError), one


@pytest.mark.slow
def test_a_429_is_waited_out_whoever_says_it():
    for one in seen((Said(429, "html"), door) for door in DOORS):
        assert (one.error, one.sent) == (None, ODD_ANSWERS + 1), one


@pytest.mark.parametrize("door", [door for door in DOORS if door not in ENGINES])
def test_a_used_quote_on_the_only_attempt_is_a_refusal_that_warns(door):
    for status, flag in ((400, False), (409, False), (400, True)):
        (one,) = seen([(Said(status, "error", "quote_already_redeemed", flag=flag), door)])
        assert (one.sent, one.billed) == (1, {"no"}), one
        if one.error is not None:
            assert type(one.error) is QuoteAlreadyRedeemedError
            assert "An earlier call may have bought with it" in str(one.error)


@pytest.mark.parametrize("door", ENGINES)
def test_the_engines_hold_contacts_whose_quote_is_used_up(door):
    (one,) = seen([(Said(400, "error", "quote_already_redeemed", flag=False), door)])
    assert {result.status for result in one.results} <= {"unknown"}
    assert (one.sent, one.billed) == (1, {"unknown"})


def test_a_server_error_with_proof_of_nothing_keeps_the_servers_word_in_the_answer():
    (one,) = seen([(Said(400, "error", "internal_error", flag=True), "submit_bulk")])
    assert isinstance(one.error, UnknownOutcomeError)
    assert isinstance(one.error.answer, InternalServerError)
    assert (one.error.answer.retryable, one.error.answer.status) == (True, 400)
