"""What is done to a store to delete a person's data, each operation one transaction; see `operations`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from cleanlist_async.errors import StoreError
from cleanlist_async.storage.store import jobs
from cleanlist_async.storage.store.audit import note
from cleanlist_async.storage.store.job_records import JobRow, contact_of
from cleanlist_async.storage.store.reading import reading
from cleanlist_async.storage.store.statements import Operation, Statement, deferred

_PAGE: Final = 500
_FORGOTTEN: Final = "forgotten: the data of this person was deleted"
_NOBODY: Final = "forgotten"
"""Stands for the digest of whoever was deleted: a row keeps its place and its credits, and nothing else."""

_RESULTS: Final = """
SELECT organization, digest, type, result FROM cleanlist_purchases
WHERE result IS NOT NULL AND (organization, digest, type) > (:organization, :digest, :type)
ORDER BY organization, digest, type LIMIT :most
"""
_ROWS: Final = """
SELECT job, place, digest, contact FROM cleanlist_job_rows
WHERE contact <> '{}' AND (job, place) > (:job, :place) ORDER BY job, place LIMIT :most
"""
_ORGANIZATIONS: Final = """
WITH RECURSIVE found(organization) AS (
    SELECT min(organization) FROM cleanlist_purchases
    UNION ALL
    SELECT (SELECT min(p.organization) FROM cleanlist_purchases p WHERE p.organization > found.organization)
    FROM found WHERE found.organization IS NOT NULL)
SELECT organization FROM found WHERE organization IS NOT NULL
"""
"""Each once. By the index, since there are few of them, and many purchases."""
_FIRSTS: Final = """
SELECT r.job, r.place FROM cleanlist_jobs j CROSS JOIN cleanlist_job_rows r
WHERE r.job = j.id AND r.digest {in digests} AND r.first IS NULL
"""
_DUPLICATES: Final = """
SELECT r.job, r.place FROM {rows} CROSS JOIN cleanlist_job_rows r
WHERE r.job = {column 0} AND r.first = CAST({column 1} AS INTEGER) AND r.first IS NOT NULL
"""
_RUNNING: Final = """
SELECT r.job FROM {rows} CROSS JOIN cleanlist_job_rows r
JOIN cleanlist_jobs j ON j.id = r.job JOIN cleanlist_owners o ON o.id = j.runner
WHERE r.job = {column 0} AND r.place = CAST({column 1} AS INTEGER) AND r.digest {in digests}
    AND r.status IS NULL AND r.first IS NULL AND o.lease_until > {now} LIMIT 1
"""
_BUYING: Final = """
SELECT 1 FROM cleanlist_purchases p JOIN cleanlist_owners o ON o.id = p.owner
WHERE p.organization {in organizations} AND p.digest {in digests} AND o.lease_until > {now} LIMIT 1
"""
_PURCHASES: Final = """
SELECT organization, submission, CASE WHEN result IS NULL THEN 0 ELSE 1 END FROM cleanlist_purchases
WHERE organization {in organizations} AND digest {in digests}
"""
_DELETE: Final = """
DELETE FROM cleanlist_purchases WHERE organization {in organizations} AND digest {in digests}
"""
_CLOSE: Final = """
UPDATE cleanlist_submits SET state = 'accepted'
WHERE id = :submission AND state IN ('sending', 'unknown', 'lost')
    AND NOT EXISTS (SELECT 1 FROM cleanlist_purchases p WHERE p.submission = :submission)
    AND NOT EXISTS (SELECT 1 FROM cleanlist_purchases p WHERE p.earlier = :submission)
"""
"""Nobody can decide any more about a submit without contacts. What it may have cost stays reserved."""
_BLANK: Final = """
UPDATE cleanlist_job_rows SET digest = :nobody, contact = '{}', status = 'invalid', error = :error,
    workflow_id = NULL, rule = coalesce(rule, 'none')
FROM {rows}
WHERE job = {column 0} AND place = CAST({column 1} AS INTEGER) AND digest {in digests}
"""
_BLANK_INVALID: Final = """
UPDATE cleanlist_job_rows SET contact = '{}', error = :error FROM {rows}
WHERE job = {column 0} AND place = CAST({column 1} AS INTEGER) AND digest IS NULL
"""

Cursor: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was deleted."""

    results: int
    """Results that were bought."""
    rows: int
    """Rows of jobs."""


@reading
def results(after: tuple[str, str, str]) -> Operation[Sequence[tuple[str, str, str, str]]]:
    """Return some results: (organization, digest, type, result), after one."""
    organization, digest, kind = after
    values = {"organization": organization, "digest": digest, "type": kind, "most": _PAGE}
    return (yield Statement(_RESULTS, values)).rows


@reading
def contacts(after: Cursor) -> Operation[list[tuple[str, JobRow]]]:
    """Return some rows of all jobs that have a contact, after one, with the id of the job."""
    rows = (yield Statement(_ROWS, {"job": after[0], "place": after[1], "most": _PAGE})).rows
    return [
        (str(job), JobRow(place, digest, contact_of(contact), None, None, None, None, 0.0, None))
        for job, place, digest, contact in rows
    ]


def forget(digests: Collection[str], invalid: Collection[Cursor], actor: str) -> Operation[Forgotten]:
    """Delete what was bought of these digests, and blank the rows of these and of *invalid* contacts.

    Raises JobLockedError while a process runs a job that has yet to send one of them, StoreError while one is
    being bought; the transaction must not be committed then.
    """
    firsts = (yield Statement(_FIRSTS, {"digests": list(digests)})).rows
    duplicates = (yield Statement(_DUPLICATES, {"rows": json.dumps([list(row) for row in firsts])})).rows
    rows = json.dumps([list(row) for row in (*firsts, *duplicates)])
    places = {"rows": rows, "digests": list(digests)}
    if (job := (yield Statement(_RUNNING, places)).one) is not None:
        raise (yield from jobs.read(job)).locked()
    organizations = [str(organization) for (organization,) in (yield Statement(_ORGANIZATIONS, {})).rows]
    values = {"digests": list(digests), "organizations": organizations}
    if (yield Statement(_BUYING, values)).one is not None:
        raise StoreError(
            "This person is being bought by a process; nothing was deleted.",
            fix="Ask again when it has ended.",
        )
    bought = (yield Statement(_PURCHASES, values)).rows
    yield Statement(_DELETE, values)
    # Only now: it is closed where the deletion has left no contact of it.
    for submission in sorted({submission for _, submission, _ in bought if submission}):
        yield deferred(_CLOSE, {"submission": submission})
    blanked = (yield Statement(_BLANK, {**places, "nobody": _NOBODY, "error": _FORGOTTEN})).changed
    if invalid:
        others = json.dumps([list(one) for one in invalid])
        blanked += (yield Statement(_BLANK_INVALID, {"rows": others, "error": _FORGOTTEN})).changed
    for organization, count in Counter(organization for organization, *_ in bought).items():
        yield note("forgotten", organization, actor=actor or None, contacts=count)
    return Forgotten(sum(has_result for *_, has_result in bought), blanked)
