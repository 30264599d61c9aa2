"""Every option of the sandbox, in one place; what cannot work is refused by the types of the fields."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import KW_ONLY, dataclass, field, fields
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_type_hints

from pydantic import Field, InstanceOf, TypeAdapter, ValidationError

from cleanlist_async.checks import check_function, shown
from cleanlist_async.errors import ConfigurationError

from .ledger import same_path

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# A deque, which holds the arrivals of a limit, cannot be longer.
_MOST = 2**63 - 1

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Length: TypeAlias = Annotated[float, Field(ge=0)]
"""A length of time in seconds, which may be infinite."""
Count: TypeAlias = Annotated[int, Field(ge=0, le=_MOST)]
Positive: TypeAlias = Annotated[int, Field(ge=1, le=_MOST)]
Text: TypeAlias = Annotated[str, Field(min_length=1)]

LimiterKind: TypeAlias = Literal["sliding", "fixed", "token_bucket", "off"]
Envelope: TypeAlias = Literal["detail", "error"]
Tier: TypeAlias = Literal["free", "starter", "pro", "enterprise"]
HalfFullPrice: TypeAlias = Literal["each", "full"]
Clock: TypeAlias = Callable[[], float]
Seconds: TypeAlias = Length | Callable[[Random], float]
"""A number of seconds, or a function that draws one."""


def check_fields(options: DataclassInstance) -> None:
    """Raise ConfigurationError for the first field that is not of its type."""
    for name, adapter in _adapters(type(options)).items():
        value = getattr(options, name)
        try:
            # Strict, because pydantic would otherwise take "1" for 1, and True for a number.
            read = adapter.validate_python(value, strict=True)
        except ValidationError as problem:
            reason = problem.errors(include_url=False, include_input=False)[0]["msg"]
        else:
            if callable(value):
                check_function(name, value)
            if not isinstance(read, float) or isinstance(value, int | float):
                continue
            reason = "Input should be an int or a float"  # not just something that can be made one
        raise ConfigurationError(f"{name} is {shown(value)}: {reason}.")


# Building an adapter takes much longer than using it, and a test may make many faults.
@cache
def _adapters(kind: type[DataclassInstance]) -> dict[str, TypeAdapter[Any]]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: TypeAdapter(hints[field.name]) for field in fields(kind)}


@dataclass(frozen=True, slots=True)
class Fault:
    """One disturbance, for the ``nth`` to the ``nth + times - 1``-th request that matches.

    Requests that fail authentication or the rate limit neither match nor count. ``path`` is given with or
    without ``/api/v1/public``; ``*`` in it stands for any text, so that ``*/lead-lists`` is both prefixes;
    None matches every path, as ``method`` None does every method.

    ``when="after"`` executes the operation and then spoils its answer; ``when="before"`` does not execute
    it if the fault has an answer of its own (``status``, ``body``, ``size``, ``reset`` or ``close``), and
    only holds it up by ``delay_s`` otherwise.
    """

    path: str | None = None
    _: KW_ONLY
    method: str | None = None
    nth: Positive = 1
    times: Annotated[float, Field(ge=0)] = 1
    """How many requests; ``math.inf`` for all from the nth on."""
    when: Literal["before", "after"] = "before"
    """Whether it strikes before or after the operation."""
    status: Annotated[int, Field(ge=100, le=999)] | None = None
    """Answer with this status; without ``body``, in the documented words for it."""
    body: object = None
    """Answer with this body: text or bytes as they are, anything else as JSON."""
    headers: Sequence[tuple[str, str]] = ()
    """Set on the answer, over those it has; ``content-type`` is JSON unless given here."""
    reset: bool = False
    """Reset the connection (TCP RST) instead of answering, or after ``truncate`` bytes of the body."""
    close: bool = False
    """Close the connection without a byte of an answer."""
    delay_s: Length = 0.0
    """Seconds before the operation, or between the operation and its answer."""
    truncate: Count | None = None
    """Cut the body after so many bytes, promise the whole length, and close."""
    drip: tuple[Positive, Length] | None = None
    """Send the body in pieces of so many bytes, one each so many seconds."""
    duplicate: bool = False
    """Put the whole answer on the wire twice."""
    size: Annotated[float, Field(ge=0)] | None = None
    """Answer with a body of so many bytes; ``math.inf`` never ends."""

    def __post_init__(self) -> None:
        """Refuse what could not work. Raises ConfigurationError."""
        check_fields(self)

    @property
    def answers(self) -> bool:
        """Whether the fault has an answer of its own."""
        own = (self.status, self.body, self.size)
        return self.reset or self.close or any(part is not None for part in own)

    @property
    def executes(self) -> bool:
        """Whether the operation takes place."""
        return self.when == "after" or not self.answers

    def matches(self, method: str, path: str) -> bool:
        """Return whether the fault applies to a request, whatever its number."""
        return (self.path is None or same_path(path, self.path)) and self.method in {None, method}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How answers look, and what is disturbed in them. Shares are 0..1; all is decided by ``seed``.

    The status answer of the Public API is not documented and its webhook rows are known in two shapes, so
    a client has to live with all of these.
    """

    row: Literal["flat", "nested"] = "flat"
    """``primary_email`` and the like beside the task id, or under ``result``."""
    results_key: Literal["results", "tasks", "data"] = "results"
    """The name under which the rows are."""
    echo_input: bool = True
    """Nested rows carry the contact as it was sent, under ``input``."""
    carry_linkedin: bool = True
    """Rows carry the address of the person's LinkedIn profile."""
    carry_names: bool = True
    """Rows carry the ``prospect`` names and the ``company`` block."""
    shuffle_ids: bool = False
    """``task_ids`` are not in the order of the contacts."""
    shuffle_rows: bool = False
    """Rows are not in the order of ``task_ids``."""
    merge_duplicates: bool = False
    """Contacts of one request with the same ``linkedin_url`` share one task id and one row."""
    page: Count | None = None
    """The workflow answer gives only so many rows; ``results_truncated`` counts the others."""
    omit_rows: Share = 0.0
    """Share of rows that the workflow answer lacks, though the task look-up has them."""
    no_rows: bool = False
    """The workflow answer carries counts only."""
    row_success_word: Literal["completed", "success"] = "completed"
    """Status of a row for which something was found."""
    row_miss_word: Text = "failed"
    """Status of a row for which nothing was found."""
    unfinished_rows: Share = 0.0
    """Share of rows still "processing" when their workflow is completed."""
    unfinished_s: Length = math.inf
    """Seconds after which those finish too (and are charged)."""
    id_count_off: bool = False
    """``task_ids`` has one id too few."""
    status_words: Mapping[str, str] = field(default_factory=dict[str, str])
    """Other words for a workflow's status: ``{"completed": "completed_with_errors"}``."""
    failed_workflows: Share = 0.0
    """Share of workflows that end as "failed", without rows and without cost; a modern one that was paid
    for with a quote keeps its charge until somebody reviews it."""

    def __post_init__(self) -> None:
        """Refuse what could not work. Raises ConfigurationError."""
        check_fields(self)


