"""One attempt to download a file: its token, where the API itself serves the file, and its events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from cleanlist_async.errors import CleanlistError
from cleanlist_async.http.transport import Download, Exchange, Transport, failure_of
from cleanlist_async.ratelimit import Permit

if TYPE_CHECKING:
    from cleanlist_async.http.call_trace import CallTrace


async def fetch_file(
    transport: Transport,
    wanted: Download,
    permit: Permit | None,
    trace: CallTrace,
    clock: Callable[[], float],
) -> int:
    """Fetch a file with *permit*, if it needs one; return its size in bytes. Raises as `download` does."""
    # What is to be reported of one that is cancelled on its way.
    exchange, size = Exchange(sent=True, failure="incomplete"), 0

    def answered(status: int) -> None:  # at the head of the answer: the file itself may take much longer
        exchange.status = status
        if permit is not None:
            permit.answered(clock())

    trace.attempt_started(permit.waited_s if permit else 0.0)
    try:
        size = await transport.download(replace(wanted, answered=answered))
        exchange.failure = None
    except CleanlistError as error:
        exchange.failure = failure_of(error)
        exchange.sent = bool(exchange.status or exchange.failure)
        raise
    finally:
        if permit is not None:
            permit.lost()  # does nothing after `answered`
        trace.attempt_finished(exchange, received_bytes=size)
    return size
