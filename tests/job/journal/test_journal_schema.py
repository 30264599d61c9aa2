"""SQLite itself refuses what the state machine does not allow."""

import itertools
import sqlite3

import pytest

from cleanlist_async.job.journal.schema import TABLES
from tests.support.cases import each_case

ARROWS = {
    ("planned", "sending"),
    ("planned", "accepted"),
    ("planned", "done"),
    ("sending", "planned"),
    ("sending", "accepted"),
    ("sending", "unknown"),
    ("sending", "refused"),
    ("unknown", "accepted"),
    ("unknown", "planned"),
    ("unknown", "abandoned"),
    ("accepted", "fetching"),
    ("accepted", "remote_expired"),
    ("fetching", "accepted"),
    ("fetching", "done"),
    ("fetching", "partial"),
    ("fetching", "remote_failed"),
    ("fetching", "remote_expired"),
    ("partial", "fetching"),
    ("partial", "remote_expired"),
    ("remote_expired", "accepted"),
    ("remote_expired", "abandoned"),
    ("refused", "planned"),
}
"""Written down once more, by hand: what the package says of itself is not the judge."""
STATES = sorted({state for arrow in ARROWS for state in arrow})
LATER = "2030-01-01T00:00:00.000000+00:00"


@pytest.fixture
def db():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(TABLES)
    connection.execute("PRAGMA foreign_keys = ON")
    yield connection
    connection.close()


def put(db, state, number=1, workflow="wf"):
    db.execute(
        "INSERT INTO chunks (number, first, last, contacts, fingerprint, state, workflow_id, since)"
        " VALUES (?, 0, 4, 5, x'00', ?, ?, '2026-01-01T00:00:00.000000+00:00')",
        (number, state, workflow),
    )


@each_case(("old", "new"), itertools.product(STATES, STATES))
def test_every_step_beside_the_arrows_is_refused(db, old, new):
    db.rollback()  # the case before
    db.execute("BEGIN")
    put(db, old)
    db.execute("INSERT INTO decisions VALUES (1, 1, ?, 'absent', 'me', 0)", (LATER,))
    db.execute("INSERT INTO evidence VALUES (1, 1, ?, 'webhook', 'wf')", (LATER,))
    move = ("UPDATE chunks SET state = ? WHERE number = 1", (new,))
    if (old, new) in ARROWS:
        assert db.execute(*move).rowcount == 1
    else:
        with pytest.raises(sqlite3.IntegrityError, match="no such transition"):
            db.execute(*move)


@pytest.mark.parametrize("state", ["nonsense", "", "PLANNED", None])
def test_there_are_no_other_states(db, state):
    with pytest.raises(sqlite3.IntegrityError):
        put(db, state)


@pytest.mark.parametrize(
    "state", ["accepted", "fetching", "done", "partial", "remote_failed", "remote_expired"]
)
def test_what_was_accepted_has_its_workflow(db, state):
    with pytest.raises(sqlite3.IntegrityError):
        put(db, state, workflow=None)


def test_a_workflow_belongs_to_one_chunk(db):
    put(db, "accepted")
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        put(db, "accepted", number=2)


@pytest.mark.parametrize(
    "said",
    [
        None,
        ("INSERT INTO decisions VALUES (1, 1, ?, 'accepted', 'me', 0)", LATER),
        ("INSERT INTO decisions VALUES (1, 1, ?, 'abandon', 'me', 0)", LATER),
        ("INSERT INTO decisions VALUES (1, 1, ?, 'resubmit', 'me', 0)", "2025-12-31T00:00:00.000000+00:00"),
        ("INSERT INTO evidence VALUES (1, 1, ?, 'webhook', 'wf-2')", LATER),
        ("INSERT INTO evidence VALUES (1, 1, ?, 'replay', NULL)", "2025-12-31T00:00:00.000000+00:00"),
    ],
)
def test_an_unknown_chunk_is_planned_again_only_by_a_decision_or_proof_since(db, said):
    put(db, "unknown")
    put(db, "unknown", number=2, workflow="wf-other")
    db.execute("INSERT INTO decisions VALUES (9, 2, ?, 'resubmit', 'me', 0)", (LATER,))
    if said:
        db.execute(said[0], (said[1],))
    with pytest.raises(sqlite3.IntegrityError, match="without a decision"):
        db.execute("UPDATE chunks SET state = 'planned' WHERE number = 1")


@pytest.mark.parametrize("seen", [None, ("webhook", "wf-other"), ("webhook", None)])
def test_a_planned_chunk_is_accepted_unsent_only_by_evidence_of_its_workflow(db, seen):
    put(db, "planned")
    put(db, "unknown", number=2, workflow="wf-2")
    db.execute("INSERT INTO evidence VALUES (9, 2, ?, 'webhook', 'wf')", (LATER,))
    if seen:
        db.execute("INSERT INTO evidence VALUES (1, 1, ?, ?, ?)", (LATER, *seen))
    with pytest.raises(sqlite3.IntegrityError, match="without being sent"):
        db.execute("UPDATE chunks SET state = 'accepted' WHERE number = 1")


@pytest.mark.parametrize("column", ["held", "doubtful", "spent"])
def test_nothing_is_held_or_spent_below_zero(db, column):
    put(db, "planned")
    with pytest.raises(sqlite3.IntegrityError):
        db.execute(f"UPDATE chunks SET {column} = -1")


def test_an_attempt_is_of_a_chunk_there_is_and_a_token_is_one_attempts(db):
    put(db, "planned")
    insert = "INSERT INTO attempts (submission, chunk, token, started_at) VALUES (?, ?, ?, '')"
    db.execute(insert, ("a", 1, "t"))
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        db.execute(insert, ("b", 1, "t"))
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN"):
        db.execute(insert, ("c", 7, "u"))
