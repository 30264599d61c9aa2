"""The kinds of event. All times are in seconds, all sizes in bytes of bodies, without headers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from cleanlist_async.events.contact_kinds import (
    ContactFinished,
    ContactStarted,
    ContactsUndelivered,
    ResultsSettled,
    RunKind,
)
from cleanlist_async.ratelimit import BucketState
from cleanlist_async.redact import scrub
from cleanlist_async.types import Billed, Failure

AttemptOutcome: TypeAlias = Literal["answered", "lost", "unsent"]
"""``answered``, with any status; ``lost``: bytes were sent, but no complete answer came; ``unsent``."""

_IDENTIFIER: Final = re.compile(r"[\w.:;=,~-]{1,200}", re.ASCII)
_NO_IDENTIFIER: Final = "***"


def identifier(text: str) -> str:
    """Return an id or a code of the server, or ``***`` if the text is anything else.

    A sentence, an e-mail address or the address of a profile never passes, nor does a key.
    """
    # Checked for keys too: the server may echo one that was sent to it as an id.
    return text if _IDENTIFIER.fullmatch(text) and scrub(text) == text else _NO_IDENTIFIER


# -- one call --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A call started, and waits for the rate limit.

    Attributes
    ----------
    call
        Its number in this process, which every event of the call carries.
    operation
        Its name, as ``submit_bulk``; of `client.request`, the method and the path.
    path
        The template of its path, as ``/lead-lists/{list_id}``; empty for a download, whose address is secret.
    paid
        Whether it can spend credits.

    """

    call: int
    operation: str
    method: str
    """The HTTP method."""
    path: str
    base_url: str
    """The address of the server."""
    paid: bool


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """A request is being sent, after `waited_s` seconds for the rate limit.

    `attempt` counts from 1. `key` is the name of the key it is sent with, made of its fingerprint; None for a
    session token.
    """

    call: int
    """The number of the call."""
    operation: str
    """Its operation."""
    attempt: int
    waited_s: float
    key: str | None


@dataclass(frozen=True, slots=True)
class AttemptFinished:
    """An attempt is over: the request was answered, lost or not sent.

    `failure` is what went wrong below HTTP, if anything did.
    """

    call: int
    """The number of the call."""
    operation: str
    """Its operation."""
    attempt: int
    """Which attempt of the call it was, from 1."""
    outcome: AttemptOutcome
    """How it ended."""
    duration_s: float
    """Seconds from sending to the end."""
    status: int | None
    """The HTTP status; None without an answer."""
    failure: Failure | None
    sent_bytes: int
    """Size of the body that was sent."""
    received_bytes: int
    """Size of the body that was received."""
    request_id: str | None
    """The server's id of the request, where it gave one."""


@dataclass(frozen=True, slots=True)
class RateLimited:
    """The server answered 429.

    `asked_s` is the pause it asked for in seconds, `named` the limit it named, each None where it did not.
    `buckets` are those that are paused now, with `paused_for_s`, and the `capacity` that is used afterwards.
    """

    call: int
    """The number of the call."""
    operation: str
    """Its operation."""
    asked_s: float | None
    named: str | None
    buckets: tuple[BucketState, ...]
    request_id: str | None
    """The server's id of the request, where it gave one."""

    @property
    def pause_s(self) -> float:
        """Seconds for which nothing like it is sent now."""
        return max((bucket.paused_for_s for bucket in self.buckets), default=0.0)


@dataclass(frozen=True, slots=True)
class RetryScheduled:
    """An attempt failed; another one follows after `wait_s` seconds, plus the wait for the rate limit.

    `error` is the name of the error's class, `code` the server's own.
    """

    call: int
    """The number of the call."""
    operation: str
    """Its operation."""
    attempt: int
    """Which attempt failed, from 1."""
    wait_s: float
    error: str
    code: str | None


@dataclass(frozen=True, slots=True)
class CallFinished:
    """A call returned or raised.

    Attributes
    ----------
    attempts, waited_s, retry_wait_s
        Requests that were begun; seconds for the rate limit, and between attempts.
    status, request_id
        Of the last answer; None if there was none.
    sent_bytes, received_bytes
        Of all attempts.
    error, code
        The name of the error's class (``CancelledError`` is one), and the server's code; None if it returned.
    billed
        As on the error; of a paid call that returned, ``"yes"``.
    credits
        Credits charged, where the answer says so.
    contacts, submission, sent_at
        Of a call whose outcome is unknown, where known: as on UnknownOutcomeError.

    """

    call: int
    """The number of the call."""
    operation: str
    """Its operation."""
    attempts: int
    waited_s: float
    retry_wait_s: float
    duration_s: float
    """Seconds from the call to its end."""
    status: int | None
    sent_bytes: int
    received_bytes: int
    request_id: str | None
    error: str | None
    code: str | None
    billed: Billed
    credits: float | None
    contacts: int | None = None
    submission: str | None = None
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CallDetached:
    """The caller of a paid request was cancelled after it was sent; its answer was still awaited.

    `workflow_id` is the workflow that it started, to be collected for free; None if the outcome is unknown.
    """

    call: int
    """The number of the call."""
    operation: str
    """Its operation."""
    workflow_id: str | None


