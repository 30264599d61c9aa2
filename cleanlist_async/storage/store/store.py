"""The store: what was bought, remembered behind all doors."""

from __future__ import annotations

import hmac
import math
import os
import secrets
from collections.abc import AsyncIterator
from datetime import MINYEAR, UTC, datetime
from hashlib import sha256
from types import TracebackType
from typing import Final, Self, TypeVar

from cleanlist_async.checks import (
    check_actor,
    check_instance,
    check_number,
    check_seconds,
    check_text,
    checked_path,
    optional,
)
from cleanlist_async.contacts.identity import ContactLike
from cleanlist_async.errors import ConfigurationError, StoreError
from cleanlist_async.redact import Secret
from cleanlist_async.storage.store import (
    audit,
    decisions,
    forgetting,
    jobs,
    opening,
    operations,
    same_contact,
)
from cleanlist_async.storage.store.audit import AuditLine
from cleanlist_async.storage.store.database import Database
from cleanlist_async.storage.store.forgetting import Forgotten
from cleanlist_async.storage.store.job_records import JobRecord
from cleanlist_async.storage.store.person import Description, Person, emails_in
from cleanlist_async.storage.store.postgres import PostgresDatabase
from cleanlist_async.storage.store.records import OrphanedSubmit, StoreCounts
from cleanlist_async.storage.store.schema import VERSION
from cleanlist_async.storage.store.sqlite import SQLiteDatabase
from cleanlist_async.storage.store.statements import Operation

T = TypeVar("T")

SECRET_VARIABLE: Final = "CLEANLIST_STORE_SECRET"  # noqa: S105  # the name of a variable
_SHORTEST_SECRET: Final = 16
_PURGED_AT_ONCE: Final = 500
_UPGRADE_S: Final = 900.0
"""Seconds that the change to another version may take: new indexes of millions of rows. Others wait."""


