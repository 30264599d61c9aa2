"""What a request is: an operation of the API, one call of it, and its reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from cleanlist_async import facts
from cleanlist_async.errors import CleanlistError
from cleanlist_async.http.retry import RetrySafety
from cleanlist_async.http.spending import Spend
from cleanlist_async.http.transport import Params
from cleanlist_async.ratelimit import RequestClass
from cleanlist_async.types import JSON

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """One operation of the API: where it is, what repeating it would mean, and how its answer reads.

    The path of a modern operation is a template, below the prefix of the version; its calls bring the whole.
    """

    name: str
    method: str
    path: str
    retry: RetrySafety
    parse: Callable[[JSON], T]
    parse_bytes: Callable[[bytes], T | None] = lambda _body: None
    """Reads an answer that is as it should be without a detour over `parse`; None for any other.

    It takes several times the memory that `parse` does, and is not asked for large ones."""
    salvage: Callable[[bytes], T | None] = lambda _body: None
    max_answer_bytes: int = facts.MAX_SMALL_ANSWER_BYTES
    """What is longer is refused unread: by what the operation can return."""
    of_models: bool = True
    """Whether a model is made for each item of its answer, which takes far longer than to decode it."""
    may_be_empty: bool = False
    """Whether an answer without a body is one: it reads as null."""
    own_connection: bool = False
    """Whether each read gets a connection of its own, because its answer does not say what it answers."""

    @property
    def paid(self) -> bool:
        """Whether it may spend credits, or do something else that must not be done twice."""
        return self.retry != "safe"


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One use of an operation."""

    operation: Operation[T]
    kind: RequestClass = RequestClass.INTERACTIVE
    path: str | None = None
    """The path, where it is not the operation's own."""
    params: Params = field(default_factory=dict[str, str])
    content: Callable[[], bytes] | None = field(default=None, repr=False)
    """Builds the body at the moment the request is admitted."""
    key: str | None = None
    """The key to use; None for any."""
    belongs: Callable[[T], bool] = lambda _answer: True
    """Whether an answer is for this call: httpx can hand one request's answer to the next."""
    own_workflow: bool = False
    """Whether an answer that names the workflow of an earlier call of this client is not for this call."""
    shield_answer: bool = False
    """Whether a cancelled caller waits for the answer of a paid request that is on its way."""
    before: Callable[[], Awaitable[None]] | None = None
    """Awaited before the first byte of an attempt leaves; a CleanlistError from it stops the attempt."""
    before_retry: Callable[[], Awaitable[None]] | None = None
    """Awaited after an attempt that the server did not accept, before the wait for another."""
    spend: Callable[[], Spend] | None = None
    """Returns what a paid call may cost, once its body is built; None where that is not known."""
    is_recorded: bool = False
    """Whether `before` reserves what it may cost, and its owner records what it did."""
    single_attempt: bool = False
    """Whether there is one attempt only: its owner decides on others, a 429 included."""
    idempotent: bool = False
    """Whether it carries a quote or an idempotency key: then the server takes it once, however often sent."""
    already_done: Callable[[CleanlistError], T | None] = lambda _error: None
    """Reads a refusal that only says that an earlier attempt, whose answer was lost, was processed."""


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """The answer to a call, the name of the key that it was asked with, and the server's id for support."""

    value: T
    key: str | None
    request_id: str | None = None
