"""What the checks of ``doctor`` take, the server's answers and every exchange, and what they return."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final, Generic, Literal, TypeAlias, TypeVar

from rich.table import Table
from rich.text import Text

from cleanlist_async.api.models.public import BulkStatus, CreditsBalance, KeyValidation, Whoami
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.in_flight import in_flight
from cleanlist_async.cli.terminal.render import grid
from cleanlist_async.cli.terminal.wording import at_the_command_line
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.errors import APIConnectionError, AuthenticationError, CleanlistError, RateLimitError
from cleanlist_async.events import Event, UnknownPart
from cleanlist_async.events.statistics import Statistics
from cleanlist_async.facts import PUBLIC_PREFIX
from cleanlist_async.http.transport import ConnectionOptions, Exchange, HTTPClient, Request, Transport
from cleanlist_async.ratelimit import RateLimiter
from cleanlist_async.redact import Secret, scrub
from cleanlist_async.tables.errors import on_one_line
from cleanlist_async.types import JSON

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Status: TypeAlias = Literal["ok", "problem", "unknown"]

_STYLES: Final[dict[Status, str]] = {"ok": "green", "problem": "bold red", "unknown": "yellow"}
# The next request would meet the same: no server, no good key, or no token left.
_POINTLESS_AFTER = (APIConnectionError, AuthenticationError, RateLimitError)
_NO_WORKFLOW = "doctor_asks_for_no_workflow"
REQUEST_TIMEOUT_S = 20.0
_follow = in_flight.follow(1, REQUEST_TIMEOUT_S)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: the check's name, how it ended, what was found, and how to fix it."""

    name: str
    status: Status
    detail: str
    fix: str | None = None
    data: dict[str, JSON] = field(default_factory=dict[str, JSON])

    def as_json(self) -> dict[str, JSON]:
        """Return it for ``--json``."""
        fix = None if self.fix is None else _safe(self.fix)
        return {**asdict(self), "detail": _safe(self.detail), "fix": fix}


def as_table(findings: Sequence[Finding]) -> Table:
    """Return the findings, one a line, each with its fix."""
    table = grid()
    for finding in findings:
        # As Text: markup in what a server or an environment says would be interpreted in a plain string.
        line = Text(_safe(finding.detail))
        if finding.fix:
            line.append(f" {_safe(finding.fix)}", style="dim" if finding.status == "ok" else "bold")
        table.add_row(Text(finding.status, style=_STYLES[finding.status]), finding.name, line)
    return table


def _safe(text: str) -> str:
    return at_the_command_line(scrub(on_one_line(text)))


@dataclass(frozen=True, slots=True)
class Observation:
    """One request and its answer. `sent_at` is epoch seconds of our clock, `seconds` includes connecting."""

    method: str
    path: str
    sent_at: float
    seconds: float
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class WatchedCleanlist(AsyncCleanlist):
    """An ordinary client that records its exchanges in `seen`, in order of time, and what is new in answers.

    No request is retried, so that the first failure is seen.
    """

    def __init__(self, api_key: str, connection: Connection) -> None:
        self.seen: list[Observation] = []
        self.unknown_parts: list[UnknownPart] = []
        # The shared limiter: the checks count against the same limit as everything else on this machine.
        limiter = connection.limiter()
        super().__init__(
            api_key,
            base_url=connection.base_url,
            rate_limits=None if limiter else connection.limits,
            limiter=limiter,
            request_timeout_s=REQUEST_TIMEOUT_S,
            max_retries=0,
            proxy=connection.proxy,
            verify=connection.ca_bundle or True,
            on_event=self._listen,
        )

    def _listen(self, event: Event) -> None:
        _follow(event)
        if isinstance(event, UnknownPart):
            self.unknown_parts.append(event)

    @property
    def base_url(self) -> str:
        """The address it talks to."""
        return self._base_url

    def _open_transport(
        self,
        base_url: str,
        limiter: RateLimiter,
        options: ConnectionOptions,
        http_client: HTTPClient | None,
    ) -> Transport:
        transport = _WatchedTransport(base_url, clock=limiter.clock, options=options, http_client=http_client)
        transport.seen = self.seen
        return transport


class _WatchedTransport(Transport):
    seen: list[Observation]

    async def send(
        self,
        request: Request,
        key: Secret,
        timeout_s: float,
        exchange: Exchange,
        may_leave: Callable[[], bool] = lambda: True,
    ) -> None:
        # The wall clock is compared with the server's; the other one measures, since nobody can set it.
        sent_at, started = time.time(), time.perf_counter()
        try:
            await super().send(request, key, timeout_s, exchange, may_leave)
        finally:  # a request without an answer is evidence too
            seconds = time.perf_counter() - started
            answer = exchange.status, exchange.headers, exchange.body
            self.seen.append(Observation(request.method, request.path, sent_at, seconds, *answer))


@dataclass(frozen=True, slots=True)
class Reply(Generic[T_co]):
    """An answer, or the error in its place; neither if the question was not asked."""

    value: T_co | None = None
    error: CleanlistError | None = None

    @property
    def why_not(self) -> str:
        """Why there is no answer, in a few words."""
        return str(self.error) if self.error else "not asked, because of the problem above."


@dataclass(slots=True)
class Evidence:
    """All replies, and every exchange that was seen."""

    base_url: str
    key: Reply[KeyValidation] = Reply()
    whoami: Reply[Whoami] = Reply()
    whoami_v1: Reply[JSON] = Reply()
    balance: Reply[CreditsBalance] = Reply()
    status: Reply[BulkStatus] = Reply()
    """Of a workflow that nobody has: asking for it is free."""
    seen: list[Observation] = field(default_factory=list[Observation])
    unknown_parts: list[UnknownPart] = field(default_factory=list[UnknownPart])
    statistics: Statistics | None = None

    @property
    def replies(self) -> tuple[Reply[object], ...]:
        """Every reply, in the order of asking."""
        return (self.key, self.whoami, self.whoami_v1, self.balance)


async def gather(client: WatchedCleanlist) -> Evidence:
    """Ask the questions one after another; only the first if its error would meet the others too."""
    evidence = Evidence(client.base_url, seen=client.seen, unknown_parts=client.unknown_parts)
    async with client:
        evidence.key = await _reply(client.public.validate_key())
        if not isinstance(evidence.key.error, _POINTLESS_AFTER):
            evidence.whoami = await _reply(client.workspace.whoami())
            # Raw, since the client itself speaks only one of the two versions.
            evidence.whoami_v1 = await _reply(client.request("GET", f"{PUBLIC_PREFIX}/whoami"))
            evidence.balance = await _reply(client.public.credits_balance())
            evidence.status = await _reply(client.public.bulk_status(workflow_id=_NO_WORKFLOW))
        evidence.statistics = client.statistics()
    return evidence


async def _reply(question: Awaitable[T]) -> Reply[T]:
    try:
        return Reply(await question)
    except CleanlistError as error:
        return Reply(error=error)
