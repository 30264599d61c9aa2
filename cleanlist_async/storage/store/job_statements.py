"""The SQL of jobs; see `statements`."""

from __future__ import annotations

from typing import Final

_JOB: Final = """
SELECT j.id, j.name, j.organization, j.type, j.source, j.source_digest, j.contacts, j.state, j.max_credits,
    j.spent, j.reserved, j.submits, j.stopped_by, j.shortfall, j.created_at, j.finished_at, j.imported_cache,
    {now}, j.fence, j.runner, j.since, o.place, o.pid, coalesce(o.lease_until, 0) - {now}
FROM cleanlist_jobs j LEFT JOIN cleanlist_owners o ON o.id = j.runner
"""
FIND: Final = f"{_JOB} WHERE j.name = :name AND j.organization = {{organization}}"
READ: Final = f"{_JOB} WHERE j.id = :job"
LIST: Final = f"{_JOB} ORDER BY j.created_at, j.name"
NAMED: Final = f"{_JOB} WHERE j.name = :name ORDER BY j.created_at"
_HAS_NEWS: Final = """
EXISTS (SELECT 1 FROM cleanlist_job_rows r JOIN cleanlist_purchases p
    ON p.organization = j.organization AND p.digest = r.digest AND p.type IN (j.type, 'full')
    WHERE r.job = j.id AND r.status IS NULL AND r.first IS NULL AND p.result IS NOT NULL
        AND coalesce(p.submission, p.earlier) IS NULL)
"""
"""Whether another call has brought a result that the job ended without. The types are those of `serving`."""
UNFINISHED: Final = f"""
{_JOB} WHERE j.state = 'open' OR j.state = 'doubtful' AND {_HAS_NEWS} ORDER BY j.created_at, j.name
"""
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
    AND (max_credits IS NULL OR spent + reserved + :credits <= max_credits + :rounding)
"""
ASSIGN: Final = """
UPDATE cleanlist_submits
SET job = :job, number = coalesce(number, (SELECT submits FROM cleanlist_jobs WHERE id = :job))
WHERE id = :submission
"""
SETTLE: Final = """
UPDATE cleanlist_jobs SET reserved = reserved - :released, spent = spent + :spent WHERE id = :job
"""
STOP: Final = """
UPDATE cleanlist_jobs SET runner = NULL, fence = fence + 1, stopped_by = :reason
WHERE name = :name AND state = 'open'
"""
LIMIT: Final = "UPDATE cleanlist_jobs SET max_credits = :max_credits WHERE id = :job AND fence = :fence"
CACHE_IMPORTED: Final = """
UPDATE cleanlist_jobs SET imported_cache = :cache WHERE id = :job AND fence = :fence
"""
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
REOPEN: Final = """
UPDATE cleanlist_jobs SET state = 'open'
WHERE state = 'doubtful' AND (id = (SELECT job FROM cleanlist_submits WHERE id = :submission) OR EXISTS (
    SELECT 1 FROM cleanlist_purchases p JOIN cleanlist_job_rows r
        ON r.job = cleanlist_jobs.id AND r.digest = p.digest AND r.status IS NULL AND r.first IS NULL
    WHERE :submission IN (p.submission, p.earlier) AND p.organization = cleanlist_jobs.organization))
"""
"""Each job that waits for the submit: the one it was made for, and those whose contacts it holds."""

# -- whose it is ----------------------------------------------------------------------------------------

HAS_BOUGHT: Final = """
SELECT 1 FROM cleanlist_jobs j WHERE j.id = :job AND (j.spent > :rounding OR j.reserved > :rounding
    OR EXISTS (SELECT 1 FROM cleanlist_submits s WHERE s.job = j.id AND s.state <> 'refused')
    OR EXISTS (SELECT 1 FROM cleanlist_job_rows r
        WHERE r.job = j.id AND r.status IS NOT NULL AND r.digest IS NOT NULL))
