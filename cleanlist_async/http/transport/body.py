"""Reads the body of an answer within bounds."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, Final

import anyio.lowlevel
import httpx

from cleanlist_async import facts
from cleanlist_async.http.transport.exchange import Exchange
from cleanlist_async.redact import one_line

# Thousands of tiny parts may have arrived already, and are read without a wait: other tasks get their turn.
_PARTS_AT_ONCE: Final = 100
# Seconds to read bytes that have arrived already; they may be less than a whole TLS record.
_LOOK_S: Final = 0.01


async def read_body(response: httpx.Response, limit: int, exchange: Exchange) -> None:
    """Read the body within *limit* bytes, on the wire and decoded; stacked encodings are refused."""
    encoding = exchange.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "", "gzip"}:
        exchange.failure = "encoding"
        exchange.reason = f"unexpected Content-Encoding {one_line(encoding, 40)!r}"
        return
    if not exchange.ok:
        limit = facts.MAX_ERROR_BYTES
    is_read = response.is_stream_consumed  # a hook has read and decoded it, or it was made in memory
    body = _Body(limit, inflating=encoding == "gzip" and not is_read)
    try:
        if is_read:
            body.add(response.content)
            return
        async for received in wire_bytes(response):
            body.add(received)
            if not body.parts % _PARTS_AT_ONCE:
                await anyio.lowlevel.checkpoint()
    except _TooLargeError:
        exchange.failure, exchange.reason = "too_large", f"the answer is larger than {limit:,} bytes"
    except zlib.error:
        exchange.failure, exchange.reason = "encoding", "the answer is not the gzip it claims to be"
    finally:
        exchange.body = bytes(body.content)  # a truncated answer may still name a workflow that was paid for


class _TooLargeError(Exception):
    pass


class _Body:
    """A body as it arrives, held to a number of bytes both on the wire and decoded."""

    def __init__(self, limit: int, *, inflating: bool) -> None:
        self.content = bytearray()  # a list of parts of a byte or two would take a hundred times the memory
        self.parts = 0
        self._limit = limit
        self._on_wire = 0
        self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS) if inflating else None

    def add(self, received: bytes) -> None:
        self.parts += 1
        self._on_wire += len(received)
        inflate, room = self._inflate, self._limit - len(self.content)
        # One byte more than there is room for shows that there is more, and inflates no bomb.
        part = inflate.decompress(received, room + 1) if inflate else received
        self.content += part[:room]
        if self._on_wire > self._limit or len(part) > room or (inflate and inflate.unconsumed_tail):
            raise _TooLargeError


def wire_bytes(response: httpx.Response) -> AsyncIterator[bytes]:
    """Return the body's bytes as they arrive, still encoded."""
    stream = response.stream  # not aiter_raw(), which a response made in memory refuses
    if not isinstance(stream, AsyncIterable):
        raise TypeError("the answer cannot be read asynchronously")
    return aiter(stream)


async def drop_if_more_follows(response: httpx.Response) -> bool:
    """Close a connection on which more bytes came than its answer, and return whether there were any.

    httpcore would take them for the next answer. They may be in the buffer of h11, of TLS or of the socket.
    No public name leads to the first and the last. Where these private names lead nowhere, the check of each
    answer's ids remains.
    """
    # A client wraps the stream of its pool once more.
    layer: object = getattr(response.stream, "_stream", response.stream)
    for name in ("_httpcore_stream", "_stream", "_connection", "_h11_state"):
        layer = getattr(layer, name, None)
    if layer is None:
        return False  # also for HTTP/2, whose streams cannot be mixed up
    surplus: tuple[bytes, bool] = getattr(layer, "trailing_data", (b"", False))
    network = response.extensions["network_stream"]
    if not surplus[0] and not await _more_waits(network):
        return False
    await network.aclose()
    return True


async def _more_waits(network: Any) -> bool:
    stream = getattr(network, "_stream", None)
    stream = getattr(stream, "transport_stream", stream)  # below TLS
    arrived = getattr(getattr(stream, "_protocol", None), "read_queue", ())
    waits = bool(arrived) or bool(network.get_extra_info("is_readable"))
    if not waits and network.get_extra_info("ssl_object") is None:
        return False
    # Under TLS the socket may hold a record of the protocol alone, and the surplus may be decrypted already.
    try:  # bytes that are there are read at once; the end of the stream reads as nothing
        return bool(await network.read(1, timeout=_LOOK_S if waits else 0.0))
    except Exception:  # noqa: BLE001  # there was nothing, or the connection is broken: no answer is read from it
        return False
