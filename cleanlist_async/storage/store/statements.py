"""The SQL of a store, which both databases understand, and what differs between them."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar

T = TypeVar("T")

SHOWN_NUL: Final = "\N{SYMBOL FOR NULL}"
"""What stands for a NUL in a text: PostgreSQL takes none, and the write would fail each time it is made."""

_ORGANIZATION: Final = """
coalesce((SELECT known.organization FROM cleanlist_organizations known WHERE known.name = :organization),
    :organization)
""".strip()
"""What ``:organization`` is called by now: a client may have begun under a name that stood for it."""
_COLUMN: Final = re.compile(r"\{column (\d)\}")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between two databases.

    Attributes
    ----------
    now
        Seconds since the epoch, by the clock of the database.
    each
        A table of one column `value`, of the list parameter ``{name}``.
    is_in
        Whether what stands before is in the list parameter ``{name}``.
    pairs
        A table `given` of two columns `name` and `value`, of the mapping parameter ``{name}``.
    rows, column
        A table `given` of rows, of the parameter ``{name}``: JSON text of a list of lists. The column
        ``{number}`` of such a row, from 0.
    table_names
        A table of one column `name`, of the tables that there are.
    real, blob, identity
        Types of columns: a float, bytes, a number that counts up.
    size
        Bytes that the store takes on the disk.

    """

    now: str
    each: str
    is_in: str
    pairs: str
    rows: str
    column: str
    table_names: str
    real: str
    blob: str
    identity: str
    size: str

    def render(self, text: str) -> str:
        """Return a statement as this database takes it; parameters stay as ``:name``."""
        text = text.replace("{organization}", _ORGANIZATION)
        for word in ("now", "table_names", "real", "blob", "identity", "size"):
            text = text.replace("{" + word + "}", getattr(self, word))
        for name in ("digests", "types", "owners", "recipients", "organizations"):
            text = text.replace("{each " + name + "}", self.each.replace("{name}", name))
            text = text.replace("{in " + name + "}", self.is_in.replace("{name}", name))
        text = text.replace("{rows}", self.rows.replace("{name}", "rows"))
        text = _COLUMN.sub(lambda match: self.column.replace("{number}", match[1]), text)
        return text.replace("{pairs}", self.pairs.replace("{name}", "pairs"))


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement and its parameters: text, numbers, bytes, lists of text, mappings of text to text.

    A `is_deferred` one may be sent together with the next: its answer holds nothing until a statement that is
    not deferred is answered. Over a network that saves a round trip.
    """

    text: str
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    is_deferred: bool = False


@dataclass(slots=True)
class Answer:
    """What came of a statement: its rows, and how many rows it changed."""

    rows: Sequence[tuple[Any, ...]] = ()
    changed: int = 0

    @property
    def one(self) -> Any:
        """The first column of the first row; None where there is none."""
        return self.rows[0][0] if self.rows else None


Operation: TypeAlias = Generator[Statement, Answer, T]
"""One transaction: it is given the answer of each statement that it yields, and returns a value."""


def deferred(text: str, values: Mapping[str, Any]) -> Statement:
    """Return a statement whose answer is not needed before that of the next one."""
    return Statement(text, values, is_deferred=True)


# -- the store itself -----------------------------------------------------------------------------------

HAS_STORE: Final = "SELECT 1 FROM {table_names} WHERE name = 'cleanlist_store'"
READ_STORE: Final = "SELECT version, secret, is_outside FROM cleanlist_store"
SET_VERSION: Final = "UPDATE cleanlist_store SET version = :version"
CREATE_STORE: Final = """
INSERT INTO cleanlist_store (id, version, secret, is_outside, created_at)
VALUES (1, :version, :secret, :is_outside, {now}) ON CONFLICT (id) DO NOTHING
"""
FIND_ORGANIZATION: Final = "SELECT organization FROM cleanlist_organizations WHERE name = :name"
NAME_ORGANIZATION: Final = """
INSERT INTO cleanlist_organizations (name, organization) VALUES (:name, :organization)
ON CONFLICT (name) DO UPDATE SET organization = excluded.organization
"""
MOVE_PURCHASES: Final = """
UPDATE cleanlist_purchases SET organization = :organization
WHERE organization = :name AND NOT EXISTS (
    SELECT 1 FROM cleanlist_purchases other WHERE other.organization = :organization
    AND other.digest = cleanlist_purchases.digest AND other.type = cleanlist_purchases.type)
