"""What proves that a paid call was not taken: every status, code, flag and form of an answer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from cleanlist_async.errors import APIError
from cleanlist_async.http.decode import decode_error
from cleanlist_async.http.error_codes import Proof, proof_of
from tests.support.examples import some
from tests.support.refusals import DOCUMENTED, UNCLEAR, Said, answers, is_refusal

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def decoded(said: Said) -> APIError:
    return decode_error(said.status, {}, said.body, method="POST", path="/p", now=NOW)


def wrong(said: Iterable[Said]) -> list[Said]:
    """The answers of which the package and the pages of the API think differently."""
    return [
        one
        for one in said
        if (proof_of(sent=True, error=decoded(one)) is Proof.REFUSED) is not is_refusal(one)
    ]


@pytest.mark.scaled
def test_an_answer_is_proof_exactly_if_the_pages_of_the_api_say_so():
    assert wrong(some(answers())) == []


def test_no_other_status_is_proof_whatever_the_answer_says():
    others = tuple(
        status
        for status in (*range(100, 103), *range(200, 600))
        if status not in {301, 307, 308, 400, 401, 402, 403, 404, 405, 409, 410, 413, 415, 422, 429, 501, 503}
    )
    codes = ("insufficient_credits", "rate_limited", "not_enabled", "internal_error", "brand_new")
    said = [Said(status, "error", code, flag) for status in others for code in codes for flag in (None, True)]
    said += [Said(status, "detail") for status in others]
    assert not [one for one in said if is_refusal(one)], "the table of the test agrees"
    assert wrong(said) == []


def test_every_documented_pair_but_the_unclear_ones_is_proof():
    for code, status in DOCUMENTED.items():
        refused = proof_of(sent=True, error=decoded(Said(status, "error", code, flag=False))) is Proof.REFUSED
        assert refused is (code not in UNCLEAR), code


def test_a_used_quote_is_no_proof_once_an_attempt_was_lost():
    used = decoded(Said(400, "error", "quote_already_redeemed", flag=False))
    assert proof_of(sent=True, error=used) is Proof.REFUSED
    assert proof_of(sent=True, error=used, lost=True) is Proof.NONE
    other = decoded(Said(400, "error", "quote_expired", flag=False))
    assert proof_of(sent=True, error=other, lost=True) is Proof.REFUSED


def test_no_answer_proves_something_only_if_not_a_byte_left():
    assert proof_of(sent=True, error=None) is Proof.NONE
    assert proof_of(sent=True, error=APIError("no", status=None)) is Proof.NONE
    assert proof_of(sent=False, error=None) is Proof.NOT_SENT
    assert proof_of(sent=False, error=APIError("no", status=500)) is Proof.NOT_SENT


def cut(said: Said) -> APIError:
    """The error of an answer whose rest never came, or was not read."""
    body = said.body.removesuffix(b"}").removesuffix(b"}") + b', "details": ["...'
    return decode_error(said.status, {}, body, method="POST", path="/p", now=NOW, is_cut=True)


@pytest.mark.slow
def test_an_answer_that_is_cut_is_proof_only_by_a_code_that_was_read():
    """What is missing may be ``retryable: true``, or a code that says that it was taken."""
    for said in answers():
        if proof_of(sent=True, error=cut(said)) is Proof.REFUSED:
            assert said.form in {"error", "wrapped"} and said.code in DOCUMENTED and is_refusal(said), said
    for code, status in DOCUMENTED.items():
        refused = proof_of(sent=True, error=cut(Said(status, "error", code))) is Proof.REFUSED
        assert refused is (code not in UNCLEAR), code