@dataclass(frozen=True, slots=True)
class AnswerDrifted:
    """An answer was not quite the JSON that is documented, and was read without what is odd in it.

    `lost_rows` could not be read at all; their contacts are asked for one by one, or stay pending.
    """

    operation: str
    """The operation of the answer."""
    lost_rows: int


@dataclass(frozen=True, slots=True)
class UnknownPart:
    """An answer holds something that this version does not know. It is kept; each name is reported once.

    `kind` is ``"field"``, with a `part` such as ``Whoami.region``, or ``"word"``, such as
    ``BulkStatus.status=paused`` or ``error.code=list_frozen``.
    """

    operation: str
    """The operation of the answer."""
    kind: Literal["field", "word"]
    part: str


# -- milestones ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WorkflowAccepted:
    """The server started a workflow. `contacts` is None where it does not say how many."""

    call: int
    """The number of the call."""
    operation: str
    """Its operation."""
    workflow_id: str
    """The server's id of the workflow."""
    contacts: int | None


@dataclass(frozen=True, slots=True)
class WorkflowFinished:
    """A workflow that a caller waited for has ended, after `asked` status requests.

    `after_s` counts from its submit, or from the start of the wait if this client did not submit it. `status`
    is the server's word for how it ended.
    """

    workflow_id: str | None
    """The server's id of the workflow; None where it is not known."""
    status: str
    after_s: float
    asked: int


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A bulk run or a run of a job started. `contacts` is None for a source without a length."""

    kind: RunKind
    """What runs: `enrich` (also `stream`) or a job."""
    enrichment_type: str
    """What is looked for."""
    contacts: int | None


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run is over; `error` is the class name of the error that stopped it early, or None.

    Counts and credits are of this run: a job that was resumed counts what it settled since, and what others
    have paid for counts as nothing. `total` is how
    many contacts the run was given, None where that is not known: those beyond `contacts` it did not reach.
    """

    kind: RunKind
    """What ran: `enrich` (also `stream`) or a job."""
    contacts: int
    """Contacts with a result."""
    found: int
    """Those with an e-mail address or a phone number."""
    credits: float
    """Credits spent."""
    duration_s: float
    """Seconds that it took."""
    error: str | None
    pending: int = 0
    """Those that were accepted and are not finished."""
    unknown: int = 0
    """Those that may have been bought."""
    failed: int = 0
    """Those that were not bought."""
    total: int | None = None
    interrupted: bool = False
    """Whether it was ended from outside before it was done: closed, cancelled, or no longer read.

    What others are told of that is not an `error`."""


# -- the limits ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeySetAside:
    """The server refuses one of several keys (401). The client goes on with the others.

    ``key`` is its name, and ``keys_left`` the number of the others.
    """

    key: str
    keys_left: int


@dataclass(frozen=True, slots=True)
class LimitsAway:
    """The store of shared limits cannot be reached: requests wait, or use this process's share."""


@dataclass(frozen=True, slots=True)
class LimitsBack:
    """The store of shared limits can be reached again."""


@dataclass(frozen=True, slots=True)
class WebhooksMissing:
    """Workflows ended without the webhook that was expected; from now on their status is requested.

    Either no webhook reaches the receiver (a proxy changes the path, or a firewall blocks it), or other
    workers receive them and have another secret, or no mailbox to pass them on. A webhook that arrives ends
    this.
    """


Event: TypeAlias = (
    CallStarted
    | AttemptStarted
    | AttemptFinished
    | RateLimited
    | RetryScheduled
    | CallFinished
    | CallDetached
    | AnswerDrifted
    | ContactStarted
    | ContactFinished
    | UnknownPart
    | WorkflowAccepted
    | WorkflowFinished
    | ResultsSettled
    | ContactsUndelivered
    | RunStarted
    | RunFinished
    | KeySetAside
    | LimitsAway
    | LimitsBack
    | WebhooksMissing
)
"""Whatever `on_event` is called with."""
