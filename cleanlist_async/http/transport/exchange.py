"""One request, and the outcome of one attempt to send it: its answer within bounds, or why there is none."""

from __future__ import annotations

import re
import ssl
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, TypeAlias

import anyio.lowlevel
import httpx

from cleanlist_async import facts
from cleanlist_async.errors import APIConnectionError, APITimeoutError, CleanlistError
from cleanlist_async.redact import one_line
from cleanlist_async.types import Failure

_HEADERS_READ: Final = 200
_HEADER_READ: Final = 1_000

Params: TypeAlias = Mapping[str, str | Sequence[str]]
"""Query parameters; a list stands for a key that is repeated."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to be sent. `paid` requests get a connection of their own."""

    method: str
    path: str
    params: Params = field(default_factory=dict[str, str])
    content: bytes | None = field(default=None, repr=False)
    paid: bool = False
    own_connection: bool = False
    """Whether it needs one too, because nothing in its answer shows whose it is; see `Transport`."""
    names_nothing: bool = False
    """Whether it names nothing that could be absent: no id is in its address."""
    doubted: bytes | None = None
    """The answer to the last attempt, where it was not believed: the same answer again is."""
    before: Callable[[], Awaitable[None]] | None = None
    """Awaited once a connection is there, before the first byte leaves; what it raises stops that."""
    max_answer_bytes: int = facts.MAX_SMALL_ANSWER_BYTES


@dataclass(slots=True)
class Exchange:
    """The outcome of one attempt.

    `sent` is False only when not a byte of the request left. `answered_at` is the time of the answer's
    head, by the clock given. `failure` is None when a whole answer is there.
    """

    server: str = "the server"
    """What it is sent to, as messages name it: the host, and the proxy if there is one."""
    sent: bool = False
    answered_at: float | None = None
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    body: bytes = field(default=b"", repr=False)
    failure: Failure | None = None
    reason: str = ""
    halted: CleanlistError | None = None
    """What kept it from being sent, such as what `Request.before` raised."""
    recalled: bool = False
    """Whether it was not to leave any more when it could have: nothing was sent."""
    doubted: bytes | None = field(default=None, repr=False)
    """An answer that came and is not believed."""
    lost_rows: int | None = None
    """Rows of the answer that could not be read; None for an answer that is the JSON it should be."""

    def take_head(self, response: httpx.Response) -> None:
        """Note the status, and as much of the headers as is ever read: 200 of them, 1,000 characters each."""
        self.status = response.status_code
        self.headers = {}
        # A field may come several times, which means the same as its values joined by commas (RFC 9110, 5.3).
        for name, value in islice(response.headers.raw, _HEADERS_READ):
            key, text = name[:_HEADER_READ].decode("latin-1").lower(), value[:_HEADER_READ].decode("latin-1")
            self.headers[key] = f"{said}, {text}" if (said := self.headers.get(key)) else text

    def disown(self) -> None:
        """Discard the answer: it may be another request's, and ours may still be on its way."""
        # Without `answered_at` the tokens come back as after a lost attempt, hence not too early.
        self.doubted = self.body
        self.status, self.headers, self.body, self.answered_at = 0, {}, b"", None
        self.failure, self.reason = "connection", "two answers came at once, and the first may be another's"

    @property
    def ok(self) -> bool:
        """Whether the status is one of success (2xx)."""
        return 200 <= self.status < 300


_MOST_CAUSES: Final = 20
_SILENT: Final = {
    "ConnectError": "the connection was closed before TLS was agreed on; does what answers there speak TLS?",
}
"""What is meant by an exception without a message."""
_PROXY_STATUS: Final = re.compile(r"ProxyError: (\d{3})\b")
_PROXY_FIXES: Final = {
    "403": "The proxy does not allow this host: ask whoever runs it, or name another one or none"
    " (HTTPS_PROXY, NO_PROXY, proxy= or --proxy).",
    "407": "The proxy wants a user and a password: give them in its address (HTTPS_PROXY, proxy="
    " or --proxy).",
}
_CHECK: Final = "Check this machine's network and DNS, and base_url (CLEANLIST_BASE_URL)."


def describe(problem: Exception) -> str:
    """Return the class and the message of an exception on one line."""
    if "WRONG_VERSION_NUMBER" in str(problem):  # the words of OpenSSL for whatever is no TLS
        return "what answers there does not speak TLS"
    said = one_line(str(problem)) or _SILENT.get(type(problem).__name__, "")
    return f"{type(problem).__name__}: {said}".rstrip(": .")


def no_connection(server: str, reason: str, *, sent: bool) -> APIConnectionError:
    """Return the error of a request that got no answer; of one that was not *sent*, with what to check."""
    if sent:
        return APIConnectionError(f"No answer from {server}: {reason}.")
    proxy = _PROXY_STATUS.match(reason)
    fix, retryable = _CHECK, None
    if proxy is not None and (by_status := _PROXY_FIXES.get(proxy[1])) is not None:
        fix, retryable = by_status, False  # it would say the same again
    elif "TLS" in reason or "ssl" in reason.lower():
        fix = "Nothing there has a certificate: check the address, and whether a proxy is in between."
    # As `Transport` names a server that it reaches so.
    elif " through the proxy " in server:
        fix = f"Check the proxy. {_CHECK}"
    return APIConnectionError(
        f"No answer from {server}: {reason}. Nothing was sent.", fix=fix, retryable=retryable
    )


def failure_of(error: CleanlistError) -> Failure | None:
    """Return what went wrong below HTTP by the error that it became; None where HTTP worked."""
    if isinstance(error, APITimeoutError):
        return "timeout"
    return "connection" if isinstance(error, APIConnectionError) else None


def certificate_problem(problem: BaseException) -> str | None:
    """Return why the certificate of a server was refused; None if it is not that."""
    cause: BaseException | None = problem
    for _ in range(_MOST_CAUSES):  # hooks and transports of the caller's may chain them in a circle
        if cause is None:
            break
        if isinstance(cause, ssl.SSLCertVerificationError):
            return one_line(cause.verify_message).removesuffix(".")
        cause = cause.__cause__ or cause.__context__
    return None


def not_trusted(server: str, reason: str) -> APIConnectionError:
    """Return the error of a server whose certificate is refused; not a byte of the request left."""
    return APIConnectionError(
        f"The certificate of {server} is not trusted: {reason}.",
        fix="If a proxy here inspects TLS, or the server has a private authority, name the file of its"
        " certificates: SSL_CERT_FILE, verify= or --ca-bundle. Else check this machine's clock.",
        retryable=False,
    )


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
    No public name leads to the first and the last; without these, the check of each answer's ids remains.
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