"""

# -- owners ---------------------------------------------------------------------------------------------

RENEW: Final = """
INSERT INTO cleanlist_owners (id, place, pid, lease_until) VALUES (:owner, :place, :pid, {now} + :lease_s)
ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until
"""
NEIGHBOURS: Final = """
SELECT id, pid FROM cleanlist_owners WHERE place = :place AND id <> :owner AND lease_until > {now}
"""
END_LEASES: Final = "UPDATE cleanlist_owners SET lease_until = 0 WHERE id {in owners}"
FORGET_OWNERS: Final = "DELETE FROM cleanlist_owners WHERE lease_until < {now} - 86400"

# -- purchases ------------------------------------------------------------------------------------------

LOOK: Final = """
SELECT p.digest, p.type, p.owner, o.lease_until, p.submission, s.state, s.workflow_id, p.task_id, s.key_name,
    s.job, p.result, p.settled_at, {now}, p.earlier, e.state, e.workflow_id, e.key_name, e.job
FROM cleanlist_purchases p
LEFT JOIN cleanlist_submits s ON s.id = p.submission
LEFT JOIN cleanlist_submits e ON e.id = p.earlier
LEFT JOIN cleanlist_owners o ON o.id = p.owner
WHERE p.organization = {organization} AND p.digest {in digests}
"""
"""Without a condition on the type, which would cost a search of the index for each digest and type."""
# WHERE 1 = 1, here and below: without it SQLite would read ON CONFLICT as the condition of a join.
TAKE: Final = """
INSERT INTO cleanlist_purchases (organization, digest, type, owner)
SELECT {organization}, value, :type, :owner FROM {each digests} WHERE 1 = 1
ON CONFLICT (organization, digest, type) DO UPDATE
SET owner = excluded.owner, submission = NULL, task_id = NULL,
    earlier = coalesce(cleanlist_purchases.submission, cleanlist_purchases.earlier)
"""
"""What is bought anew may return to the `earlier` submit, unless the new one brings a result."""
ADOPT: Final = """
UPDATE cleanlist_purchases SET owner = :owner, submission = :submission, earlier = NULL
WHERE organization = {organization} AND type = :type AND coalesce(submission, earlier) = :submission
    AND digest {in digests}
"""
IMPORT: Final = """
INSERT INTO cleanlist_purchases (organization, digest, type, result, settled_at)
SELECT {organization}, given.name, :type, given.value, {now} - :age_s FROM {pairs} WHERE 1 = 1
ON CONFLICT (organization, digest, type) DO NOTHING
"""
RECORD_BOUGHT: Final = """
INSERT INTO cleanlist_purchases (organization, digest, type, result, settled_at)
SELECT {organization}, given.name, :type, given.value, {now} FROM {pairs} WHERE 1 = 1
ON CONFLICT (organization, digest, type) DO UPDATE
SET owner = NULL, earlier = NULL, task_id = NULL, result = excluded.result, settled_at = excluded.settled_at
WHERE cleanlist_purchases.submission IS NULL
    AND (cleanlist_purchases.owner IS NOT NULL OR cleanlist_purchases.result IS NULL)
"""
"""What another submit is buying by now stays its own, and what is settled stays as it is."""
# Never in place of a newer result.
KEEP: Final = """
INSERT INTO cleanlist_purchases (organization, digest, type, result, settled_at)
SELECT {organization}, given.name, p.type, p.result, p.settled_at
FROM {pairs} JOIN cleanlist_purchases p
    ON p.organization = {organization} AND p.digest = given.value AND p.type = :type
WHERE p.settled_at IS NOT NULL
ON CONFLICT (organization, digest, type) DO UPDATE
SET result = excluded.result, settled_at = excluded.settled_at
WHERE coalesce(cleanlist_purchases.settled_at, 0) < excluded.settled_at
"""
RELEASE_KNOWN: Final = """
UPDATE cleanlist_purchases SET owner = NULL, submission = earlier, earlier = NULL
WHERE organization = {organization} AND type = :type AND owner = :owner AND submission IS NULL
    AND (result IS NOT NULL OR earlier IS NOT NULL) AND digest {in digests}
