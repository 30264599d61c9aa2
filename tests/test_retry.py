"""The money rule, back-off and the retry quota."""

from __future__ import annotations

from random import Random

from cleanlist_async import facts
from cleanlist_async.errors import APIError, Envelope
from cleanlist_async.retry import Proof, RetryQuota, backoff_s, pause_s, proof_of
from tests.support.cases import each_case

ENVELOPES: tuple[Envelope, ...] = ("error", "detail", "none")


def proof(status: int | None, envelope: Envelope = "detail", code: str = "unknown") -> Proof:
    return proof_of(sent=True, error=APIError("no", status=status, envelope=envelope, code=code))


@each_case("status", [400, 401, 402, 403, 404, 405, 413, 415, 422])
@each_case("envelope", ["error", "detail"])
def test_a_refusal_in_the_apis_own_words_is_proof(status: int, envelope: Envelope) -> None:
    assert proof(status, envelope) is Proof.REFUSED


@each_case("status", [400, 401, 402, 403, 404, 405, 415, 422])
def test_a_refusal_in_a_gateways_words_proves_nothing(status: int) -> None:
    assert proof(status, "none") is Proof.NONE


@each_case("envelope", ENVELOPES)
@each_case("status", [413, 429])
def test_413_and_429_are_proof_whoever_says_so(status: int, envelope: Envelope) -> None:
    assert proof(status, envelope) is Proof.REFUSED


@each_case("envelope", ENVELOPES)
@each_case(
    "status",
    [
        None,
        *range(100, 104),
        200,
        202,
        301,
        302,
        307,
        308,
        408,
        409,
        410,
        418,
        425,
        451,
        499,
        *range(500, 600),
    ],
)
def test_every_other_status_proves_nothing(status: int | None, envelope: Envelope) -> None:
    assert proof(status, envelope) is Proof.NONE


def test_a_redeemed_quote_may_have_been_redeemed_by_us() -> None:
    assert proof(400, "error", "quote_already_redeemed") is Proof.NONE


def test_no_answer_proves_something_only_if_not_a_byte_left() -> None:
    assert proof_of(sent=True, error=None) is Proof.NONE
    assert proof_of(sent=False, error=None) is Proof.NOT_SENT
    assert proof_of(sent=False, error=APIError("no", status=500)) is Proof.NOT_SENT


def test_backoff_doubles_up_to_its_cap_with_jitter() -> None:
    for attempt in range(40):
        step = min(facts.LONGEST_BACKOFF_S, 0.5 * 2**attempt)
        waits = [backoff_s(attempt, Random(seed)) for seed in range(50)]
        assert all(step / 4 <= wait <= step for wait in waits)
        assert len(set(waits)) > 40


def test_jitter_is_added_to_what_the_server_asks_never_taken_off() -> None:
    for seed in range(50):
        assert 7.0 <= backoff_s(3, Random(seed), 7.0) <= 8.0
        assert 7.05 <= pause_s(1, Random(seed), 7.0) <= 7.3


@each_case(("rejections", "seconds"), [(-1, 2), (0, 2), (1, 2), (2, 4), (5, 32), (6, 64), (1_000, 64)])
def test_a_429_without_a_word_pauses_for_a_power_of_two(rejections: int, seconds: int) -> None:
    for seed in range(20):
        assert seconds <= pause_s(rejections, Random(seed), None) <= seconds + 0.5


def test_the_quota_pays_for_100_retries_and_is_earned_back() -> None:
    quota = RetryQuota()
    assert [quota.spend() for _ in range(101)] == [True] * 100 + [False]
    for _ in range(4):
        quota.refund()
    assert not quota.spend()
    quota.refund()
    assert quota.spend()
    for _ in range(10_000):
        quota.refund()
    assert quota.left == facts.RETRY_QUOTA
