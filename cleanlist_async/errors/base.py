"""The two base classes of the errors, and the types of their attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from cleanlist_async.types import JSON, Billed

FACE: Final = "cleanlist_async.errors"
"""The module that tracebacks and pickles name for these classes: this one may move."""

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
        Whether credits were spent: ``"no"``, ``"yes"`` or ``"unknown"``.
    fix
        What to do about it, in one sentence, or None.
    retry_after_s
        Seconds after which to try again, where that is known.

    """

    __module__ = FACE
    retryable: bool = False
    retry_after_s: float | None = None
    billed: Billed = "no"

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
        """Whether repeating the call cannot spend a credit twice (it may fail again)."""
        return self.billed == "no"

    def __str__(self) -> str:
        problem = self.problem
        # A message of the server may lack the full stop, and the fix is a sentence of its own.
        if self.fix and problem and problem[-1] not in ".!?:;":
            problem += "."
        parts = (f"{self.request_id}:" if self.request_id else "", problem, self.fix or "")
        return " ".join(part for part in parts if part)


class APIError(CleanlistError):
    """The server answered with an error.

    Attributes
    ----------
    status
        HTTP status; None for a request that was refused here, before it was sent.
    code
        The machine-readable code. Derived from the status where the body has none (``detail`` envelope).
    cause, docs_url, details, suggested_actions
        As the ``error`` envelope gave them, else None.
    retry_after_s
        Seconds to wait, from ``Retry-After`` or ``retry_after_ms``; None where the server named none.
    body
        The decoded body: JSON, or text (cut) where it was not JSON. May echo the contacts you sent.
    envelope
        Which of the two documented forms the body had: ``"error"``, ``"detail"`` or ``"none"``.
    is_cut
        Whether the body broke off or was too large, so that the rest of what the server said is unknown.

    """

    __module__ = FACE

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


class RedirectedError(APIError):
    """The server redirects the call, which the API never does: a base_url that moved, or a gateway.

    Attributes
    ----------
    location
        Where to, without a query; None where the answer does not say.
    is_elsewhere
        Whether that is another server, or another spelling of the same path: then the call was not taken.

    """

    __module__ = FACE
    location: str | None = None
    is_elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class FieldError:
    """One invalid field of a request.

    ``loc`` is the path to it (``("body", "contacts", 7)``); ``contact_index`` the 0-based position of
    the contact it belongs to, where it belongs to one. The offending value is left out: it is contact data.
    """

    __module__ = FACE
    loc: tuple[str | int, ...]
    msg: str
    type: str = "value_error"
    contact_index: int | None = None
