"""The tables of a journal. SQLite itself refuses transitions that the state machine does not allow."""

from __future__ import annotations

import sqlite3
from typing import Final
from zlib import crc32

from cleanlist_async.job.journal.records import ARROWS, ChunkState

VERSION: Final = 3
APPLICATION_ID: Final = 0x434C4A31  # "CLJ1"

# In the file as CHECK and triggers: a bug in this package, or a hand at the file, cannot break them.
_STATES: Final = ", ".join(f"'{state}'" for state in ChunkState)

TABLES: Final = f"""
CREATE TABLE job (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    created_at TEXT NOT NULL,
    origin TEXT NOT NULL,
    enrichment_type TEXT NOT NULL,
    submit_mode TEXT NOT NULL CHECK (submit_mode IN ('plain', 'tracked', 'exact')),
    half_full_price TEXT NOT NULL CHECK (half_full_price IN ('full', 'each')),
    webhook TEXT,
    max_credits REAL,
    source_name TEXT NOT NULL,
    source_digest TEXT NOT NULL,
    salt BLOB NOT NULL,
    contacts INTEGER NOT NULL,
    duplicates_digest BLOB NOT NULL,
    paused_by TEXT,
    shortfall REAL
) STRICT;

CREATE TABLE chunks (
    number INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL CHECK (last >= first),
    contacts INTEGER NOT NULL CHECK (contacts > 0),
    fingerprint BLOB NOT NULL,
    is_pilot INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'planned' CHECK (state IN ({_STATES})),
    workflow_id TEXT UNIQUE,
    list_id TEXT,
    key_name TEXT,
    request_id TEXT,
    reason TEXT,
    since TEXT,
    held INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
    doubtful INTEGER NOT NULL DEFAULT 0 CHECK (doubtful >= 0),
    spent REAL NOT NULL DEFAULT 0 CHECK (spent >= 0),
    task_ids TEXT, -- last: it is long, and sums over the columns before it need not read past it
    CHECK (state NOT IN ('accepted', 'fetching', 'done', 'partial', 'remote_failed', 'remote_expired')
           OR workflow_id IS NOT NULL OR reason IS 'nothing to send')
) STRICT;
CREATE INDEX chunks_by_place ON chunks (first);

CREATE TABLE attempts (
    submission TEXT PRIMARY KEY,
    chunk INTEGER NOT NULL REFERENCES chunks,
    token TEXT UNIQUE,
    idempotency_key TEXT,
    quote_id TEXT,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    outcome TEXT,
    status INTEGER,
    code TEXT,
    request_id TEXT,
    body TEXT
) STRICT;
CREATE INDEX attempts_by_chunk ON attempts (chunk);

CREATE TABLE evidence (
    id INTEGER PRIMARY KEY,
    chunk INTEGER NOT NULL REFERENCES chunks,
    at TEXT NOT NULL,
    source TEXT NOT NULL,
    workflow_id TEXT
) STRICT;

CREATE TABLE decisions (
    id INTEGER PRIMARY KEY,
    chunk INTEGER NOT NULL REFERENCES chunks,
    at TEXT NOT NULL,
    decision TEXT NOT NULL CHECK (decision IN ('accepted', 'absent', 'resubmit', 'abandon')),
    actor TEXT NOT NULL,
    credits_at_risk REAL
) STRICT;

CREATE TABLE results (
    place INTEGER PRIMARY KEY,
    chunk INTEGER,
    status TEXT NOT NULL,
    email TEXT,
    email_status TEXT,
    phones TEXT,
    task_id TEXT,
    workflow_id TEXT,
    error TEXT,
    credits_charged REAL,
    credits_estimated REAL NOT NULL,
    request_id TEXT,
    cached INTEGER NOT NULL DEFAULT 0,
    raw TEXT
) STRICT;
CREATE INDEX results_by_chunk ON results (chunk);

CREATE TABLE tallies (
    chunk INTEGER NOT NULL,
    status TEXT NOT NULL,
    results INTEGER NOT NULL,
    PRIMARY KEY (chunk, status)
) STRICT, WITHOUT ROWID;

CREATE TABLE duplicates (place INTEGER PRIMARY KEY, first INTEGER NOT NULL) STRICT;
CREATE INDEX duplicates_by_first ON duplicates (first);
CREATE TABLE reasons (id INTEGER PRIMARY KEY, reason TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE invalid (place INTEGER PRIMARY KEY, why INTEGER NOT NULL REFERENCES reasons) STRICT;
CREATE TABLE picked (place INTEGER PRIMARY KEY, chunk INTEGER NOT NULL REFERENCES chunks) STRICT;

CREATE TABLE arrows (old TEXT NOT NULL, new TEXT NOT NULL, PRIMARY KEY (old, new)) STRICT;
INSERT INTO arrows VALUES {", ".join(f"('{old}', '{new}')" for old, new in ARROWS)};
CREATE TRIGGER along_the_arrows BEFORE UPDATE OF state ON chunks
WHEN NOT EXISTS (SELECT 1 FROM arrows WHERE old = OLD.state AND new = NEW.state)
BEGIN SELECT RAISE(ABORT, 'no such transition'); END;
CREATE TRIGGER twice_only_by_decision BEFORE UPDATE OF state ON chunks
WHEN OLD.state = 'unknown' AND NEW.state = 'planned'
     AND NOT EXISTS (SELECT 1 FROM decisions WHERE chunk = NEW.number AND decision IN ('absent', 'resubmit')
                     AND at >= OLD.since)
     AND NOT EXISTS (SELECT 1 FROM evidence WHERE chunk = NEW.number AND workflow_id IS NULL
                     AND at >= OLD.since)
BEGIN SELECT RAISE(ABORT, 'resubmission without a decision'); END;
CREATE TRIGGER found_only_by_evidence BEFORE UPDATE OF state ON chunks
WHEN OLD.state = 'planned' AND NEW.state = 'accepted'
     AND NOT EXISTS (SELECT 1 FROM evidence WHERE chunk = NEW.number AND workflow_id = NEW.workflow_id)
BEGIN SELECT RAISE(ABORT, 'accepted without being sent'); END;

PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = 1;
"""
"""Version 1; `to_version_2` and `to_version_3` add the rest."""

