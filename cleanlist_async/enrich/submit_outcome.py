"""What the end of a submit means. Pure: each engine applies the outcome, and keeps its own count of failures.

It stands on `http.error_codes.proof_of`: a paid call ends with an error other than UnknownOutcomeError only
if the server certainly did not accept it.

==============================================================  ==========
how the submit ended                                            outcome
==============================================================  ==========
2xx that names a workflow, however torn or odd                  `Accepted`
422 that names contacts of the request                          `SetAside`
413 for more than one contact                                   `Split`
not a byte left; 429; a refusal of a quote that has gone stale  `Retry`
a refusal of one of several keys                                `Retry`
a refusal for the key, plan, credits or version; client closed  `Stop`
a certificate that is not trusted                               `Stop`
a redirect that is no result of the work                        `Stop`
the store cannot record it, so that nothing was sent            `Stop`
another process has taken over the job                          `Stop`
a budget that does not cover it, a pause, a veto                `Stop`
any other refusal                                               `Refused`
a quote that is used up: an earlier process may have bought     `Unknown`
2xx without a workflow, 3xx, 5xx, a broken answer, or none      `Unknown`
==============================================================  ==========

What fails before the submit itself, such as the free calls that prepare it, is `Retry` for a lost connection
and 429, else `Stop`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final, TypeAlias

from cleanlist_async.contacts.contact import Contact
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.row_results import without_row
from cleanlist_async.errors import (
    APIConnectionError,
    APIError,
    AuthenticationError,
    BudgetExceededError,
    CleanlistError,
    ConfigurationError,
    FieldError,
    InsufficientCreditsError,
    JobLockedError,
    PayloadTooLargeError,
    PermissionDeniedError,
    QuoteAlreadyRedeemedError,
    RateLimitError,
    RedirectedError,
    RequestValidationError,
    SpendVetoedError,
    StoreError,
    UnknownOutcomeError,
    VersionDeprecatedError,
)
from cleanlist_async.http.error_codes import STALE
from cleanlist_async.results import REFUSED, EnrichmentResult

ENDS_EVERY_SUBMIT: Final = (
    AuthenticationError,
    PermissionDeniedError,
    InsufficientCreditsError,
    RedirectedError,
    VersionDeprecatedError,
)
"""Refusals that the next request would meet as well."""
_OTHER_REQUEST: Final = (
    "It names a contact or a field that this request does not have: report it to whoever runs the server, or"
    " a gateway or proxy before it."
)
_FIELDS: Final = frozenset(field.name for field in fields(Contact))
FAILURES_IN_A_ROW: Final = 3
"""Submits in a row that fail before a run stops, because the server itself seems to be in trouble."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server has the contacts, as the workflow that its answer names."""

    workflow_id: str


@dataclass(frozen=True, slots=True)
class SetAside:
    """The server refuses some contacts by name. Send the others without them.

    ``invalid`` has the result of each, by its position in the request.
    """

    invalid: Mapping[int, EnrichmentResult]


@dataclass(frozen=True, slots=True)
class Split:
    """The request is too large. Send it in two halves."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Nothing was accepted, and the same request may succeed later."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing was accepted, and the next request would end the same way. Send nothing more."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was accepted, nor will be as the request stands. Go on with the next."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The contacts may have been bought. Never send them again without evidence or a decision."""


SubmitOutcome: TypeAlias = Accepted | SetAside | Split | Retry | Stop | Refused | Unknown


def judge(error: CleanlistError, contacts: Sequence[Prepared], *, sent: bool) -> SubmitOutcome:
    """Return what *error* means for the *contacts* of a request; *sent*: whether it came to the submit."""
    return _judge_submit(error, contacts) if sent else _judge_preparation(error)


def reason_of(error: CleanlistError) -> str:
    """Describe an error without the server's own words, which may quote contacts."""
    said = error.answer if isinstance(error, UnknownOutcomeError) else error
    if isinstance(said, APIError):
        return f"{type(said).__name__}: {said.status} {said.code}"
    return f"{type(said).__name__}: {said.problem}" if said else "the outcome is not known"


def _judge_preparation(error: CleanlistError) -> Retry | Stop:
    may_pass = isinstance(error, APIConnectionError | RateLimitError) and error.retryable
    return Retry() if may_pass else Stop()


def _judge_submit(error: CleanlistError, contacts: Sequence[Prepared]) -> SubmitOutcome:
    outcome: SubmitOutcome
    match error:
        case UnknownOutcomeError(workflow_id=str(named), status=int(status)) if named and _is_yes(status):
            outcome = Accepted(named)
        case UnknownOutcomeError() | QuoteAlreadyRedeemedError():
            outcome = Unknown()
        case RequestValidationError() if invalid := _named(error, contacts):
            outcome = SetAside(invalid)
        case RequestValidationError() if is_of_other_contacts(error, contacts):
            error.fix = _OTHER_REQUEST
            outcome = Refused()
        case PayloadTooLargeError() if len(contacts) > 1:  # one contact alone is `Refused`, below
            outcome = Split()
        case APIError() | APIConnectionError() if _ends_every_submit(error):
            outcome = Stop()
        case APIConnectionError() | RateLimitError() | AuthenticationError():
            outcome = Retry()
        case APIError():
            outcome = Retry() if isinstance(error, STALE) else Refused()
        case (
            ConfigurationError()
            | StoreError()
            | JobLockedError()
            | BudgetExceededError()
            | SpendVetoedError()
        ):  # raised only while not a byte has left
            outcome = Stop()
        # An error that is not known here proves nothing.
        case _:
            outcome = Unknown()
    return outcome


def _ends_every_submit(error: CleanlistError) -> bool:
    if isinstance(error, AuthenticationError | APIConnectionError):
        return not error.retryable  # another key is left, or the server may come back
    return isinstance(error, ENDS_EVERY_SUBMIT)


def _is_yes(status: int) -> bool:
    """Whether an answer said yes: an id in a refusal is no acceptance."""
    return 200 <= status < 300


def _named(error: RequestValidationError, contacts: Sequence[Prepared]) -> dict[int, EnrichmentResult]:
    reasons = {
        found.contact_index: found.msg for found in error.field_errors if _is_of_request(found, contacts)
    }
    return {
        position: without_row(contact, "invalid", f"{REFUSED}{reasons[position]}")
        for position, contact in enumerate(contacts)
        if position in reasons
    }


def _is_of_request(found: FieldError, contacts: Sequence[Prepared]) -> bool:
    """Whether an invalid field is one that its contact has, or lacks as the server says.

    Else the answer is to another request, or a gateway's, and says nothing of the contact.
    """
    place = found.contact_index
    if place is None or place >= len(contacts):
        return False
    after = found.loc[found.loc.index(place) + 1 :] if place in found.loc else ()
    named = {part for part in after if part in _FIELDS}
    sent = contacts[place].sent
    return not named or "missing" in found.type or any(getattr(sent, str(name)) for name in named)


def is_of_other_contacts(error: RequestValidationError, contacts: Sequence[Prepared]) -> bool:
    """Whether a 422 names a contact or a field that the request does not have."""
    return any(
        found.contact_index is not None and not _is_of_request(found, contacts)
        for found in error.field_errors
    )
