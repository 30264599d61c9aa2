"""The base classes of the errors, and those that say more than a sentence or are about what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias

from cleanlist_async.types import JSON, Billed

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

Envelope: TypeAlias = Literal["error", "detail", "none"]


class CleanlistError(Exception):
    """Base of every error of this package.

    Attributes
    ----------
    request_id
        The server's correlation id, for support; None where it gave none.
    retryable
        Whether the same call could succeed later. The server's own flag wins where it sent one.
    billed
        Whether credits were spent: ``"no"``, ``"yes"`` or ``"unknown"``; by the whole run, of an error that
        ended one, or is raised for one.
    is_remembered
        Whether a store or a journal remembers what was bought, so that the same call does not buy it again.
    fix
        What to do about it, in one sentence, or None.
    retry_after_s
        Seconds after which to try again, where that is known.

    """

    retryable: bool = False
    retry_after_s: float | None = None
    billed: Billed = "no"
    is_remembered: bool = False

    def __init__(
        self,
        problem: str = "",
        *,
        fix: str | None = None,
        request_id: str | None = None,
        retryable: bool | None = None,
        billed: Billed | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix
        self.request_id = request_id
        # Set on the instance only where given: the class attributes are the defaults of each class.
        if retryable is not None:
            self.retryable = retryable
        if billed is not None:
            self.billed = billed

    @property
    def safe_to_retry(self) -> bool:
        """Whether repeating the whole call cannot spend a credit twice (it may fail again).

        False after a run that has bought something, unless a store or a journal remembers it: then repeat
        only the contacts whose status is ``failed``.
        """
        return self.billed == "no" or self.is_remembered

    def __str__(self) -> str:
        parts = (f"{self.request_id}:" if self.request_id else "", self._sentence(), self.fix or "")
        return " ".join(part for part in parts if part)

    def __repr__(self) -> str:
        names = ("status", "code", "request_id", "retry_after_s", "fix")
        known = [(name, getattr(self, name, None)) for name in names]
        shown = [repr(self.problem), *(f"{name}={value!r}" for name, value in known if value is not None)]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _sentence(self) -> str:
        # A message of the server may lack the full stop, and the fix is a sentence of its own.
        is_open = self.fix and self.problem and self.problem[-1] not in ".!?:;"
        return f"{self.problem}." if is_open else self.problem

    # -- as JSON, where a type of the caller's holds an error ----------------------------------

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> CoreSchema:
        from pydantic_core import core_schema as schema  # noqa: PLC0415  # by now it is imported

        fields = schema.dict_schema(schema.str_schema(), schema.any_schema())
        read = schema.no_info_after_validator_function(cls._read, fields)
        return schema.json_or_python_schema(
            read,
            schema.union_schema([schema.is_instance_schema(cls), read]),
            serialization=schema.plain_serializer_function_ser_schema(
                _written, return_schema=fields, when_used="json"
            ),
        )

    @classmethod
    def _read(cls, written: Mapping[str, Any]) -> Self:
        kinds: list[type[Self]] = [kind for kind in kinds_of(cls) if kind.__name__ == written.get("type")]
        if not kinds:
            raise ValueError(f"the type of an error is that of a {cls.__name__}")
        error = kinds[0](str(written.get("problem", "")))
        # Of these names only: JSON of anybody's must not set other attributes.
        for name in _WRITTEN[1:]:
            if name in written and getattr(error, name, None) != written[name]:
                setattr(error, name, written[name])
        return error


_WRITTEN: Final = (
    *("problem", "fix", "request_id", "retryable", "billed", "is_remembered"),
    *("status", "code", "method", "path", "docs_url", "retry_after_s", "workflow_id"),
    *("contacts", "submission"),
)
"""What of an error is written as JSON: nothing that may hold contacts, as its ``body`` may."""


def _written(error: CleanlistError) -> dict[str, JSON]:
    known = {name: getattr(error, name) for name in _WRITTEN if hasattr(error, name)}
    return {"type": type(error).__name__, **known}


def kinds_of(kind: type[Any]) -> list[type[Any]]:
    """Return a class and all below it."""
    return [kind, *(below for child in kind.__subclasses__() for below in kinds_of(child))]


class APIError(CleanlistError):
    """The server answered with an error.

    Attributes
    ----------
    status
        HTTP status; None for a request that was refused here, before it was sent.
    code
        The machine-readable code. Derived from the status where the body has none (``detail`` envelope).
    cause, details, suggested_actions
        As the ``error`` envelope gave them, else None.
    docs_url
        The page about this error; that of its code where the body names none.
    estimated_cost_credits, available_credits, shortfall_credits
        Of errors about credits; None where the server did not say.
    retry_after_s
        Seconds to wait, from ``Retry-After`` or ``retry_after_ms``; None where the server named none.
    body
        The decoded body: JSON, or text (cut) where it was not JSON. May echo the contacts you sent.
    envelope
        Which of the two documented forms the body had: ``"error"``, ``"detail"`` or ``"none"``.
    is_cut
        Whether the body broke off or was too large: the rest of what the server said is unknown.

    """

    estimated_cost_credits: float | None = None
    available_credits: float | None = None
    shortfall_credits: float | None = None

    def __init__(
        self,
        problem: str = "",
        *,
        status: int | None = None,
        code: str = "unknown",
        cause: str | None = None,
        fix: str | None = None,
        request_id: str | None = None,
        retryable: bool | None = None,
        billed: Billed | None = None,
        retry_after_s: float | None = None,
        docs_url: str | None = None,
        details: JSON = None,
        suggested_actions: JSON = None,
        body: JSON = None,
        envelope: Envelope = "none",
        is_cut: bool = False,
        method: str = "",
        path: str = "",
    ) -> None:
        super().__init__(problem, fix=fix, request_id=request_id, retryable=retryable, billed=billed)
        self.status = status
        self.code = code
        self.cause = cause
        self.retry_after_s = retry_after_s
        self.docs_url = docs_url
        self.details = details
        self.suggested_actions = suggested_actions
        self.body = body
        self.envelope: Envelope = envelope
        self.is_cut = is_cut
        self.method = method
        self.path = path

    def __str__(self) -> str:
        page = f"See {self.docs_url}" if self.docs_url else ""
        return " ".join(part for part in (super().__str__(), page) if part)

    @property
    def is_bare(self) -> bool:
        """Whether a gateway or proxy may have answered in place of the API: the body has neither form."""
        return self.status is not None and self.envelope == "none"

    def _sentence(self) -> str:
        if self.status is None:  # refused here: there was no call
            return super()._sentence()
        call = f", {self.method} {self.path}" if self.path else ""
        return f"{self.problem.rstrip('.')} ({self.status} {self.code}{call})."


class RedirectedError(APIError):
    """The server redirects the call, which the API never does: a base_url that moved, or a gateway.

    Attributes
    ----------
    location
        Where to, without a query; None where the answer does not say.
    is_elsewhere
        Whether that is another server, or another spelling of the same path: then the call was not taken,
        as with 301, 307 and 308 wherever they lead.

    """

    location: str | None = None
    is_elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class FieldError:
    """One invalid field of a request.

    ``loc`` is the path to it (``("body", "contacts", 7)``); ``contact_index`` the 0-based position of
    the contact it belongs to, where it belongs to one. ``msg`` and ``type`` are the server's words for what
    is wrong, and for the kind of mistake. The offending value is left out: it is contact data.
    """

    loc: tuple[str | int, ...]
    msg: str
    type: str = "value_error"
    contact_index: int | None = None


class JobLockedError(CleanlistError):
    """Another process, or another `Job` of this one, runs the job, or has taken it over. Nothing was sent.

    ``retry_after_s`` is when the job is free if that process has died: one that lives renews it.
    """

    retryable = True


class JournalError(CleanlistError):
    """The journal of a job cannot be read or written. Nothing is sent without it."""


class JournalLockedError(JobLockedError, JournalError):
    """Another process, or another job of this one, uses the journal."""


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

    changed: tuple[int, ...] = ()
    added: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()
    is_about_contacts = False


class StoreError(CleanlistError):
    """The store of what was bought cannot be read or written. Nothing is sent without it."""


class StoreUnavailableError(StoreError):
    """The store cannot be reached now, or is busy: a database that restarts, a full disk, a held lock."""

    retryable = True


class JobPurgedError(StoreError):
    """The contacts of the job, and what was found for them, were removed from the store."""


class ClaimLostError(StoreError):
    """Contacts that were to be sent are no longer this client's: it paused for longer than its lease."""

    retryable = True