SMALL: Final = ("job", "chunks", "attempts", "evidence", "decisions", "tallies", "reasons")
"""Tables whose rows are checked whenever a journal is opened: they grow with its chunks, not its contacts."""
_CHECKED_SINCE_2: Final = (*SMALL, "results", "duplicates", "invalid", "picked")
CHECKED: Final = (*_CHECKED_SINCE_2, "input")

_ROW_KEYS: Final = {"tallies": "chunk = NEW.chunk AND status = NEW.status"}  # has no rowid
_ROWID: Final = "rowid = NEW.rowid"


def add_checksum(connection: sqlite3.Connection) -> None:
    """Let a connection compute the checksum of a row: SQLite has no function for it."""
    connection.create_function("checksum_of", -1, _checksum_of, deterministic=True)
    connection.execute("PRAGMA trusted_schema = ON")  # else triggers cannot call it where it is OFF


def _checksum_of(*values: object) -> int:
    return crc32(ascii(values).encode())  # ascii: what repr escapes differs between versions of Python


def is_sound(connection: sqlite3.Connection, table: str) -> str:
    """Return the condition for a row of *table* to be as it was written."""
    return f"{table}.checksum IS {_checksum_call(connection, table)}"


def _checksum_call(connection: sqlite3.Connection, table: str) -> str:
    columns = ", ".join(f"{table}.{name}" for name in _columns(connection, table))
    return f"checksum_of({columns})"


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    rows = connection.execute("SELECT name FROM pragma_table_info(?) WHERE name != 'checksum'", (table,))
    return [row[0] for row in rows]


def to_version_2(connection: sqlite3.Connection) -> None:
    """Add the generation, and a checksum to every row, which triggers update."""
    # By triggers, so that no statement that writes a row can forget it.
    connection.execute("ALTER TABLE job ADD COLUMN generation INTEGER NOT NULL DEFAULT 0")
    for table in _CHECKED_SINCE_2:
        _add_checksums(connection, table)
    connection.execute("PRAGMA user_version = 2")


def to_version_3(connection: sqlite3.Connection) -> None:
    """Add the contacts of the input, which earlier versions did not keep."""
    connection.execute("CREATE TABLE input (first INTEGER PRIMARY KEY, contacts BLOB NOT NULL)")
    _add_checksums(connection, "input")
    connection.execute("PRAGMA user_version = 3")


def _add_checksums(connection: sqlite3.Connection, table: str) -> None:
    connection.execute(f"ALTER TABLE {table} ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0")
    seal = f"UPDATE {table} SET checksum = {_checksum_call(connection, table)}"
    connection.execute(seal)  # the rows that an earlier version wrote, before any trigger is there
    # Of all columns but the checksum, which the triggers themselves set.
    columns, key = ", ".join(_columns(connection, table)), _ROW_KEYS.get(table, _ROWID)
    for name, event in (("added", "INSERT"), ("changed", f"UPDATE OF {columns}")):
        connection.execute(
            f"CREATE TRIGGER {table}_{name} AFTER {event} ON {table} BEGIN {seal} WHERE {key}; END"
        )
