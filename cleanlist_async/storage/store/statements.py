"""The SQL of a store, which both databases understand, and what differs between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between two databases.

    Attributes
    ----------
    now
        Seconds since the epoch, by the clock of the database.
    each
        A table of one column `value`, of the list parameter ``{name}``.
    pairs
        A table `given` of two columns `name` and `value`, of the mapping parameter ``{name}``.
    table_names
        A table of one column `name`, of the tables that there are.
    real, blob, identity
        Types of columns: a float, bytes, a number that counts up.
    size
        Bytes that the store takes on the disk.

    """

    now: str
    each: str
    pairs: str
    table_names: str
    real: str
    blob: str
    identity: str
    size: str

    def render(self, text: str) -> str:
        """Return a statement as this database takes it; parameters stay as ``:name``."""
        for word in ("now", "table_names", "real", "blob", "identity", "size"):
            text = text.replace("{" + word + "}", getattr(self, word))
        for name in ("digests", "types", "owners"):
            text = text.replace("{each " + name + "}", self.each.replace("{name}", name))
        return text.replace("{pairs}", self.pairs.replace("{name}", "pairs"))


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement and its parameters: text, numbers, bytes, lists of text, mappings of text to text."""

    text: str
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a statement: its rows, and how many rows it changed."""

    rows: Sequence[tuple[Any, ...]] = ()
    changed: int = 0

    @property
    def one(self) -> Any:
        """The first column of the first row; None where there is none."""
        return self.rows[0][0] if self.rows else None


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
    at {real} NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS cleanlist_submits_by_workflow ON cleanlist_submits (workflow_id);
CREATE TABLE IF NOT EXISTS cleanlist_purchases (
    organization TEXT NOT NULL,
    digest TEXT NOT NULL,
    type TEXT NOT NULL,
    owner TEXT,
    submission TEXT,
    task_id TEXT,
    result TEXT,
    settled_at {real},
    PRIMARY KEY (organization, digest, type)
);
CREATE INDEX IF NOT EXISTS cleanlist_purchases_by_submission ON cleanlist_purchases (submission, digest)
    WHERE submission IS NOT NULL;
CREATE INDEX IF NOT EXISTS cleanlist_purchases_by_age ON cleanlist_purchases (coalesce(settled_at, 0));
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
    reason TEXT
);
"""
"""Names begin with ``cleanlist_``: a database may hold tables of others."""

# -- the store itself -----------------------------------------------------------------------------------

HAS_STORE: Final = "SELECT 1 FROM {table_names} WHERE name = 'cleanlist_store'"
READ_STORE: Final = "SELECT version, secret, is_outside FROM cleanlist_store"
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
END_LEASES: Final = (
    "UPDATE cleanlist_owners SET lease_until = 0 WHERE id IN (SELECT value FROM {each owners})"
)
FORGET_OWNERS: Final = "DELETE FROM cleanlist_owners WHERE lease_until < {now} - 86400"

# -- purchases ------------------------------------------------------------------------------------------

LOOK: Final = """
SELECT p.digest, p.type, p.owner, o.lease_until, p.submission, s.state, s.workflow_id, p.task_id, s.key_name,
    p.result, p.settled_at, {now}
FROM cleanlist_purchases p
LEFT JOIN cleanlist_submits s ON s.id = p.submission
LEFT JOIN cleanlist_owners o ON o.id = p.owner
WHERE p.organization = :organization AND p.digest IN (SELECT value FROM {each digests})
    AND p.type IN (SELECT value FROM {each types})
"""
TAKE: Final = """
INSERT INTO cleanlist_purchases (organization, digest, type, owner)
SELECT :organization, value, :type, :owner FROM {each digests} WHERE 1 = 1
ON CONFLICT (organization, digest, type) DO UPDATE
SET owner = excluded.owner, submission = NULL, task_id = NULL
"""
ADOPT: Final = """
UPDATE cleanlist_purchases SET owner = :owner
WHERE organization = :organization AND type = :type AND submission = :submission
    AND digest IN (SELECT value FROM {each digests})
"""
RELEASE_KNOWN: Final = """
UPDATE cleanlist_purchases SET owner = NULL
WHERE organization = :organization AND type = :type AND owner = :owner AND submission IS NULL
    AND result IS NOT NULL AND digest IN (SELECT value FROM {each digests})
"""
RELEASE_NEW: Final = """
DELETE FROM cleanlist_purchases
WHERE organization = :organization AND type = :type AND owner = :owner AND submission IS NULL
    AND result IS NULL AND digest IN (SELECT value FROM {each digests})
