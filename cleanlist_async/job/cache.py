"""A local file of results that were bought before, so that no job buys them again."""

from __future__ import annotations

import hmac
import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import Final, cast
from zlib import crc32

from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.errors import ConfigurationError, JournalError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.job.journal.database import create_private, explained
from cleanlist_async.job.journal.schema import APPLICATION_ID
from cleanlist_async.redact import Secret
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.sqlite_version import for_this_sqlite

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS results (identity BLOB PRIMARY KEY, bought_at REAL NOT NULL, result TEXT NOT NULL)
WITHOUT ROWID, STRICT
"""
_CHECKSUM: Final = 8
"""Digits before the JSON of a result."""
_STORED_FIELDS: Final = ("status", "email", "email_status", "phones", "task_id", "workflow_id")


class ResultCache:
    """Found and not found results by contact and enrichment type, for `ttl_s` seconds.

    It holds no contacts, only keyed digests of them, which cannot be guessed without the API key; the
    results themselves are contact data, so only its owner can read the file.
    """

    def __init__(self, path: str | Path, secret: Secret, *, ttl_s: float) -> None:
        self._path = Path(path)
        self._key = hmac.digest(secret.reveal().encode(), b"cleanlist_async result cache", sha256)
        self._ttl_s = ttl_s
        with explained(self._path):
            # Created by us, not by SQLite: with 0600 from its first byte on.
            if not self._path.exists():
                create_private(self._path)
            self._connection = sqlite3.connect(self._path, isolation_level=None, timeout=10)
            _refuse_journal(self._connection, self._path)
            self._connection.execute(for_this_sqlite(_TABLE))

    def find(
        self, contacts: Sequence[Prepared], enrichment_type: EnrichmentType
    ) -> list[tuple[EnrichmentResult, float]]:
        """Return the stored results of these contacts, which cost nothing now, and their ages in seconds."""
        now = time.time()
        found: list[tuple[EnrichmentResult, float]] = []
        with explained(self._path):
            # One look-up each by primary key: at most 250, and without a limit on SQL variables.
            for contact in contacts:
                row = self._connection.execute(
                    "SELECT result, bought_at FROM results WHERE identity = ? AND bought_at >= ?",
                    (self._identity(contact, enrichment_type), now - self._ttl_s),
                ).fetchone()
                if row is not None:
                    result = _restored(contact, self._read(row[0]), enrichment_type)
                    found.append((result, now - row[1]))
        return found

    def keep(
        self,
        contacts: Iterable[Prepared],
        results: Iterable[EnrichmentResult],
        enrichment_type: EnrichmentType,
    ) -> None:
        """Remember results that the server is done with."""
        identities = {c.index: self._identity(c, enrichment_type) for c in contacts}
        # What failed is not kept: the next attempt may find it.
        rows = [
            (identities[result.index], time.time(), _serialized(result))
            for result in results
            if result.status in {"found", "not_found"}
        ]
        with explained(self._path):
            # One transaction, so one fsync; its lock at once, since other jobs may share the file.
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", rows)
            self._connection.execute("COMMIT")

    def purge(self) -> None:
        """Forget everything."""
        with explained(self._path):
            _delete_all(self._connection)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _read(self, text: str) -> dict[str, object]:
        """Read what `_serialized` made, or an earlier version, without a checksum. Raises JournalError."""
        kept = text if text.startswith("{") else text[_CHECKSUM:]
        with suppress(ValueError):
            if text in {kept, _with_checksum(kept)}:
                return cast("dict[str, object]", json.loads(kept))
        raise JournalError(
            f"The cache {self._path.name} is damaged: a result is not as it was written.",
            fix="Restore a copy, or remove it: what it held is bought again where it is needed.",
        )

    def _identity(self, contact: Prepared, enrichment_type: EnrichmentType) -> bytes:
        return hmac.digest(self._key, enrichment_type.encode() + b"\0" + contact.payload, sha256)


def _serialized(result: EnrichmentResult) -> str:
    return _with_checksum(json.dumps({name: getattr(result, name) for name in _STORED_FIELDS}))


def _with_checksum(text: str) -> str:
    return f"{crc32(text.encode()):0{_CHECKSUM}x}{text}"


def _restored(
    contact: Prepared, kept: dict[str, object], enrichment_type: EnrichmentType
) -> EnrichmentResult:
    phones = kept.pop("phones") or ()
    return EnrichmentResult(
        index=contact.index,
        contact=contact.contact,
        key=contact.contact.key,
        enrichment_type=enrichment_type,
        phones=tuple(phones),  # type: ignore[arg-type]
        **kept,  # type: ignore[arg-type]
    )


def forget_all(path: Path) -> None:
    """Remove all results from the cache at *path*. Needs no API key."""
    with explained(path), closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
        _refuse_journal(connection, path)
        _delete_all(connection)


def _refuse_journal(connection: sqlite3.Connection, path: Path) -> None:
    """Raise ConfigurationError for the journal of a job, which has results of its own."""
    if connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,):
        connection.close()
        raise ConfigurationError(f"{path.name} is the journal of a job, no cache of results.")


def _delete_all(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM results")
    connection.execute("VACUUM")  # else the free pages still hold the results
