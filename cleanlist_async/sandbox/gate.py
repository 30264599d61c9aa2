"""What every request passes on its way to an operation: credential, rate limits, faults, latency."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final, TypeAlias

import anyio
from starlette.requests import Request
from starlette.responses import Response

from .ledger import RequestRecord, key_id_of
from .limits import Limits
from .options import Fault, Options, drawn, seeded
from .responses import Envelopes, RefusedError, json_response
from .wire import answer_of

Operation: TypeAlias = Callable[[Request], Awaitable[Response]]

SCHEME: Final = "Bearer "
FIRST_ERROR: Final = 400
RATE_LIMITED: Final = 429
RETRY_AFTER_OF_A_FAULT_S: Final = 2.0
"""The wait that docs.cleanlist.ai/mcp-api/errors shows in its example."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An accepted credential."""

    key_id: str
    organization_id: str
    has_key_limit: bool
    """False for a session token, which passes the organization's limit only."""

    @property
    def user_id(self) -> str:
        """The user whose credential it is."""
        # A user for each key, so that tests see lists and runs of one user hidden from another.
        return "user_" + self.key_id.removeprefix("key_")


class Keyring:
    """The credentials that are known, and what each may do."""

    def __init__(self, options: Options) -> None:
        self._callers = {
            credential: Caller(key_id_of(credential), options.organization_id, has_key_limit)
            for credentials, has_key_limit in ((options.api_keys, True), (options.jwts, False))
            for credential in credentials
        }
        self._without_access = set(options.no_api_keys)

    def revoke(self, credential: str) -> None:
        """Refuse a credential from now on."""
        self._callers.pop(credential, None)
        self._without_access.discard(credential)

    def identify(self, authorization: str | None) -> Caller:
        """Return the sender of this ``Authorization`` header.

        Raises RefusedError 401 for a missing, malformed, unknown or revoked credential; 403 for
        a plan without API access.
        """
        # X-API-Key and basic auth are refused as well; the word Bearer and one space are required.
        if authorization is None or not authorization.startswith(SCHEME):
            raise RefusedError(401)
        credential = authorization[len(SCHEME) :]
        # 403 and not 401: the key is good, but its plan has no API access.
        if credential in self._without_access:
            raise RefusedError(403)
        if credential not in self._callers:
            raise RefusedError(401)
        return self._callers[credential]


class FaultPlan:
    """The faults that are armed, and how many requests each has seen."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._armed: list[tuple[Fault, Iterator[int]]] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Arm a fault; it counts requests from now on."""
        self._armed.append((fault, count(1)))

    def clear(self) -> None:
        """Disarm every fault."""
        self._armed.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Count a request, and return the first fault that strikes it."""
        # Every fault counts the request, even if an earlier one strikes it.
        struck = [
            fault
            for fault, numbers in self._armed
            if fault.matches(method, path) and fault.nth <= next(numbers) < fault.nth + fault.times
        ]
        return struck[0] if struck else None


class Gate:
    """Lets requests through to operations, or refuses them."""

    def __init__(self, options: Options, keyring: Keyring, limits: Limits, faults: FaultPlan) -> None:
        self._options = options
        self._keyring = keyring
        self._limits = limits
        self._faults = faults
        self._random = seeded(options.seed, "latency_s")

    def guard(self, operation: Operation, envelopes: Envelopes) -> Operation:
        """Return the operation behind all checks; refusals are rendered in *envelopes*."""

        async def guarded(request: Request) -> Response:
            try:
                self._admit(request)
            except RefusedError as refusal:
                return envelopes.render(refusal)
            # After admission, so that which request a fault strikes does not depend on the limits.
            fault = self._faults.take(request.method, request.scope["path"])
            await request.body()  # now: a caller who leaves during a delay has still sent it
            await self._wait(drawn(self._options.latency_s, self._random))
            if fault is None:
                return await _perform(operation, request, envelopes)
            return await self._perform_badly(operation, request, envelopes, fault)

        return guarded

    def _admit(self, request: Request) -> None:
        record: RequestRecord = request.state.record
        caller = self._keyring.identify(request.headers.get("authorization"))
        # Before the limits: the busiest window of the ledger includes the refused requests.
        record.key_id = caller.key_id
        request.state.caller = caller
        # By the time of arrival: a busy event loop must not move a request into a later window.
        wait_s = self._limits.admit(caller.key_id if caller.has_key_limit else None, record.at)
        if wait_s > 0:
            raise RefusedError(RATE_LIMITED, wait_s=wait_s)
        record.admitted = True

    async def _perform_badly(
        self, operation: Operation, request: Request, envelopes: Envelopes, fault: Fault
    ) -> Response:
        if fault.when == "before":
            await self._wait(fault.delay_s)
        # A placeholder where nothing is executed: the fault brings its own answer.
        answer = await _perform(operation, request, envelopes) if fault.executes else json_response(b"")
        if fault.when == "after":
            await self._wait(fault.delay_s)
        # A status alone is answered in the documented words for it.
        if fault.status is not None and fault.body is None and fault.status >= FIRST_ERROR:
            wait_s = RETRY_AFTER_OF_A_FAULT_S if fault.status == RATE_LIMITED else None
            answer = envelopes.render(RefusedError(fault.status, wait_s=wait_s))
        return answer_of(fault, answer)

    async def _wait(self, seconds: float) -> None:
        if seconds > 0:
            await anyio.sleep(seconds)


async def _perform(operation: Operation, request: Request, envelopes: Envelopes) -> Response:
    try:
        return await operation(request)
    except RefusedError as refusal:
        return envelopes.render(refusal)