"""
RELEASE_ADOPTED: Final = """
UPDATE cleanlist_purchases SET owner = NULL
WHERE organization = {organization} AND type {in types} AND owner = :owner AND digest {in digests}
    AND EXISTS (SELECT 1 FROM cleanlist_submits s
        WHERE s.id = cleanlist_purchases.submission AND s.state = 'accepted')
"""
RELEASE_NEW: Final = """
DELETE FROM cleanlist_purchases
WHERE organization = {organization} AND type = :type AND owner = :owner AND submission IS NULL
    AND result IS NULL AND digest {in digests}
"""

# -- submits --------------------------------------------------------------------------------------------

# On conflict: an attempt that was refused is repeated under the same name.
INTEND: Final = """
INSERT INTO cleanlist_submits
    (id, organization, type, door, owner, state, contacts, reserved, quarter, at)
VALUES (:submission, {organization}, :type, :door, :owner, 'sending', :contacts, :reserved, :quarter, {now})
ON CONFLICT (id) DO UPDATE SET state = 'sending', contacts = excluded.contacts, reason = NULL,
    reserved = excluded.reserved, quarter = excluded.quarter, settled = 0
"""
SEND: Final = """
UPDATE cleanlist_purchases SET submission = :submission, task_id = NULL
WHERE organization = {organization} AND type = :type AND owner = :owner
    AND (submission IS NULL OR submission = :submission)
    AND digest {in digests}
"""
IS_ANOTHERS: Final = """
SELECT 1 FROM cleanlist_submits WHERE workflow_id = :workflow_id AND id <> :submission
"""
ACCEPT: Final = """
UPDATE cleanlist_submits
SET state = 'accepted', workflow_id = :workflow_id, key_name = :key_name, reason = NULL
WHERE id = :submission AND state <> 'accepted' AND NOT EXISTS (
    SELECT 1 FROM cleanlist_submits other WHERE other.workflow_id = :workflow_id AND other.id <> :submission)
"""
NAME_TASKS: Final = """
UPDATE cleanlist_purchases SET task_id = given.value FROM {pairs}
WHERE submission = :submission AND digest = given.name
"""
CLOSE: Final = """
UPDATE cleanlist_submits SET state = :state, reason = :reason
WHERE id = :submission AND (state IN ('sending', 'unknown') OR state = 'accepted' AND :state = 'lost')
"""
REJECT: Final = "UPDATE cleanlist_submits SET state = 'refused', reason = NULL WHERE id = :submission"
TAKE_BACK: Final = """
UPDATE cleanlist_purchases
SET submission = CASE WHEN owner IS NULL THEN earlier END,
    earlier = CASE WHEN owner IS NULL THEN NULL ELSE earlier END
WHERE submission = :submission
"""
ABANDON: Final = (
    "UPDATE cleanlist_purchases SET owner = NULL WHERE submission = :submission AND owner = :owner"
)
UNSETTLED: Final = "SELECT digest FROM cleanlist_purchases WHERE submission = :submission"
SETTLE: Final = """
UPDATE cleanlist_purchases
SET owner = NULL, submission = NULL, earlier = NULL, task_id = NULL, result = given.value, settled_at = {now}
FROM {pairs}
WHERE submission = :submission AND digest = given.name
"""
GIVE_BACK: Final = """
UPDATE cleanlist_purchases SET owner = NULL, submission = earlier, earlier = NULL, task_id = NULL
WHERE submission = :submission AND digest {in digests}
"""
FIND_SUBMIT: Final = """
SELECT id, organization, type, door, state, contacts, workflow_id, reason, at,
    (SELECT j.name FROM cleanlist_jobs j WHERE j.id = cleanlist_submits.job)
