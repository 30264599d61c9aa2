"""Results that were bought before: a local file, so that they are never bought again."""

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

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS results (identity BLOB PRIMARY KEY, bought_at REAL NOT NULL, result TEXT NOT NULL)
WITHOUT ROWID, STRICT
"""
_CHECKSUM: Final = 8
"""Digits before the JSON of a result."""
_KEPT: Final = ("status", "email", "email_status", "phones", "task_id", "workflow_id")


class ResultCache:
    """Found and not found results by contact and enrichment type, for `ttl_s` seconds.

    Contacts are not in it, only keyed digests of them, which cannot be guessed without the API key; the
    results themselves are contact data, so the file is for its owner alone.
    """

    def __init__(self, path: str | Path, secret: Secret, *, ttl_s: float) -> None:
        self._path = Path(path)
        self._key = hmac.digest(secret.reveal().encode(), b"cleanlist_async result cache", sha256)
        self._ttl_s = ttl_s
        with explained(self._path):
            if not self._path.exists():
                create_private(self._path)
            self._connection = sqlite3.connect(self._path, isolation_level=None, timeout=10)
            _refuse_journal(self._connection, self._path)
            self._connection.execute(_TABLE)

    def find(self, contacts: Sequence[Prepared], enrichment_type: EnrichmentType) -> list[EnrichmentResult]:
        """Return the results that are there for these contacts. They cost nothing now."""
        newest = time.time() - self._ttl_s
        found: list[EnrichmentResult] = []
        with explained(self._path):
            for contact in contacts:
                row = self._connection.execute(
                    "SELECT result FROM results WHERE identity = ? AND bought_at >= ?",
                    (self._identity(contact, enrichment_type), newest),
                ).fetchone()
                if row is not None:
                    found.append(_restored(contact, self._read(row[0]), enrichment_type))
        return found

    def keep(
        self,
        contacts: Iterable[Prepared],
        results: Iterable[EnrichmentResult],
        enrichment_type: EnrichmentType,
    ) -> None:
        """Remember results that the server is done with."""
        identities = {c.index: self._identity(c, enrichment_type) for c in contacts}
        rows = [
            (identities[result.index], time.time(), _written({n: getattr(result, n) for n in _KEPT}))
            for result in results
            if result.status in {"found", "not_found"}
        ]
        with explained(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", rows)
            self._connection.execute("COMMIT")

    def purge(self) -> None:
        """Forget everything."""
        with explained(self._path):
            _empty(self._connection)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _read(self, text: str) -> dict[str, object]:
        """Read what `_written` wrote, or an earlier version, which wrote no checksum. Raises JournalError."""
        kept = text if text.startswith("{") else text[_CHECKSUM:]
        with suppress(ValueError):
            if text in {kept, _sealed(kept)}:
                return cast("dict[str, object]", json.loads(kept))
        raise JournalError(
            f"The cache {self._path.name} is damaged: a result is not as it was written.",
            fix="Bring back a copy, or remove it: what it held is bought again where it is needed.",
        )

    def _identity(self, contact: Prepared, enrichment_type: EnrichmentType) -> bytes:
        return hmac.digest(self._key, enrichment_type.encode() + b"\0" + contact.payload, sha256)


def _written(kept: dict[str, object]) -> str:
    return _sealed(json.dumps(kept))


def _sealed(text: str) -> str:
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
    """Remove all results from the cache at *path*, which needs no key."""
    with explained(path), closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
        _refuse_journal(connection, path)
        _empty(connection)


def _refuse_journal(connection: sqlite3.Connection, path: Path) -> None:
    """Raise ConfigurationError for the journal of a job, which has results of its own."""
    if connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,):
        connection.close()
        raise ConfigurationError(f"{path.name} is the journal of a job, and no cache of results.")


def _empty(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM results")
    connection.execute("VACUUM")
