"""Downloads a file from a signed address, without the key; the target is replaced when the file is whole."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedWriter
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import anyio
import httpx

from cleanlist_async.errors import (
    APIConnectionError,
    APITimeoutError,
    CleanlistError,
    ConfigurationError,
    MalformedResponseError,
)
from cleanlist_async.http.transport.addresses import (
    ForbiddenNetworkError,
    Network,
    PeerCheck,
    networks_of,
    safe_url,
    same_origin,
)
from cleanlist_async.http.transport.connection_options import ACCEPTED_ENCODING, USER_AGENT, HTTPConnections
from cleanlist_async.http.transport.exchange import certificate_problem, not_trusted, wire_bytes
from cleanlist_async.redact import one_line
from cleanlist_async.storage.permissions import opener_for

_HEADERS: Final = {"Accept-Encoding": ACCEPTED_ENCODING, "User-Agent": USER_AGENT}
_OK: Final = 200
_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class Download:
    """A file to fetch, and the path to write it to.

    `size`, None where it is not known, and `max_bytes` are in bytes; `idle_s` is the longest silence in
    seconds. `answered` is called with the status once the head of the answer is there. Anyone with the
    address can fetch the file, so no repr or traceback shows it.
    """

    url: str = field(repr=False)
    target: Path
    size: int | None
    max_bytes: int
    idle_s: float
    answered: Callable[[int], object] = lambda _status: None


@dataclass(frozen=True, slots=True)
class Vantage:
    """The starting point of a download: the API's address, whether a proxy is in between, httpx or httpx2."""

    base_url: str
    is_proxied: bool = False
    library: Any = httpx


async def download(connections: HTTPConnections, wanted: Download, vantage: Vantage) -> int:
    """Fetch a file and return its size in bytes; a file at the target is replaced at the end.

    Raises APIConnectionError where it broke off, MalformedResponseError for an answer that is not the file,
    ConfigurationError where it cannot be written. The target is then as it was.
    """
    if (wanted.size or 0) > wanted.max_bytes:
        raise _too_large(wanted)
    # Beside the target, so that the move at the end stays on one file system and is atomic.
    part = wanted.target.with_name(f"{wanted.target.name}.{uuid4().hex[:8]}.part")
    try:
        async with _answer(connections, wanted, vantage) as response:
            size = await _store(response, part, wanted)
        with _explained(wanted.target):
            await anyio.to_thread.run_sync(os.replace, part, wanted.target)
    except BaseException:
        with suppress(OSError, ValueError):
            part.unlink()
        raise
    return size


@asynccontextmanager
async def _answer(
    connections: HTTPConnections, wanted: Download, vantage: Vantage
) -> AsyncGenerator[httpx.Response]:
    """Request the file. Not through a client of httpx: that would log the address, which is a secret."""
    try:
        response = await connections.handle_async_request(await _request(wanted, vantage))
        try:
            wanted.answered(response.status_code)
            _check_head(response, wanted)
            yield response
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()
    except ForbiddenNetworkError:
        problem: CleanlistError = MalformedResponseError(
            "The address of the file is not one that may be fetched.", retryable=False
        )
    except (vantage.library.TimeoutException, TimeoutError):
        problem = APITimeoutError(f"No data of the file arrived for {wanted.idle_s:g} s.")
    except vantage.library.HTTPError as broken:
        if untrusted := certificate_problem(broken):
            problem = not_trusted("the server of the file", untrusted)
        else:
            problem = APIConnectionError(f"The download broke off: {type(broken).__name__}.")
    else:
        return
    raise problem  # here, without the frames below, which hold the address


async def _request(wanted: Download, vantage: Vantage) -> httpx.Request:
    """Make the request. Raises ForbiddenNetworkError if it would reach into a network that is not allowed."""
    resolves = not vantage.is_proxied  # a proxy looks names up itself
    extensions: dict[str, Any] = {"timeout": httpx.Timeout(wanted.idle_s).as_dict()}
    with anyio.fail_after(wanted.idle_s):
        home = await networks_of(httpx.URL(vantage.base_url), resolves=resolves) - {"none"}
        url = safe_url(wanted.url, home)
        if url is None:
            raise ForbiddenNetworkError
        # The API's own server is trusted with the key already; any other is checked twice: now, and by the
        # address that the connection is then made to.
        if resolves and not same_origin(wanted.url, vantage.base_url):
            allowed: set[Network] = {"public", *home}
            if not await networks_of(url, resolves=True) <= allowed:
                raise ForbiddenNetworkError
            extensions["trace"] = PeerCheck(allowed)
    wire: httpx.Request = vantage.library.Request("GET", str(url), headers=_HEADERS, extensions=extensions)
    return wire


def _too_large(wanted: Download) -> MalformedResponseError:
    return MalformedResponseError(
        f"The file is larger than {wanted.max_bytes:,} bytes.",
        retryable=False,
        fix="Give a larger max_bytes.",
    )


def _check_head(response: httpx.Response, wanted: Download) -> None:
    status, encoding = response.status_code, response.headers.get("content-encoding", "identity")
    if status == _OK and encoding.strip().lower() in {"identity", ""}:
        length = response.headers.get("content-length", "")
        # Only an early refusal: `_store` counts, since the header may be absent or wrong.
        if not wanted.size and length.isdecimal() and int(length) > wanted.max_bytes:
            raise _too_large(wanted)
        return
    if status == _OK:
        problem = f"The file came with an unexpected Content-Encoding {one_line(encoding, 40)!r}."
        raise MalformedResponseError(problem, retryable=False)
    retryable = status >= _SERVER_ERROR
    raise MalformedResponseError(
        f"The address of the file was answered with {status}.",
        retryable=retryable,
        fix=None if retryable else "The address is valid for a day: export again.",
    )


def _created(part: Path, target: Path) -> BufferedWriter:
    """Create the file. Not in a thread: if the caller were cancelled meanwhile, it would never be closed."""
    with _explained(target):  # "x" never follows a link that was put there
        return open(part, "xb", opener=opener_for(target))


async def _store(response: httpx.Response, part: Path, wanted: Download) -> int:
    """Write the file; raises APIConnectionError when its length is not the one announced."""
    size, target = 0, wanted.target
    with closing(_created(part, target)) as opened:
        file = anyio.wrap_file(opened)
        async for received in wire_bytes(response):
            with _explained(target):
                await file.write(received)
            size += len(received)
            # The answer may be endless: stop with the part that passes the announced size.
            if size > (wanted.size or wanted.max_bytes):
                break
        with _explained(target):
            await file.flush()
            # Before the move: a crash after it must not leave an empty file under the final name.
            await anyio.to_thread.run_sync(os.fsync, opened.fileno())
    if not wanted.size and size > wanted.max_bytes:
        raise _too_large(wanted)
    if wanted.size and size != wanted.size:
        more = "more than" if size > wanted.size else f"{size:,} instead of"
        raise APIConnectionError(f"The file has {more} {wanted.size:,} bytes.")
    return size


@contextmanager
def _explained(target: Path) -> Generator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ConfigurationError(f"{one_line(str(target), 80)} cannot be written ({reason}).") from error
