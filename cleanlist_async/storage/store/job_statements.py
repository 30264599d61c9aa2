"""The SQL of jobs; see `statements`."""

from __future__ import annotations

from typing import Final

_JOB: Final = """
SELECT j.id, j.name, j.organization, j.type, j.source, j.source_digest, j.contacts, j.state, j.max_credits,
    j.spent, j.reserved, j.submits, j.stopped_by, j.shortfall, j.created_at, j.finished_at, {now}, j.fence,
    j.runner, j.since, o.place, o.pid, coalesce(o.lease_until, 0) > {now}
FROM cleanlist_jobs j LEFT JOIN cleanlist_owners o ON o.id = j.runner
"""
FIND: Final = f"{_JOB} WHERE j.name = :name AND j.organization = {{organization}}"
READ: Final = f"{_JOB} WHERE j.id = :job"
LIST: Final = f"{_JOB} ORDER BY j.created_at, j.name"
CREATE: Final = """
INSERT INTO cleanlist_jobs
    (id, organization, name, type, source, source_digest, state, max_credits, created_at)
VALUES (:job, {organization}, :name, :type, :source, :source_digest, 'planning', :max_credits, {now})
"""

# -- the runner -----------------------------------------------------------------------------------------

TAKE_OVER: Final = """
UPDATE cleanlist_jobs SET runner = :owner, fence = fence + 1, since = {now} WHERE id = :job
"""
RELEASE: Final = "UPDATE cleanlist_jobs SET runner = NULL WHERE id = :job AND fence = :fence"
ADMIT: Final = """
UPDATE cleanlist_jobs SET reserved = reserved + :credits, submits = submits + 1
WHERE id = :job AND fence = :fence AND runner = :owner
    AND (max_credits IS NULL OR spent + reserved + :credits <= max_credits)
"""
ASSIGN: Final = """
UPDATE cleanlist_submits
SET job = :job, number = coalesce(number, (SELECT submits FROM cleanlist_jobs WHERE id = :job))
WHERE id = :submission
"""
SETTLE: Final = """
UPDATE cleanlist_jobs SET reserved = reserved - :released, spent = spent + :spent WHERE id = :job
"""
LIMIT: Final = "UPDATE cleanlist_jobs SET max_credits = :max_credits WHERE id = :job AND fence = :fence"
BEGIN_RUN: Final = """
UPDATE cleanlist_jobs SET stopped_by = NULL, shortfall = NULL WHERE id = :job AND fence = :fence
"""
END: Final = """
UPDATE cleanlist_jobs SET stopped_by = :stopped_by, shortfall = :shortfall, finished_at = {now},
    state = CASE WHEN :is_stopped = 1 THEN 'open' WHEN EXISTS (
        SELECT 1 FROM cleanlist_job_rows r WHERE r.job = :job AND r.status IS NULL AND r.first IS NULL)
        THEN 'doubtful' ELSE 'finished' END
WHERE id = :job AND fence = :fence AND state IN ('open', 'doubtful', 'finished')
"""
REOPEN: Final = "UPDATE cleanlist_jobs SET state = 'open' WHERE id = :job AND state = 'doubtful'"

# -- the plan -------------------------------------------------------------------------------------------

COUNT_PLANNED: Final = """
UPDATE cleanlist_jobs SET contacts = contacts + :count
WHERE id = :job AND fence = :fence AND state = 'planning'
"""
ADD_ROWS: Final = """
INSERT INTO cleanlist_job_rows (job, place, digest, contact, first, status, error)
SELECT :job, CAST({column 0} AS INTEGER), {column 1}, {column 2}, CAST({column 3} AS INTEGER), {column 4},
    {column 5} FROM {rows}
"""
CUT_PLAN: Final = """
UPDATE cleanlist_jobs SET contacts = :start WHERE id = :job AND fence = :fence AND state = 'planning'
"""
CUT_ROWS: Final = "DELETE FROM cleanlist_job_rows WHERE job = :job AND place >= :start"
PLANNED: Final = """
UPDATE cleanlist_jobs SET state = 'open', source = :source, source_digest = :source_digest
WHERE id = :job AND fence = :fence
"""

# -- the rows -------------------------------------------------------------------------------------------

