"""What is to be done for a contact, by all that a store may hold of it."""

from __future__ import annotations

from itertools import product

import pytest

from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store.records import (
    Doubtful,
    Elsewhere,
    Freshness,
    Known,
    Mine,
    Orphan,
    PurchaseRow,
    as_text,
    judge,
    restored,
    serving,
)
from tests.support.cases import each_case
from tests.support.store_owners import people

(EVE,) = people([0])
DAY_S = 86_400.0
NOW = 1_000 * DAY_S
SUBMISSION, WORKFLOW = "submit-1", "wf-1"

UNDER_WAY = {
    ("claimed", "lives"): Elsewhere(),
    ("claimed", "gone"): None,
    ("claimed", "nobody"): None,
    ("refused", "lives"): Elsewhere(),
    ("refused", "gone"): None,
    ("refused", "nobody"): None,
    ("sending", "lives"): Elsewhere(),
    ("sending", "gone"): Doubtful(SUBMISSION),
    ("sending", "nobody"): Doubtful(SUBMISSION),
    ("accepted", "lives"): Elsewhere(WORKFLOW),
    ("accepted", "gone"): Orphan(SUBMISSION, WORKFLOW, "task", "key", "partial", None, "00"),
    ("accepted", "nobody"): Orphan(SUBMISSION, WORKFLOW, "task", "key", "partial", None, "00"),
    ("unknown", "lives"): Doubtful(SUBMISSION),
    ("unknown", "gone"): Doubtful(SUBMISSION),
    ("unknown", "nobody"): Doubtful(SUBMISSION),
    ("lost", "lives"): Doubtful(SUBMISSION, WORKFLOW),
    ("lost", "gone"): Doubtful(SUBMISSION, WORKFLOW),
    ("lost", "nobody"): Doubtful(SUBMISSION, WORKFLOW),
}
"""By the state of its submit and what became of its owner; None: only its result counts."""

DEFAULT, TEN_DAYS, FRESH = Freshness(), Freshness.of(10 * DAY_S, fresh=False), Freshness.of(None, fresh=True)
REUSED = {
    DEFAULT: {("found", 1), ("found", 20), ("found", 400), ("not_found", 1), ("not_found", 20)},
    TEN_DAYS: {("found", 1), ("not_found", 1)},
    FRESH: set(),
}
"""By what a call asks for: statuses, and ages in days, of results that are reused."""
RESULTS = [None, *product(("found", "not_found"), (1, 20, 400))]


def row(state: str, owner: str, result: tuple[str, int] | None, kind: str = "partial") -> PurchaseRow:
    is_sent = state != "claimed"
    kept = (
        EnrichmentResult(0, EVE.contact, result[0], email="ada@a.example", phones=("+44",))
        if result
        else None
    )
    return PurchaseRow(
        digest="00",
        enrichment_type=kind,
        owner=None if owner == "nobody" else "ann",
        owner_lives=owner == "lives",
        submission=SUBMISSION if is_sent else None,
        state=state if is_sent else None,
        workflow_id=WORKFLOW if state in {"accepted", "lost"} else None,
        task_id="task" if state == "accepted" else None,
        key_name="key" if state == "accepted" else None,
        job=None,
        result=as_text(kept) if kept else None,
        settled_at=NOW - result[1] * DAY_S if result else None,
        now=NOW,
    )


@each_case(("situation", "result", "freshness"), product(UNDER_WAY, RESULTS, REUSED))
def test_each_state_and_result_leads_to_one_claim(situation, result, freshness):
    claim = judge([row(*situation, result)], EVE, "partial", freshness)
    expected = UNDER_WAY[situation]
    if expected is not None and not isinstance(expected, Doubtful):
        assert claim == expected
    elif result in REUSED[freshness]:
        assert isinstance(claim, Known)
        assert (claim.result.status, claim.result.credits) == (result[0], 0.0)
    else:
        assert claim == (Mine() if expected is None or freshness is FRESH else expected)


def test_a_contact_without_a_row_is_mine():
    assert judge([], EVE, "partial", DEFAULT) == Mine()


@each_case(("situation", "result"), product(UNDER_WAY, RESULTS))
def test_a_purchase_of_full_under_way_is_waited_for_by_partial(situation, result):
    rows = [row("claimed", "nobody", ("found", 1)), row(*situation, result, kind="full")]
    claim = judge(rows, EVE, "partial", DEFAULT)
    expected = UNDER_WAY[situation]
    if isinstance(expected, Orphan):
        assert (type(claim), claim.enrichment_type) == (Orphan, "full")
    elif isinstance(expected, Elsewhere):
        assert claim == expected
    else:
        assert isinstance(claim, Known)


@pytest.mark.parametrize(
    ("wanted", "email", "phones"),
    [("partial", "ada@a.example", ()), ("phone_only", None, ("+44",)), ("full", "ada@a.example", ("+44",))],
)
def test_of_full_each_type_gets_its_half(wanted, email, phones):
    result = restored(row("claimed", "nobody", ("found", 1), kind="full"), EVE, wanted)
    assert (result.email, result.phones, result.enrichment_type) == (email, phones, wanted)


def test_half_of_a_result_with_nothing_in_it_is_not_found():
    found = EnrichmentResult(0, EVE.contact, "found", email="ada@a.example")
    full = row("claimed", "nobody", ("found", 1), kind="full")
    full = PurchaseRow(**{name: getattr(full, name) for name in full.__slots__} | {"result": as_text(found)})
    assert restored(full, EVE, "phone_only").status == "not_found"
    assert restored(full, EVE, "partial").status == "found"


def test_a_type_is_served_by_itself_first():
    assert [serving(kind)[0] for kind in ("partial", "phone_only", "full")] == [
        "partial",
        "phone_only",
        "full",
    ]


def test_a_raw_answer_that_is_huge_is_not_kept():
    huge = EnrichmentResult(0, EVE.contact, "found", email="ada@a.example", raw={"bio": "x" * 300_000})
    assert len(as_text(huge)) < 1_000