@dataclass(kw_only=True, eq=False, repr=False)
class Options:
    """The options of a :class:`Sandbox`. Times are seconds, ``credits`` are credits.

    The limits and their window are those of docs.cleanlist.ai/mcp-api/errors.
    """

    host: Text = "127.0.0.1"
    """The address to listen on."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """0 lets the system choose a free one."""
    api_keys: Sequence[Text] = ("clapi_sandbox_0123456789abcdef",)
    """Keys of the organization."""
    no_api_keys: Sequence[Text] = ()
    """Keys of a plan without API access: answered 403."""
    jwts: Sequence[Text] = ()
    """Session tokens that are accepted; they pass the organization's limit only."""
    organization_id: Text = "org_sandbox"
    """What the server calls the organization."""
    organizations: Sequence[InstanceOf[Options]] = ()
    """Other organizations on the same server: each a :class:`Sandbox` that is not started, with keys,
    credits, limits, faults and a ledger of its own."""
    credits: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1_000_000.0
    """The balance at the start."""
    window_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60.0
    """The window of the limits, in seconds."""
    org_limit: Positive = 60
    """Requests in a window, for all keys together."""
    key_limit: Positive = 30
    """Requests in a window, for each key."""
    limiter: LimiterKind = "sliding"
    """How requests are counted; ``off`` counts none."""
    count_rejected: bool = False
    """A request answered 429 uses up the limit like any other."""
    limit_429: Envelope = "error"
    """Form of a 429: ``error`` names the wait, in the body and in ``Retry-After``; ``detail`` names none."""
    envelope: Envelope = "detail"
    """Form of every other error of the Public API. The modern surface always answers ``error``."""
    modern_validation: Envelope = "detail"
    """Form of a modern request that fails validation: the specification and the documentation differ."""
    scopes: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """Scopes of a credential on the modern surface; all of them where it is not named."""
    modern_disabled: Sequence[Text] | AbstractSet[Text] = ()
    """Modern operations (``csv_import``, say) that are switched off: 503 ``not_enabled``."""
    quote_ttl_s: Length = 300.0
    """How long a quote is good; the documentation says five minutes."""
    tier: Tier = "pro"
    """The plan that ``whoami`` names; every plan may do the same."""
    workflow_s: Seconds = 2.0
    """How long a workflow takes."""
    latency_s: Seconds = 0.0
    """Time between arrival (which the limiter sees) and the operation."""
    keep_alive_s: Count = 75
    """An idle connection is closed after so long."""
    hit_rate: Share = 0.7
    """Share of e-mails found, and share of phones found, 0..1; with 0 every contact is ``not_found``."""
    half_full_price: HalfFullPrice = "each"
    """Price of a ``full`` result with one half found: 1 or 10, or 11 (not documented)."""
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] = 0
    """Decides all that is drawn: findings, delays, disturbances. The same one draws the same again."""
    shape: Shape = field(default_factory=Shape)
    """How answers look, and what is disturbed in them: see :class:`Shape`."""
    webhook_backoff_s: Sequence[Length] = (1, 2, 4, 8, 16)
    """One attempt for each number, which is the wait after it; the last wait is not waited."""
    webhook_timeout_s: Length = 10.0
    """How long a receiver of webhooks may take."""
    faults: Sequence[Fault] = ()
    """Disturbances from the start; `add_fault` adds others."""
    clock: Clock = time.monotonic
    """The clock of the server, in seconds."""

    def __post_init__(self) -> None:
        """Refuse what could not work. Raises ConfigurationError."""
        check_fields(self)
        if not (*self.api_keys, *self.jwts):
            raise ConfigurationError("api_keys and jwts are empty: the sandbox needs a credential.")


def seeded(seed: int, purpose: object) -> Random:
    """Return random numbers of their own for a purpose, the same ones for the same seed."""
    # From text, which Random hashes alike in every process, unlike hash().
    return Random(f"{seed}:{purpose}")  # noqa: S311 - nothing here is secret


def drawn(seconds: Seconds, random: Random) -> float:
    """Return the number of seconds, drawn if it is a function."""
    return seconds(random) if callable(seconds) else seconds


def seeded_uuid(*parts: object) -> str:
    """Return the UUID that belongs to these values, the same one each time."""
    digits = hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
    # Version 4 in form, so that a strict parser accepts it as a UUID.
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
