"""Errors of jobs, journals and stores: what is kept on a disk or in a database."""

from __future__ import annotations

from cleanlist_async.errors.base import FACE, CleanlistError


class JobLockedError(CleanlistError):
    """Another process, or another `Job` of this one, runs the job, or has taken it over. Nothing was sent.

    ``retry_after_s`` is when the job is free if that process has died: one that lives renews it.
    """

    __module__ = FACE
    retryable = True


class JournalError(CleanlistError):
    """The journal of a job cannot be read or written. Nothing is sent without it."""

    __module__ = FACE


class JournalLockedError(JobLockedError, JournalError):
    """Another process, or another job of this one, uses the journal."""

    __module__ = FACE


class InputChangedError(JournalError):
    """The input or the options are not those that the job began with. Nothing was sent.

    Attributes
    ----------
    changed, added
        Places of contacts in the input, from 0, that are other ones now, or new.
    removed
        Places that the contacts had which are gone from the input.
    is_about_contacts
        Whether the input differs: then the job goes on without one. Also where only the order is another.

    """

    __module__ = FACE
    changed: tuple[int, ...] = ()
    added: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()
    is_about_contacts = False


class StoreError(CleanlistError):
    """The store of what was bought cannot be read or written. Nothing is sent without it."""

    __module__ = FACE


class StoreUnavailableError(StoreError):
    """The store cannot be reached now, or is busy: a database that restarts, a full disk, a held lock."""

    __module__ = FACE
    retryable = True


class JobPurgedError(StoreError):
    """The contacts of the job, and what was found for them, were removed from the store."""

    __module__ = FACE


class ClaimLostError(StoreError):
    """Contacts that were to be sent are no longer this client's: it paused for longer than its lease."""

    __module__ = FACE
    retryable = True
