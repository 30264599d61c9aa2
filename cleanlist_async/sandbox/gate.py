"""What every request passes on its way to an operation: credential, rate limits, faults, latency."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
from starlette.requests import Request
from starlette.responses import Response

from .options import Options, drawn, seeded
from .refusals import RefusedError
from .responses import json_response
from .wire import answer_of

if TYPE_CHECKING:
    from .auth import Keyring
    from .faults import Fault, FaultPlan
    from .ledger import RequestRecord
    from .limits import Limits
    from .refusals import Envelopes

Operation: TypeAlias = Callable[[Request], Awaitable[Response]]

FIRST_ERROR: Final = 400
RATE_LIMITED: Final = 429
RETRY_AFTER_OF_A_FAULT_S: Final = 2.0
"""The wait that docs.cleanlist.ai/mcp-api/errors shows in its example."""


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
