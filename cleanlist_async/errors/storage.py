"""Errors of jobs, journals and stores: what is kept on a disk or in a database."""

from __future__ import annotations

from cleanlist_async.errors.base import FACE, CleanlistError


class JobLockedError(CleanlistError):
    """Another process, or another `Job` of this one, runs the job, or has taken it over. Nothing was sent."""

    __module__ = FACE
    retryable = True


class JournalError(CleanlistError):
    """The journal of a job cannot be read or written. Nothing is sent without it."""

    __module__ = FACE


class JournalLockedError(JobLockedError, JournalError):
    """Another process, or another job of this one, uses the journal."""

    __module__ = FACE


class InputChangedError(JournalError):
    """The input differs from what the job was started with, so results would go to the wrong people."""

    __module__ = FACE


class StoreError(CleanlistError):
    """The store of what was bought cannot be read or written. Nothing is sent without it."""

    __module__ = FACE


class StoreUnavailableError(StoreError):
    """The store cannot be reached now, or is busy: a database that restarts, a full disk, a held lock."""

    __module__ = FACE
    retryable = True


class ClaimLostError(StoreError):
    """Contacts that were to be sent are no longer this client's: it paused for longer than its lease."""

    __module__ = FACE
    retryable = True