FROM cleanlist_submits WHERE id = :submission AND state <> 'refused' AND (state <> 'accepted' OR EXISTS (
    SELECT 1 FROM cleanlist_purchases p WHERE p.submission = cleanlist_submits.id)) AND NOT EXISTS (
    SELECT 1 FROM cleanlist_purchases p JOIN cleanlist_owners o ON o.id = p.owner
    WHERE p.submission = cleanlist_submits.id AND o.lease_until > {now}) AND NOT EXISTS (
    SELECT 1 FROM cleanlist_owners o
    WHERE o.id = cleanlist_submits.owner AND cleanlist_submits.state = 'sending' AND o.lease_until > {now})
"""
LIST_SUBMITS: Final = """
SELECT s.id, s.organization, s.type, s.door, s.state, count(p.digest), s.workflow_id, s.reason, s.at, j.name
FROM cleanlist_submits s JOIN cleanlist_purchases p ON p.submission = s.id
LEFT JOIN cleanlist_owners o ON o.id = p.owner LEFT JOIN cleanlist_jobs j ON j.id = s.job
WHERE s.state <> 'refused' AND coalesce(o.lease_until, 0) <= {now}
GROUP BY s.id, s.organization, s.type, s.door, s.state, s.workflow_id, s.reason, s.at, j.name ORDER BY s.at
"""

# -- budgets ----------------------------------------------------------------------------------------------

# Joined to a row that is always there: the clock is needed also where no budget was set.
READ_BUDGET: Final = """
SELECT {now}, b.per_day, b.per_month, b.tz, b.paused_reason, b.paused_by, b.paused_at
FROM (SELECT 1 AS one) AS always LEFT JOIN cleanlist_budgets b ON b.organization = {organization}
"""
SET_BUDGET: Final = """
INSERT INTO cleanlist_budgets (organization, per_day, per_month, tz)
VALUES ({organization}, :per_day, :per_month, :tz)
ON CONFLICT (organization) DO UPDATE
SET per_day = excluded.per_day, per_month = excluded.per_month, tz = excluded.tz
"""
PAUSE: Final = """
INSERT INTO cleanlist_budgets (organization, paused_reason, paused_by, paused_at)
VALUES ({organization}, :reason, :actor, {now})
ON CONFLICT (organization) DO UPDATE SET paused_reason = excluded.paused_reason,
    paused_by = excluded.paused_by, paused_at = excluded.paused_at
"""
RESUME: Final = """
UPDATE cleanlist_budgets SET paused_reason = NULL, paused_by = NULL, paused_at = NULL
WHERE organization = {organization} AND paused_at IS NOT NULL
"""
COMMITTED: Final = """
SELECT coalesce(sum(credits), 0.0) FROM cleanlist_spending
WHERE organization = {organization} AND quarter >= :start AND quarter < :end
"""
COMMIT_CREDITS: Final = """
INSERT INTO cleanlist_spending (organization, quarter, credits) VALUES ({organization}, :quarter, :credits)
ON CONFLICT (organization, quarter) DO UPDATE SET credits = cleanlist_spending.credits + excluded.credits
"""
RESERVED: Final = """
SELECT organization, quarter, job, reserved, type, settled FROM cleanlist_submits WHERE id = :submission
"""
RELEASE: Final = "UPDATE cleanlist_submits SET reserved = reserved - :released WHERE id = :submission"
COUNT_SETTLED: Final = "UPDATE cleanlist_submits SET settled = settled + :contacts WHERE id = :submission"
SETTLE_CALL: Final = "UPDATE cleanlist_submits SET settled = 1 WHERE id = :submission AND settled = 0"
FIND_UNSETTLED_CALL: Final = """
SELECT id FROM cleanlist_submits s
WHERE workflow_id = :workflow_id AND organization = {organization} AND settled = 0
    AND NOT EXISTS (SELECT 1 FROM cleanlist_purchases p WHERE p.submission = s.id)