class Store:
    """Everything that was bought, and all jobs by name, in a SQLite file or a PostgreSQL database.

    Contacts are in it only as the input of jobs, until these are purged: else they are found again by
    digests, keyed with the store's secret. Results are in it, so a file is for its owner alone.

    Parameters
    ----------
    url
        ``sqlite:///relative/path``, ``sqlite:////absolute/path``, the path of a file, or
        ``postgresql://user@host/name`` (extra ``postgres``).
    secret
        Keys the digests; by default ``$CLEANLIST_STORE_SECRET``, else one is made with the store and lies in
        it. Who holds it can test guesses of contacts against the digests, also of purged ones.
    keep_s
        Seconds for which results, and jobs that ended, are kept; None for ever. What is older is removed when
        the store is opened.

    Raises
    ------
    ConfigurationError
        For an address that is none.

    """

    def __init__(
        self, url: str | os.PathLike[str], *, secret: str | None = None, keep_s: float | None = None
    ) -> None:
        try:
            self._outside = _checked_secret(secret)
            self._database = _database(url)
            self.address: Final = self._database.address
            """What ``--store`` takes: the path of a file, or ``URL`` for one that may hold a password."""
        except ConfigurationError as refusal:
            raise refusal.with_traceback(None) from None  # its frames hold the secret and the address
        finally:
            del url, secret
        optional(check_seconds, "keep_s", keep_s)
        self._keep_s = keep_s
        self._key: Secret | None = None

    @property
    def name(self) -> str:
        """The file, or the database and its host, without a user or password."""
        return self._database.name

    def __repr__(self) -> str:
        database: Database | None = getattr(self, "_database", None)  # a debugger may ask for it too early
        return f"<Store {database.name if database else 'without an address'}>"

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def open(self) -> None:
        """Make what is not there, and check that the store is one of ours. May be called again.

        Raises StoreError for a store of a newer version, with another secret, or that cannot be used.
        """
        if self._key is not None:
            return
        # A secret from outside is not stored: who has the database alone could test guesses of contacts.
        made = Secret(secrets.token_hex(32) if self._outside is None else self._check_value())
        is_outside = self._outside is not None
        version, kept, was_outside = await self._create(made, is_outside=is_outside)
        if version > VERSION:
            raise StoreError(
                f"The store {self.name} was made by a newer version of this package.", fix="Upgrade it."
            )
        if was_outside != is_outside or (is_outside and kept.reveal() != made.reveal()):
            raise StoreError(
                f"The store {self.name} was made with another secret.",
                fix=f"Give the secret it was made with: secret=, or ${SECRET_VARIABLE}.",
            )
        if version < VERSION:
            await self._database.run(opening.upgrade(), answer_s=_UPGRADE_S)
        self._key = self._outside or kept
        if self._keep_s is not None:
            await self._purge(self._keep_s)

    async def _create(self, made: Secret, *, is_outside: bool) -> tuple[int, Secret, bool]:
        create = opening.create(made.reveal().encode(), is_outside=is_outside)
        version, kept, was_outside = (await self.run(create)).rows[0]
        return version, Secret(bytes(kept).decode()), bool(was_outside)

    async def aclose(self) -> None:
        """Close the file, or the connections. A closed store opens again when it is used."""
        self._key = None
        await self._database.aclose()

    async def run(self, operation: Operation[T], *, commit_unless: T | None = None) -> T:
        """Run one operation as a transaction. For the parts of this package."""
        return await self._database.run(operation, commit_unless=commit_unless)

    def digest(self, data: bytes) -> str:
        """Return the keyed digest of *data*, once the store is open. For the parts of this package."""
        if self._key is None:
            raise StoreError("The store is not open.")
        return hmac.digest(self._key.reveal().encode(), data, sha256)[:16].hex()

    @property
    def is_on_server(self) -> bool:
        """Whether processes of other machines can use it too."""
        return isinstance(self._database, PostgresDatabase)

    # -- for people --------------------------------------------------------------------------------

    async def orphans(self) -> list[OrphanedSubmit]:
        """Return the submits whose process is gone, and whose results nobody has taken yet.

        Ask for their contacts again, and those that were accepted are fetched for free. One that is
        ``sending`` or ``unknown`` may have been processed, and holds its contacts until `resolve`.
        """
        await self.open()
        return await self.run(decisions.orphans())

    async def resolve(
        self, submission: str, *, workflow_id: str | None = None, absent: bool = False, actor: str = ""
    ) -> None:
        """Decide what became of a submit of unknown outcome, after a look into the portal.

        Give the `workflow_id` that it became, or `absent` if the server never took it: then its contacts may
        be bought again. `actor` is who decides, for the audit trail. Raises ConfigurationError unless exactly
        one of the two is given, and the submit is known.
        """
        check_text("submission", submission)
        optional(check_text, "workflow_id", workflow_id)
        if (workflow_id is not None) == absent:
            raise ConfigurationError("Give either workflow_id or absent=True.")
        await self.open()
        if await self.run(decisions.decide(submission, actor, workflow_id=workflow_id)) is None:
            raise ConfigurationError("The store knows no such submit.", fix="See Store.orphans().")

    async def jobs(self) -> list[JobRecord]:
        """Return all jobs, of all organizations, the oldest first."""
        await self.open()
        return await self.run(jobs.all_jobs())

    async def unfinished(self) -> AsyncIterator[str]:
        """Yield the names of jobs that have something left to do, and that no process runs.

        They are those of all organizations that share the store; `jobs` says whose each is, and
        ``client.unfinished()`` yields only those that the client can open.
        """
        await self.open()
        for job in await self.run(jobs.unfinished()):
            if not job.is_running:
                yield job.name

    async def stop(self, name: str, *, reason: str = "stopped") -> bool:
        """Stop the job of that name, whichever process runs it; return whether it had something left to do.

        Nothing more is sent for it. What was sent is awaited by its process and recorded. *reason* becomes
        the `stopped_by` of the job. ``client.job(name)`` goes on with it.
        """
        check_text("name", name)
        check_text("reason", reason)
        await self.open()
        return await self.run(jobs.stop(name, reason))

    async def purge(self, older_than_s: float = 0.0) -> int:
        """Remove results older than so many seconds, by default all; return how many.

        They are bought again when they are asked for. The contacts of jobs that ended longer ago are removed
        with what was found for them.
        """
        check_number("older_than_s", older_than_s, "a number of seconds", at_least=0)
        await self.open()
        return await self._purge(older_than_s)

    async def _purge(self, older_than_s: float) -> int:
        """Purge in transactions that are short, because others wait for them."""
        for job, organization in await self.run(jobs.old(older_than_s)):
            while await self.run(same_contact.purge_rows(job, organization, self.digest)):
                pass
        purged = 0
        while forgotten := await self.run(operations.purge(older_than_s, _PURGED_AT_ONCE)):
            purged += forgotten
        return purged

    async def forget(self, *people: ContactLike, actor: str = "") -> Forgotten:
        """Delete what the store has of people: their results, and their rows in all jobs, finished or not.

        Each is named by an e-mail address, a LinkedIn profile, or first and last name with company or domain:
        whoever has one of those that are given is deleted, in whatever spelling. An unfinished job does not
        send them any more. Sums and the audit trail stay; neither has contacts. Whoever passes such a person
        to a later call buys them again.

        Journals, files that were written, logs and Cleanlist itself are out of reach. `actor` is who decides,
        for the audit trail. Raises ConfigurationError for what may be many people, JobLockedError while a
        process runs a job that has yet to send one of them, StoreError while one is being bought; nothing is
        deleted then.
        """
        check_actor(actor)
        wanted = [Person.of(one) for one in people]
        await self.open()
        digests = {self.digest(identity) for one in wanted for identity in one.identities}
        invalid: set[tuple[str, int]] = set()
        after = ("", "", "")
        # All results are read: a digest does not show whose it is.
        while results := await self.run(forgetting.results(after)):
            for _, digest, _, text in results:
                for one in Description.of_result(text).among(wanted):
                    # A contact with the address that was found for it has a result of its own.
                    digests |= {digest, *map(self.digest, one.identities_with(emails_in(text)))}
            after = results[-1][:3]
        place = ("", -1)
        while rows := await self.run(forgetting.contacts(place)):
            found = [(job, row) for job, row in rows if Description.of_contact(row.contact).among(wanted)]
            digests |= {row.digest for _, row in found if row.digest}
            invalid |= {(job, row.place) for job, row in found if not row.digest}
            place = rows[-1][0], rows[-1][1].place
        return await self.run(forgetting.forget(digests, invalid, actor))

    async def audit(
        self, since: datetime | None = None, until: datetime | None = None
    ) -> AsyncIterator[AuditLine]:
        """Yield what happened to money, from *since* on and before *until*, oldest first.

        No contact is in it.
        """
        optional(check_instance, "since", since, datetime)
        optional(check_instance, "until", until, datetime)
        start = 0.0 if since is None else _seconds(since)
        end = math.inf if until is None else _seconds(until)
        await self.open()
        after = 0
        # A time in the database is finer than a microsecond, to which the `at` of a line is rounded.
        while lines := await self.run(audit.lines(start - 0.000_001, after)):
            for line in lines:
                if start <= line.at.timestamp() < end:  # the clock of a database may go back
                    yield line
            after = lines[-1].number

    async def counts(self) -> StoreCounts:
        """Return how much is in it."""
        await self.open()
        return StoreCounts(*await self.run(operations.count()))

    def _check_value(self) -> str:
        """Return what shows, without showing it, that a secret from outside is the one it was made with."""
        if self._outside is None:
            raise AssertionError
        return hmac.digest(self._outside.reveal().encode(), b"cleanlist_async store", sha256).hex()


