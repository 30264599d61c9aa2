"""The error of a paid call that may or may not have been processed."""

from __future__ import annotations

from datetime import datetime

from cleanlist_async.errors.base import FACE, CleanlistError
from cleanlist_async.types import Billed


class UnknownOutcomeError(CleanlistError):
    """A paid call was sent, and it is not known whether it was processed. It is never repeated automatically.

    If the server did answer (such as with a 500 on a submit), ``status``, ``code`` and ``request_id`` are
    those of the answer, and ``answer`` is the decoded error, whose ``retryable`` is the server's own.

    An answer proves that a call was not taken only if it is

    * 429, 413, 301, 307 or 308, also from a gateway, or any other redirect to another server;
    * 400, 401, 402, 403, 404, 405, 413, 415 or 422 in the ``error`` envelope, with a code that refuses: any
      of docs.cleanlist.ai/mcp-api/errors but ``internal_error``, ``workflow_timeout`` and
      ``filters_unavailable``. A code that is not listed there refuses if it is not ``retryable``;
    * of these codes ``version_deprecated`` also with 410, ``feature_not_available`` with 501, ``not_enabled``
      with 503, and those of quotes with 409;
    * 400, 401, 402, 403, 404 or 422 in the ``detail`` envelope (docs.cleanlist.ai/api-reference/errors),
      unless it says that it is ``retryable``.

    An answer that broke off, or was larger than 256 kB, proves something only by a code that refuses and was
    read.

    After any other answer, and after none, a paid call that carries no quote or idempotency key ends with
    this error.

    ``billed`` is always ``"unknown"``. ``workflow_id`` is the workflow, where an odd answer named it:
    `collect` fetches its results for free.

    To find the call in the portal: ``contacts`` is how many were in it, None where that is not known;
    ``sent_at`` is when it was sent (UTC); ``submission`` is the name of the submit in the client's store, for
    `Store.resolve`, None without a store.
    """

    __module__ = FACE
    billed: Billed = "unknown"
    answer: CleanlistError | None = None
    status: int | None = None
    code: str | None = None
    workflow_id: str | None = None
    contacts: int | None = None
    sent_at: datetime | None = None
    submission: str | None = None

    def _sentence(self) -> str:
        sentence = super()._sentence()
        if self.status is not None:
            said = f"{self.status} {self.code}" if self.code else f"{self.status}"
            # The problem of an answer that could not be read names the status itself.
            if f"({said})" not in sentence:
                sentence = f"{self.problem.rstrip('.')} ({said})."
        return " ".join(part for part in (sentence, self._traces()) if part)

    def _traces(self) -> str:
        """Return what it can be found by in the portal, and in the store."""
        if self.sent_at is None:
            return ""
        match self.contacts:
            case None:
                what = "It was"
            case 1:
                what = "Its 1 contact was"
            case count:
                what = f"Its {count:,} contacts were"
        name = f", as submission {self.submission}" if self.submission else ""
        return f"{what} sent at {self.sent_at:%Y-%m-%d %H:%M:%S} UTC{name}."