"""
"""Also what it took from earlier purchases, and what it may have bought."""
WAS_ACCEPTED: Final = """
SELECT 1 FROM cleanlist_organizations WHERE organization = :organization
UNION ALL
SELECT 1 FROM cleanlist_submits WHERE organization = :organization AND state <> 'refused' LIMIT 1
"""
"""Whether the API ever accepted a call of an organization, or may have."""
SERVES_OTHERS: Final = """
SELECT 1 FROM cleanlist_organizations WHERE organization <> {organization}
UNION ALL
SELECT 1 FROM cleanlist_submits WHERE organization <> {organization} AND state <> 'refused' LIMIT 1
"""
ADOPT: Final = "UPDATE cleanlist_jobs SET organization = {organization} WHERE id = :job"
ADOPT_SUBMITS: Final = "UPDATE cleanlist_submits SET organization = {organization} WHERE job = :job"

# -- the plan -------------------------------------------------------------------------------------------

COUNT_PLANNED: Final = """
UPDATE cleanlist_jobs SET contacts = contacts + :count
WHERE id = :job AND fence = :fence AND state = 'planning'
"""
# CAST, here and below: a column of such a row is text in PostgreSQL, whatever it was as JSON.
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
FROM {rows} CROSS JOIN cleanlist_job_rows r
WHERE r.job = :job AND r.first = CAST({column 0} AS INTEGER) AND r.first IS NOT NULL
ORDER BY r.place
"""
"""SQLite joins in this order. Left to choose, it looks through all given rows for each row of the job."""
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

COUNT_HELD: Final = """
SELECT held.rank, count(*) FROM (
    SELECT r.place, max(CASE s.state WHEN 'accepted' THEN 2
        WHEN 'sending' THEN CASE WHEN coalesce(o.lease_until, 0) > {now} THEN 3 ELSE 0 END ELSE 0 END) AS rank
    FROM cleanlist_purchases p CROSS JOIN cleanlist_submits s CROSS JOIN cleanlist_job_rows r
    LEFT JOIN cleanlist_owners o ON o.id = s.owner
    WHERE p.submission IS NOT NULL AND s.id = p.submission AND s.state <> 'refused'
        AND s.organization = :organization AND p.type IN (:type, 'full')
        AND r.job = :job AND r.digest = p.digest AND r.status IS NULL AND r.first IS NULL
    GROUP BY r.place) AS held
GROUP BY held.rank
"""
"""Contacts without an outcome: 0 in doubt, 2 accepted, 3 being sent, by whichever call. SQLite joins in this
order: the purchases under way are few, and the rows of a job that is still to be run are many."""
COUNT_LEFT: Final = """
SELECT held.rank, count(*) FROM (
    SELECT r.place, max(CASE WHEN s.id IS NULL THEN 1 WHEN s.state = 'accepted' THEN 2
        WHEN s.state = 'sending' AND coalesce(o.lease_until, 0) > {now} THEN 3 ELSE 0 END) AS rank
    FROM cleanlist_job_rows r
    JOIN cleanlist_purchases p
        ON p.organization = :organization AND p.digest = r.digest AND p.type IN (:type, 'full')
    LEFT JOIN cleanlist_submits s ON s.id = coalesce(p.submission, p.earlier) AND s.state <> 'refused'
    LEFT JOIN cleanlist_owners o ON o.id = s.owner
    WHERE r.job = :job AND r.status IS NULL AND r.first IS NULL AND (s.id IS NOT NULL OR p.result IS NOT NULL)
    GROUP BY r.place) AS held
GROUP BY held.rank
"""
"""The same of a job that has ended, of which few rows are left, and 1 what is known by now."""
HOLDERS: Final = """
SELECT s.id, s.organization, s.type, s.door, s.state, count(DISTINCT r.place), s.workflow_id, s.reason, s.at,
    other.name
FROM cleanlist_purchases p CROSS JOIN cleanlist_submits s CROSS JOIN cleanlist_job_rows r
LEFT JOIN cleanlist_owners o ON o.id = s.owner LEFT JOIN cleanlist_jobs other ON other.id = s.job
WHERE p.submission IS NOT NULL AND s.id = p.submission AND s.organization = :organization
    AND p.type IN (:type, 'full') AND coalesce(s.job, '') <> :job
    AND (s.state IN ('unknown', 'lost') OR s.state = 'sending' AND coalesce(o.lease_until, 0) <= {now})
    AND r.job = :job AND r.digest = p.digest AND r.status IS NULL AND r.first IS NULL
GROUP BY s.id, s.organization, s.type, s.door, s.state, s.workflow_id, s.reason, s.at, other.name
ORDER BY s.at
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
WHERE state IN ('finished', 'doubtful') AND finished_at <= {now} - :older_than_s
"""
FORGET: Final = "DELETE FROM cleanlist_jobs WHERE id = :job AND submits = 0"