ROWS: Final = """
SELECT r.place, r.digest, r.contact, r.first, coalesce(f.status, r.status), coalesce(f.error, r.error),
    coalesce(f.workflow_id, r.workflow_id), r.credits, coalesce(f.rule, r.rule)
FROM cleanlist_job_rows r LEFT JOIN cleanlist_job_rows f ON f.job = r.job AND f.place = r.first
WHERE r.job = :job AND r.place > :after ORDER BY r.place LIMIT :most
"""
OPEN_ROWS: Final = """
SELECT place, digest, contact, first, status, error, workflow_id, credits, rule
FROM cleanlist_job_rows
WHERE job = :job AND status IS NULL AND first IS NULL AND place > :after ORDER BY place LIMIT :most
"""
FOLLOWERS: Final = """
SELECT r.place, r.digest, r.contact, r.first, r.status, r.error, r.workflow_id, r.credits, r.rule
FROM {rows} JOIN cleanlist_job_rows r ON r.job = :job AND r.first = CAST({column 0} AS INTEGER)
ORDER BY r.place
"""
RECORD: Final = """
UPDATE cleanlist_job_rows
SET status = {column 1}, error = {column 2}, workflow_id = {column 3}, rule = {column 4}
FROM {rows}
WHERE job = :job AND place = CAST({column 0} AS INTEGER) AND status IS NULL
"""
SETTLE_ROWS: Final = """
UPDATE cleanlist_job_rows
SET status = {column 1}, error = {column 2}, workflow_id = {column 3}, rule = {column 4},
    credits = CAST({column 5} AS {real})
FROM {rows}
WHERE job = :job AND digest = {column 0} AND first IS NULL
"""
GIVE_UP: Final = """
UPDATE cleanlist_job_rows SET status = 'unknown', error = 'given up by decision', rule = 'none'
WHERE job = :job AND status IS NULL AND first IS NULL AND digest IN (
    SELECT p.digest FROM cleanlist_purchases p WHERE p.submission = :submission)
"""
COUNT_ROWS: Final = """
SELECT coalesce(status, ''), CASE WHEN first IS NOT NULL THEN 'duplicate' WHEN digest IS NULL THEN 'invalid'
    ELSE '' END, count(*)
FROM cleanlist_job_rows WHERE job = :job GROUP BY 1, 2
"""

# -- its submits ----------------------------------------------------------------------------------------

COUNT_SUBMITS: Final = """
SELECT CASE WHEN s.state = 'sending' AND coalesce(o.lease_until, 0) <= {now} THEN 'unknown'
    WHEN s.state = 'accepted' AND NOT EXISTS (
        SELECT 1 FROM cleanlist_purchases p WHERE p.submission = s.id) THEN 'done'
    ELSE s.state END, count(*), sum(s.contacts), sum(s.reserved)
FROM cleanlist_submits s LEFT JOIN cleanlist_owners o ON o.id = s.owner
WHERE s.job = :job GROUP BY 1
"""
UNKNOWN: Final = """
SELECT s.number, min(r.place), max(r.place), count(r.place), s.at, s.reason, s.reserved, s.id
FROM cleanlist_submits s LEFT JOIN cleanlist_owners o ON o.id = s.owner
JOIN cleanlist_purchases p ON p.submission = s.id
JOIN cleanlist_job_rows r ON r.job = s.job AND r.digest = p.digest AND r.first IS NULL
WHERE s.job = :job AND r.status IS NULL AND (s.state IN ('unknown', 'lost')
    OR s.state = 'sending' AND coalesce(o.lease_until, 0) <= {now})
GROUP BY s.number, s.at, s.reason, s.reserved, s.id ORDER BY s.number
"""

# -- checking and purging -------------------------------------------------------------------------------

COSTS: Final = """
SELECT rule, count(*), sum(credits) FROM cleanlist_job_rows
WHERE job = :job AND status IS NOT NULL AND first IS NULL AND digest IS NOT NULL GROUP BY rule ORDER BY rule
"""
SUMS: Final = """
SELECT j.spent, j.reserved, j.contacts,
    (SELECT coalesce(sum(r.credits), 0.0) FROM cleanlist_job_rows r WHERE r.job = j.id),
    (SELECT coalesce(sum(s.reserved), 0.0) FROM cleanlist_submits s WHERE s.job = j.id),
    (SELECT count(*) FROM cleanlist_job_rows r WHERE r.job = j.id)
FROM cleanlist_jobs j WHERE j.id = :job
"""
FORGET_RESULTS: Final = """
UPDATE cleanlist_purchases SET result = NULL, settled_at = NULL
WHERE organization = :organization AND settled_at IS NOT NULL AND digest IN (
    SELECT r.digest FROM cleanlist_job_rows r WHERE r.job = :job AND r.place < :end)
"""
FORGET_ROWS: Final = "DELETE FROM cleanlist_job_rows WHERE job = :job AND place < :end"
LEAST_PLACE: Final = "SELECT min(place) FROM cleanlist_job_rows WHERE job = :job"
PURGED: Final = "UPDATE cleanlist_jobs SET state = 'purged' WHERE id = :job"
OLD: Final = """
SELECT id, organization FROM cleanlist_jobs
WHERE state IN ('finished', 'doubtful') AND finished_at < {now} - :older_than_s
"""
FORGET: Final = "DELETE FROM cleanlist_jobs WHERE id = :job AND submits = 0"