class UnknownOutcomeError(CleanlistError):
    """A paid call was sent, and it is not known whether it was processed. It is never repeated automatically.

    If the server did answer (such as with a 500 on a submit), ``status``, ``code`` and ``request_id`` are
    those of the answer, and ``answer`` is the decoded error, whose ``retryable`` is the server's own.

    An answer proves that a call was not taken only if it is

    * 429, 413, 301, 307 or 308, also from a gateway, or any other redirect to another server;
    * 400, 401, 402, 403, 404, 405, 413, 415 or 422 in the ``error`` envelope, with a code that refuses: any
      of docs.cleanlist.ai/mcp-api/errors but ``internal_error``, ``workflow_timeout`` and
      ``filters_unavailable``, or one that is not listed there and not ``retryable``;
    * of these codes ``version_deprecated`` also with 410, ``feature_not_available`` with 501, ``not_enabled``
      with 503, and those of quotes with 409;
    * 400, 401, 402, 403, 404 or 422 in the ``detail`` envelope (docs.cleanlist.ai/api-reference/errors),
      unless it says that it is ``retryable``.

    One that broke off, or was larger than 256 kB, proves something only by a code that was read. After any
    other answer, and after none, a paid call without a quote or idempotency key ends with this error.

    ``billed`` is always ``"unknown"``. ``workflow_id`` is the workflow, where an odd answer named it:
    `collect` fetches its results for free.

    To find the call in the portal: ``contacts`` is how many were in it, None where that is not known;
    ``sent_at`` is when it was sent (UTC); ``submission`` is its name in the client's store, for
    `Store.resolve`.
    """

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