"""

# -- submits --------------------------------------------------------------------------------------------

INTEND: Final = """
INSERT INTO cleanlist_submits (id, organization, type, door, owner, state, contacts, at)
VALUES (:submission, :organization, :type, :door, :owner, 'sending', :contacts, {now})
ON CONFLICT (id) DO UPDATE SET state = 'sending', contacts = excluded.contacts, reason = NULL
"""
SEND: Final = """
UPDATE cleanlist_purchases SET submission = :submission, task_id = NULL
WHERE organization = :organization AND type = :type AND owner = :owner
    AND (submission IS NULL OR submission = :submission)
    AND digest IN (SELECT value FROM {each digests})
"""
IS_ANOTHERS: Final = """
SELECT 1 FROM cleanlist_submits WHERE workflow_id = :workflow_id AND id <> :submission
"""
ACCEPT: Final = """
UPDATE cleanlist_submits
SET state = 'accepted', workflow_id = :workflow_id, key_name = :key_name, reason = NULL
WHERE id = :submission AND state <> 'accepted'
"""
NAME_TASKS: Final = """
UPDATE cleanlist_purchases SET task_id = given.value FROM {pairs}
WHERE submission = :submission AND digest = given.name
"""
CLOSE: Final = """
UPDATE cleanlist_submits SET state = :state, reason = :reason
WHERE id = :submission AND (state IN ('sending', 'unknown') OR state = 'accepted' AND :state = 'lost')
"""
TAKE_BACK: Final = "UPDATE cleanlist_purchases SET submission = NULL WHERE submission = :submission"
ABANDON: Final = (
    "UPDATE cleanlist_purchases SET owner = NULL WHERE submission = :submission AND owner = :owner"
)
UNSETTLED: Final = "SELECT digest FROM cleanlist_purchases WHERE submission = :submission"
SETTLE: Final = """
UPDATE cleanlist_purchases
SET owner = NULL, submission = NULL, task_id = NULL, result = given.value, settled_at = {now} FROM {pairs}
WHERE submission = :submission AND digest = given.name
"""
GIVE_BACK: Final = """
UPDATE cleanlist_purchases SET owner = NULL, submission = NULL, task_id = NULL
WHERE submission = :submission AND digest IN (SELECT value FROM {each digests})
"""
FIND_SUBMIT: Final = """
SELECT id, organization, type, door, state, contacts, workflow_id, reason, at
FROM cleanlist_submits WHERE id = :submission AND state IN ('sending', 'unknown', 'lost') AND NOT EXISTS (
    SELECT 1 FROM cleanlist_purchases p JOIN cleanlist_owners o ON o.id = p.owner
    WHERE p.submission = cleanlist_submits.id AND o.lease_until > {now})
"""
LIST_SUBMITS: Final = """
SELECT s.id, s.organization, s.type, s.door, s.state, count(p.digest), s.workflow_id, s.reason, s.at
FROM cleanlist_submits s JOIN cleanlist_purchases p ON p.submission = s.id
LEFT JOIN cleanlist_owners o ON o.id = p.owner
WHERE s.state <> 'refused' AND coalesce(o.lease_until, 0) <= {now}
GROUP BY s.id, s.organization, s.type, s.door, s.state, s.workflow_id, s.reason, s.at ORDER BY s.at
"""

# -- purging and the audit trail ------------------------------------------------------------------------

FORGET_RESULTS: Final = """
UPDATE cleanlist_purchases SET result = NULL, settled_at = NULL
WHERE (organization, digest, type) IN (
    SELECT organization, digest, type FROM cleanlist_purchases
    WHERE coalesce(settled_at, 0) > 0 AND coalesce(settled_at, 0) < {now} - :older_than_s LIMIT :most)
"""
FORGET_PURCHASES: Final = """
DELETE FROM cleanlist_purchases
WHERE (organization, digest, type) IN (
    SELECT p.organization, p.digest, p.type FROM cleanlist_purchases p
    LEFT JOIN cleanlist_owners o ON o.id = p.owner
    WHERE coalesce(p.settled_at, 0) = 0 AND p.submission IS NULL AND coalesce(o.lease_until, 0) <= {now}
    LIMIT :most)
"""
COUNT: Final = """
SELECT (SELECT count(*) FROM cleanlist_purchases WHERE coalesce(settled_at, 0) > 0),
    (SELECT count(*) FROM cleanlist_purchases WHERE submission IS NOT NULL),
    (SELECT count(*) FROM cleanlist_audit), {size}
"""
NOTE: Final = """
INSERT INTO cleanlist_audit
    (at, event, organization, door, actor, submission, workflow_id, contacts, credits, reason)
VALUES ({now}, :event, :organization, :door, :actor, :submission, :workflow_id, :contacts, :credits, :reason)
"""
AUDIT: Final = """
SELECT number, at, event, organization, door, actor, submission, workflow_id, contacts, credits, reason
FROM cleanlist_audit WHERE at >= :since AND number > :after ORDER BY number LIMIT 1000
"""
