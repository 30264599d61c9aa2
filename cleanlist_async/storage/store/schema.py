"""The tables of a store, and how those of an earlier version become those of this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TABLES: Final = """
CREATE TABLE IF NOT EXISTS cleanlist_store (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL,
    secret {blob} NOT NULL,
    is_outside INTEGER NOT NULL,
    created_at {real} NOT NULL
);
CREATE TABLE IF NOT EXISTS cleanlist_organizations (
    name TEXT PRIMARY KEY,
    organization TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS cleanlist_owners (
    id TEXT PRIMARY KEY,
    place TEXT NOT NULL,
    pid INTEGER NOT NULL,
    lease_until {real} NOT NULL
);
CREATE TABLE IF NOT EXISTS cleanlist_submits (
    id TEXT PRIMARY KEY,
    organization TEXT NOT NULL,
    type TEXT NOT NULL,
    door TEXT NOT NULL,
    owner TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('sending', 'accepted', 'unknown', 'refused', 'lost')),
    contacts INTEGER NOT NULL,
    workflow_id TEXT,
    key_name TEXT,
    reason TEXT,
    reserved {real} NOT NULL,
    quarter BIGINT NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0,
    at {real} NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS cleanlist_submits_by_workflow ON cleanlist_submits (workflow_id);
CREATE TABLE IF NOT EXISTS cleanlist_purchases (
    organization TEXT NOT NULL,
    digest TEXT NOT NULL,
    type TEXT NOT NULL,
    owner TEXT,
    submission TEXT,
    earlier TEXT,
    task_id TEXT,
    result TEXT,
    settled_at {real},
    PRIMARY KEY (organization, digest, type)
);
CREATE INDEX IF NOT EXISTS cleanlist_purchases_by_submission ON cleanlist_purchases (submission, digest)
    WHERE submission IS NOT NULL;
CREATE INDEX IF NOT EXISTS cleanlist_purchases_by_age ON cleanlist_purchases (coalesce(settled_at, 0));
CREATE TABLE IF NOT EXISTS cleanlist_budgets (
    organization TEXT PRIMARY KEY,
    per_day {real},
    per_month {real},
    tz TEXT,
    paused_reason TEXT,
    paused_by TEXT,
    paused_at {real}
);
CREATE TABLE IF NOT EXISTS cleanlist_spending (
    organization TEXT NOT NULL,
    quarter BIGINT NOT NULL,
    credits {real} NOT NULL,
    PRIMARY KEY (organization, quarter)
);
CREATE TABLE IF NOT EXISTS cleanlist_audit (
    number {identity},
    at {real} NOT NULL,
    event TEXT NOT NULL,
    organization TEXT NOT NULL,
    door TEXT,
    actor TEXT,
    submission TEXT,
    workflow_id TEXT,
    contacts INTEGER,
    credits {real},
    reserved {real},
    reason TEXT
);
"""
"""Those of the first version. Names begin with ``cleanlist_``: a database may hold tables of others."""

MIGRATIONS: Final[Mapping[int, str]] = {
    2: """
CREATE TABLE cleanlist_jobs (
    id TEXT PRIMARY KEY,
    organization TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    source TEXT NOT NULL,
    source_digest TEXT NOT NULL,
    contacts INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL CHECK (state IN ('planning', 'open', 'doubtful', 'finished', 'purged')),
    max_credits {real},
    spent {real} NOT NULL DEFAULT 0,
    reserved {real} NOT NULL DEFAULT 0,
    submits INTEGER NOT NULL DEFAULT 0,
    runner TEXT,
    fence INTEGER NOT NULL DEFAULT 0,
    since {real},
    stopped_by TEXT,
    shortfall {real},
    created_at {real} NOT NULL,
    finished_at {real},
    UNIQUE (organization, name)
);
CREATE TABLE cleanlist_job_rows (
    job TEXT NOT NULL,
    place INTEGER NOT NULL,
    digest TEXT,
    contact TEXT NOT NULL,
    first INTEGER,
    status TEXT,
    error TEXT,
    workflow_id TEXT,
    credits {real} NOT NULL DEFAULT 0,
    rule TEXT,
    PRIMARY KEY (job, place)
);
CREATE INDEX cleanlist_job_rows_by_digest ON cleanlist_job_rows (job, digest) WHERE first IS NULL;
CREATE INDEX cleanlist_job_rows_by_first ON cleanlist_job_rows (job, first) WHERE first IS NOT NULL;
ALTER TABLE cleanlist_submits ADD COLUMN job TEXT;
ALTER TABLE cleanlist_submits ADD COLUMN number INTEGER;
CREATE INDEX cleanlist_submits_by_job ON cleanlist_submits (job, number) WHERE job IS NOT NULL
""",
    3: "ALTER TABLE cleanlist_jobs ADD COLUMN imported_cache TEXT",
    # Of a job that has ended, or nearly, few rows are open; hardly any purchase returns to an earlier submit.
    # One contact may have any number of duplicates, which are read some at a time.
    4: """
DROP INDEX cleanlist_job_rows_by_first;
CREATE INDEX cleanlist_job_rows_by_first ON cleanlist_job_rows (job, first, place) WHERE first IS NOT NULL;
CREATE INDEX cleanlist_job_rows_open ON cleanlist_job_rows (job, place)
    WHERE status IS NULL AND first IS NULL;
CREATE INDEX cleanlist_purchases_by_earlier ON cleanlist_purchases (earlier) WHERE earlier IS NOT NULL
""",
}
"""What brings a store from the version before to this one. Jobs point to purchases by the digest of a row."""

FIRST_VERSION: Final = 1
VERSION: Final = max(MIGRATIONS)