"""
ADD_SPENDING: Final = """
INSERT INTO cleanlist_spending (organization, quarter, credits)
SELECT :organization, quarter, credits FROM cleanlist_spending WHERE organization = :name
ON CONFLICT (organization, quarter) DO UPDATE SET credits = cleanlist_spending.credits + excluded.credits
"""
DROP_SPENDING: Final = "DELETE FROM cleanlist_spending WHERE organization = :name"
MOVE_BUDGET: Final = """
INSERT INTO cleanlist_budgets (organization, per_day, per_month, tz, paused_reason, paused_by, paused_at)
SELECT :organization, per_day, per_month, tz, paused_reason, paused_by, paused_at
FROM cleanlist_budgets WHERE organization = :name
ON CONFLICT (organization) DO UPDATE SET
    per_day = CASE WHEN cleanlist_budgets.tz IS NULL THEN excluded.per_day ELSE cleanlist_budgets.per_day END,
    per_month = CASE WHEN cleanlist_budgets.tz IS NULL THEN excluded.per_month
        ELSE cleanlist_budgets.per_month END,
    tz = coalesce(cleanlist_budgets.tz, excluded.tz),
    paused_reason = coalesce(cleanlist_budgets.paused_reason, excluded.paused_reason),
    paused_by = CASE WHEN cleanlist_budgets.paused_at IS NULL THEN excluded.paused_by
        ELSE cleanlist_budgets.paused_by END,
    paused_at = coalesce(cleanlist_budgets.paused_at, excluded.paused_at)
"""
"""Limits of the organization come before those of the name; a pause of either holds."""
DROP_BUDGET: Final = "DELETE FROM cleanlist_budgets WHERE organization = :name"
MOVE_SUBMITS: Final = "UPDATE cleanlist_submits SET organization = :organization WHERE organization = :name"
RENAME_JOBS: Final = """
UPDATE cleanlist_jobs SET name = substr(name, 1, 180) || ' (' || substr(id, 1, 8) || ')'
WHERE organization = :name AND EXISTS (
    SELECT 1 FROM cleanlist_jobs other
    WHERE other.organization = :organization AND other.name = cleanlist_jobs.name)
"""
"""Of two jobs of a name only one could be opened: the other gets a name of its own."""
MOVE_JOBS: Final = """
UPDATE cleanlist_jobs SET organization = :organization WHERE organization = :name
"""

# -- purging and the audit trail ------------------------------------------------------------------------

# By coalesce, here and below, as the index by age has it. The rows are chosen in a subquery, since UPDATE and
# DELETE have a LIMIT neither in PostgreSQL nor in most builds of SQLite.
FORGET_RESULTS: Final = """
UPDATE cleanlist_purchases SET result = NULL, settled_at = NULL
WHERE (organization, digest, type) IN (
    SELECT organization, digest, type FROM cleanlist_purchases
    WHERE coalesce(settled_at, 0) > 0 AND coalesce(settled_at, 0) <= (SELECT {now} - :older_than_s)
    LIMIT :most)
"""
"""The time in a subquery: PostgreSQL would read the clock for each result, and so find none by the index."""
FORGET_RESULTS_OF: Final = """
UPDATE cleanlist_purchases SET result = NULL, settled_at = NULL
WHERE organization = :organization AND settled_at IS NOT NULL AND digest {in digests}
"""
FORGET_PURCHASES: Final = """
DELETE FROM cleanlist_purchases
WHERE (organization, digest, type) IN (
    SELECT p.organization, p.digest, p.type FROM cleanlist_purchases p
    LEFT JOIN cleanlist_owners o ON o.id = p.owner
    WHERE coalesce(p.settled_at, 0) = 0 AND coalesce(p.submission, p.earlier) IS NULL
        AND coalesce(o.lease_until, 0) <= {now}
    LIMIT :most)
"""
COUNT: Final = """
SELECT (SELECT count(*) FROM cleanlist_purchases WHERE coalesce(settled_at, 0) > 0),
    (SELECT count(*) FROM cleanlist_purchases WHERE submission IS NOT NULL),
    (SELECT count(*) FROM cleanlist_audit), {size}
"""
NOTE: Final = """
INSERT INTO cleanlist_audit
    (at, event, organization, door, actor, submission, workflow_id, contacts, credits,
    reserved, reason)
VALUES ({now}, :event, {organization}, :door, :actor, :submission, :workflow_id, :contacts, :credits,
    :reserved, :reason)
"""
AUDIT: Final = """
SELECT number, at, event, organization, door, actor, submission, workflow_id, contacts, credits,
    reserved, reason
FROM cleanlist_audit WHERE at >= :since AND number > :after ORDER BY number LIMIT 1000
"""
