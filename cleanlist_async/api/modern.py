"""Base of the groups of modern operations: version prefixes, ids in paths, waiting for work, quotes."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import quote

import anyio

from cleanlist_async import facts
from cleanlist_async.api.models.base import ModernAnswer, Number
from cleanlist_async.api.models.public import Quote
from cleanlist_async.api.pagination import Page, Pages
from cleanlist_async.api.request_models import Query, RequestModel
from cleanlist_async.checks import check_credits, check_function, check_seconds, checked_id, covers, optional
from cleanlist_async.errors import (
    BudgetExceededError,
    CleanlistError,
    ConfigurationError,
    InsufficientCreditsError,
    WaitTimeoutError,
    WorkflowFailedError,
)
from cleanlist_async.facts import MODERN_PREFIXES, ApiVersion
from cleanlist_async.http.calls import Call, Charge, Operation, Spend
from cleanlist_async.http.credentials import Origin
from cleanlist_async.http.decode import salvage_workflow_id
from cleanlist_async.http.error_codes import STALE
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.polling.open_workflow import Status
from cleanlist_async.polling.scheduler import PollScheduler
from cleanlist_async.ratelimit import RequestClass
from cleanlist_async.redact import one_line
from cleanlist_async.types import Billed

T = TypeVar("T")
R = TypeVar("R")
Pg = TypeVar("Pg", bound=Page)


def check_price_is_known(quote_id: str | Quote | None, max_credits: float | None) -> None:
    """Raise ConfigurationError unless exactly one of the two bounds the price."""
    if (quote_id is None) == (max_credits is None):
        raise ConfigurationError(
            "This spends credits: give quote_id or max_credits, and not both.",
            fix="With max_credits, the client requests the price, and buys if it is within that budget.",
        )
    optional(check_credits, "max_credits", max_credits)


def check_price(cost: float | None, max_credits: float | None) -> None:
    """Raise BudgetExceededError where a documented price, at most *cost* credits, exceeds *max_credits*."""
    if max_credits is None:
        return
    check_credits("max_credits", max_credits)
    if cost is None or not covers(max_credits, cost):  # without a known price, no budget can hold
        raise _over_budget(cost, max_credits, "call can cost")


def affordable(quote: Quote, max_credits: float) -> str:
    """Return the id of a quote that may be redeemed.

    Raises BudgetExceededError when `max_credits` does not cover it, InsufficientCreditsError when the balance
    does not.
    """
    cost, available = quote.estimated_cost, quote.available_credits
    if cost is None or not covers(max_credits, cost):
        raise _over_budget(cost, max_credits)
    # None means that the server did not say; it checks when the quote is redeemed.
    if quote.sufficient is False:
        error = InsufficientCreditsError(
            f"The call would cost {cost:g} credits, which the balance does not cover.",
            code="insufficient_credits",
            fix="Top up in the portal under Settings, Billing; nothing was bought.",
        )
        error.estimated_cost_credits, error.available_credits = cost, available
        error.shortfall_credits = None if available is None else max(0, cost - available)
        raise error
    return quote.quote_id


def _over_budget(cost: Number | None, max_credits: float, what: str = "quote is for") -> BudgetExceededError:
    subject = "quote has no price" if cost is None else f"{what} {cost:g} credits"
    error = BudgetExceededError(
        f"The {subject}, but max_credits is {max_credits:g}.", fix="Nothing was bought."
    )
    error.max_credits, error.committed_credits = max_credits, 0
    return error


A = TypeVar("A", bound=ModernAnswer)
S = TypeVar("S", bound=Status)


@dataclass(frozen=True, slots=True)
class Session:
    """The parts of one client that its groups of operations use."""

    pipeline: Pipeline
    polls: Callable[[], PollScheduler]
    options: CallOptions
    api_version: ApiVersion


class ModernGroup:
    """Base of the groups. All their methods raise the typed errors of :mod:`cleanlist_async.errors`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def _ask(
        self,
        operation: Operation[R],
        request: RequestModel | None = None,
        *,
        belongs: Callable[[R], bool] | None = None,
        already_done: Callable[[CleanlistError], R | None] = lambda _error: None,
        idempotent: bool = False,
        spend: Spend | None = None,
        list_id: str = "",
    ) -> R:
        """Make a call. One about a list gets an answer about that, unless *belongs* says otherwise."""

        def is_of_list(answer: R) -> bool:
            return not list_id or same_id(getattr(answer, "list_id", ""), list_id)

        call = replace(
            self._call(operation, request, **_list_of(operation, list_id)),
            belongs=belongs or is_of_list,
            already_done=already_done,
            idempotent=idempotent,
            spend=None if spend is None else lambda: spend,
        )
        return (await self._session.pipeline.call(call, self._session.options)).value

    def _pages(
        self,
        operation: Operation[Pg],
        request: Callable[[str | None], RequestModel],
        cursor: str | None,
        *,
        items: Callable[[Pg], Sequence[T]],
        identity: Callable[[T], object],
        belongs: Callable[[Pg], bool] | None = None,
        list_id: str = "",
    ) -> Pages[Pg, T]:
        """Return the pages that *request* asks for, from *cursor* on."""
        # Raises here, not in the loop over the pages.
        request(cursor)
        self._path(operation, **_list_of(operation, list_id))

        async def fetch(cursor: str | None) -> Pg:
            return await self._ask(operation, request(cursor), belongs=belongs, list_id=list_id)

        return Pages(fetch, items, identity, cursor)

    async def _buy(
        self,
        operation: Operation[R],
        request: RequestModel,
        estimate: Callable[[], Awaitable[Quote]],
        *,
        quote_id: str | Quote | None,
        max_credits: float | None,
    ) -> R:
        """Redeem *quote_id*, or else a fresh quote of at most *max_credits* credits.

        A Quote object is first compared with the balance. A fresh quote that goes stale meanwhile is replaced
        once.

        Raises ConfigurationError without either, or with both; InsufficientCreditsError when the balance does
        not cover the price; BudgetExceededError when `max_credits` does not. Nothing was bought then.
        """

        def redeem(quote_id: str, cost: float | None) -> Awaitable[R]:
            # The server redeems a quote once, so the call may be repeated after a lost answer.
            spend = Spend(operation.name, worst_case_credits=cost)
            return self._ask(operation, request.with_quote(quote_id), idempotent=True, spend=spend)

        check_price_is_known(quote_id, max_credits)
        if isinstance(quote_id, Quote):
            # Without a limit: the caller has seen this price, so only the balance is in question.
            return await redeem(affordable(quote_id, math.inf), quote_id.estimated_cost)
        if quote_id is not None:
            return await redeem(quote_id, None)
        assert max_credits is not None  # noqa: S101  # see check_price_is_known
        quote = await estimate()
        # Only once more: a list that keeps changing would be estimated for ever.
        try:
            return await redeem(affordable(quote, max_credits), quote.estimated_cost)
        except STALE:
            quote = await estimate()
            return await redeem(affordable(quote, max_credits), quote.estimated_cost)

    def _call(self, operation: Operation[R], request: RequestModel | None = None, **ids: str) -> Call[R]:
        # Lists and runs belong to a user, so all calls use the same key.
        return Call(
            operation,
            path=self._path(operation, **ids),
            key=self._session.pipeline.home_key,
            params=request.params() if isinstance(request, Query) else {},
            content=None if request is None or isinstance(request, Query) else request.body,
        )

    def _path(self, operation: Operation[R], **ids: str) -> str:
        # safe="": a slash in an id must not lead to another operation.
        checked = {name: quote(checked_id(name, value), safe="") for name, value in ids.items()}
        return MODERN_PREFIXES[self._session.api_version] + operation.path.format(**checked)

    async def _once(self, question: Call[S], id_: str) -> S:
        pipeline = self._session.pipeline
        # The user of another key may not see the work, and a 404 would look as if it did not exist.
        key = origin.key if (origin := pipeline.origin(id_)) else pipeline.home_key
        return (await pipeline.call(replace(question, key=key), self._session.options)).value

    async def _finished(
        self, question: Call[S], id_: str, timeout_s: float, progress: Callable[[S], None] | None
    ) -> S:
        """Return the final answer to *question*, asked with the key that started the work."""
        check_seconds("timeout_s", timeout_s)
        optional(check_function, "progress", progress)
        pipeline = self._session.pipeline
        known = pipeline.origin(id_)
        now = pipeline.limiter.clock()
        origin = known or Origin(pipeline.home_key, now)
        with anyio.move_on_after(timeout_s):
            # Within the timeout, since opening the client may wait as well.
            await pipeline.root.ensure()
            return await self._session.polls().finished(
                replace(question, key=origin.key, kind=RequestClass.STATUS),
                submitted_at=origin.at,
                options=self._session.options,
                is_new=known is not None,  # otherwise its age is not known
                until=lambda: now + timeout_s,
                on_answer=progress or (lambda _answer: None),
            )
        error = WaitTimeoutError(
            f"{id_} was not finished within {timeout_s:g} s.",
            fix="The work continues: wait again with the same id, for free.",
        )
        error.workflow_id = id_
        raise error


