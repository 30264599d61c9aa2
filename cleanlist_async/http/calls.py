"""An operation, one call of it, its reply; what a paid call may cost, and the guard that is asked first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeAlias, TypeVar

from cleanlist_async import facts
from cleanlist_async.errors import CleanlistError
from cleanlist_async.facts import WORST_CASE_CREDITS, EnrichmentType
from cleanlist_async.ratelimit import RequestClass
from cleanlist_async.types import JSON

if TYPE_CHECKING:
    from cleanlist_async.http.transport import Params


@dataclass(frozen=True, slots=True)
class Spend:
    """What a paid call is about to spend.

    Attributes
    ----------
    door
        The call: ``enrich`` (also of `stream`), ``enrich_one``, ``job``, or the name of the operation
        (``submit_bulk``, ``enrich_list``, ``POST /api/v2/folders``).
    enrichment_type
        What is looked for; None where the call has none.
    contacts
        How many contacts are in it, if that is known.
    worst_case_credits
        What it can cost at most, in credits; None where nothing bounds it.

    """

    door: str
    enrichment_type: EnrichmentType | None = None
    contacts: int | None = None
    worst_case_credits: float | None = None

    @classmethod
    def of_contacts(cls, door: str, enrichment_type: EnrichmentType, contacts: int) -> Spend:
        """Return what so many contacts can cost by the price list."""
        price = WORST_CASE_CREDITS.get(enrichment_type)
        return cls(door, enrichment_type, contacts, None if price is None else float(price * contacts))


@dataclass(frozen=True, slots=True)
class Charge:
    """What the answer to a paid call says of its price.

    `workflow_id` is the workflow that is charged until it ends, or the run of a smart agent; None if the call
    is done. `credits` is what it cost then, if the answer says so. Until it is known, the worst case counts.
    """

    workflow_id: str | None = None
    credits: float | None = None


BeforeSpend: TypeAlias = Callable[[Spend], "bool | Awaitable[bool | None] | None"]
"""Is called before a paid request is sent, and refuses it by returning False or raising CleanlistError."""


class Reservation(Protocol):
    """Credits that are set aside for one paid call."""

    @property
    def submission(self) -> str:
        """The name of the call in the store."""
        ...

    async def accepted(self, workflow_id: str | None, spent: float | None) -> None:
        """Note that the server took the call; *spent* is what it cost, if the answer says so."""
        ...

    async def refused(self, reason: str) -> None:
        """Give them back: the server did not take the call."""
        ...

    async def unknown(self, reason: str) -> None:
        """Keep them: the server may have taken the call."""
        ...


class SpendGuard(Protocol):
    """Is asked before a client spends."""

    @property
    def store(self) -> str | None:
        """What a command names the client's store by, if it has one."""
        ...

    async def prepare(self) -> None:
        """Do what takes requests of its own, before the paid call waits for its turn."""
        ...

    async def approve(self, spend: Spend, *, is_recorded: bool) -> Reservation | None:
        """Reserve what the call can cost, unless it *is_recorded* otherwise. Raises what refuses it."""
        ...

    async def settle(self, workflow_id: str, spent: float) -> None:
        """Note what a workflow did cost in the end."""
        ...


T = TypeVar("T")

RetrySafety: TypeAlias = Literal["safe", "conditional", "never"]
"""``safe``: reads, and free changes that have the same effect when repeated. ``conditional``: may carry a
quote or an idempotency key, and is safe when it does. ``never``: paid, no key."""


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """One operation of the API: its address, whether it may be repeated, and how its answer is read.

    The path of a modern operation is a template below the prefix of the version; a call has the whole path.
    """

    name: str
    method: str
    path: str
    retry: RetrySafety
    parse: Callable[[JSON], T]
    parse_bytes: Callable[[bytes], T | None] = lambda _body: None
    """Reads a well-formed answer faster than `parse`, in more memory; None for any other.

    It is not used for large answers."""
    salvage: Callable[[bytes], T | None] = lambda _body: None
    """Reads what was paid for from an answer that `parse` cannot read; None if there is nothing."""
    max_answer_bytes: int = facts.MAX_SMALL_ANSWER_BYTES
    """The longest answer that is read, by what the operation can return. Longer ones are refused unread."""
    of_models: bool = True
    """Whether a model is made for each item of its answer, which takes far longer than decoding it."""
    may_be_empty: bool = False
    """Whether an answer without a body is valid; it reads as null."""
    own_connection: bool = False
    """Whether each read gets its own connection, as long as no answer shows whose it is."""
    charge: Callable[[T], Charge] | None = None
    """Reads from the answer of a paid operation what it is charged; None for one that is free."""

    def __post_init__(self) -> None:
        """Refuse a paid operation that the budget of a store could not follow."""
        if self.paid and self.charge is None:
            raise TypeError(f"{self.name} may spend, so it needs a function `charge`")

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
    """Builds the body when the request is admitted."""
    key: str | None = None
    """The name of the key to use; None for any."""
    belongs: Callable[[T], bool] = lambda _answer: True
    """Whether an answer is for this call: httpx can give one request's answer to the next."""
    is_named_in: Callable[[T], bool] = lambda _answer: True
    """Whether an answer shows that it is for this call, as one must that comes on a used connection."""
    own_workflow: bool = False
    """Whether an answer must name a new workflow: that of an earlier call of this client is not ours."""
    shield_answer: bool = False
    """Whether a cancelled caller waits for the answer of a paid request that is on its way."""
    before: Callable[[], Awaitable[None]] | None = None
    """Awaited before the first byte of an attempt leaves; a CleanlistError from it stops the attempt."""
    before_retry: Callable[[], Awaitable[None]] | None = None
    """Awaited after an attempt that the server did not accept, before the wait for another."""
    check: Call[Any] | None = None
    """A free call, for a submit whose contacts may become unknown: see `SubmitGate`."""
    spend: Callable[[], Spend] | None = None
    """Returns what a paid call may cost, once its body is built; None where that is not known."""
    is_recorded: bool = False
    """Whether `before` reserves what it may cost, and its owner records what it did."""
    submission: Callable[[], str | None] = lambda: None
    """Returns the name of its latest attempt in the store of its owner; None where there is no store."""
    single_attempt: bool = False
    """Whether there is only one attempt: the caller decides about others, after a 429 too."""
    idempotent: bool = False
    """Whether it carries a quote or an idempotency key: the server then accepts it only once."""
    already_done: Callable[[CleanlistError], T | None] = lambda _error: None
    """Reads a refusal which only means that an earlier attempt, whose answer was lost, was processed."""


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """The answer to a call, the name of the key that it was sent with, and the server's id for support."""

    value: T
    key: str | None
    request_id: str | None = None