def _seconds(time: datetime) -> float:
    """Return a time in seconds since the epoch; one outside the years is before or after all."""
    try:
        return time.astimezone(UTC).timestamp()
    except (ValueError, OverflowError):  # in UTC, or in the local time zone, it would be in no year
        return -math.inf if time.year == MINYEAR else math.inf


def _checked_secret(secret: str | None) -> Secret | None:
    optional(check_text, "secret", secret)
    given = os.environ.get(SECRET_VARIABLE) if secret is None else secret
    if given is not None and len(given) < _SHORTEST_SECRET:
        raise ConfigurationError(f"secret must have at least {_SHORTEST_SECRET} characters.")
    return None if given is None else Secret(given)


def _database(url: str | os.PathLike[str]) -> Database:
    """Return the database of an address. Raises ConfigurationError for what is none."""
    if isinstance(url, os.PathLike):
        return SQLiteDatabase(checked_path("url", url))
    check_text("url", url)
    scheme, separator, rest = url.partition("://")
    if not separator:
        return SQLiteDatabase(checked_path("url", url))
    if scheme == "sqlite" and rest.startswith("/"):
        return SQLiteDatabase(checked_path("url", rest[1:]))
    if scheme in {"postgresql", "postgres"}:
        return PostgresDatabase(url)
    raise ConfigurationError(  # without the address, which may hold a password
        "The url of a store must be a path, sqlite:///path or postgresql://host/name.",
        fix="sqlite:///name is a file in the current folder, sqlite:////folder/name anywhere.",
    )