def modern(
    name: str,
    method: str,
    path: str,
    answer: type[A],
    *,
    charge: Callable[[A], Charge] | None = None,
    started: Callable[[str], A] | None = None,
    max_answer_bytes: int = facts.MAX_SMALL_ANSWER_BYTES,
    of_models: bool = True,
) -> Operation[A]:
    """Describe a modern operation; *started* makes the answer where only the id of the work can be read.

    One that spends has a *charge*, which reads its cost from the answer. The others may be repeated: a list
    is created once per name, leads are added once per idempotency key, which every call has.
    """

    def salvage(body: bytes) -> A | None:
        workflow_id = salvage_workflow_id(body) if started else None
        return started(workflow_id) if started and workflow_id else None

    return Operation(
        name,
        method,
        path,
        "safe" if charge is None else "conditional",  # never "never": all paid ones take a quote or key
        answer.read,
        parse_bytes=answer.read_json,
        salvage=salvage,
        max_answer_bytes=max_answer_bytes,
        of_models=of_models,
        charge=charge,
    )


def _list_of(operation: Operation[R], list_id: str) -> dict[str, str]:
    # By the path, so that an empty id of the caller's is refused.
    return {"list_id": list_id} if "{list_id}" in operation.path else {}


def same_id(found: str, asked: str) -> bool:
    """Whether an answer that names *found*, or nothing, is about *asked*."""
    # Letter case may differ, and some answers name no id.
    return found.casefold() in {"", asked.casefold()}


def failed_workflow(id_: str, status: str, message: str | None, *, billed: Billed) -> WorkflowFailedError:
    """Return the error for work that the server ended; *message* is its own text on a refund, if any."""
    error = WorkflowFailedError(
        f"{id_} ended as {one_line(status, 40)}.", fix=one_line(message) if message else None, billed=billed
    )
    error.workflow_id, error.status = id_, status
    return error
