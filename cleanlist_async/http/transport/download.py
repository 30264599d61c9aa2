"""A file from a signed address: without the key, to the disk as it comes, in its place when it is whole."""

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
from cleanlist_async.http.transport.addresses import safe_url, same_origin
from cleanlist_async.http.transport.body import wire_bytes
from cleanlist_async.http.transport.networks import ForbiddenNetworkError, Network, PeerCheck, networks_of
from cleanlist_async.redact import one_line
from cleanlist_async.storage.permissions import opener_for

_HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": "cleanlist-async"}
_OK: Final = 200
_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class Download:
    """What to fetch, and where to.

    `size` and `max_bytes` are in bytes, `size` None where nobody said; `idle_s` in seconds. `answered` is
    called when the head of the answer is there. Whoever has the address can fetch the file: no repr shows it,
    nor a traceback that shows local variables.
    """

    url: str = field(repr=False)
    target: Path
    size: int | None
    max_bytes: int
    idle_s: float
    answered: Callable[[], object] = lambda: None


@dataclass(frozen=True, slots=True)
class Vantage:
    """Where a file is asked for from: the address of the API, and whether a proxy stands in between."""

    base_url: str
    is_proxied: bool = False


async def download(connections: httpx.AsyncBaseTransport, wanted: Download, vantage: Vantage) -> int:
    """Fetch a file and return its size in bytes; what was at the target is replaced at the end.

    Raises APIConnectionError for a download that broke off, MalformedResponseError for an answer that is not
    the file, ConfigurationError where it cannot be written. The target is then as it was.
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
    connections: httpx.AsyncBaseTransport, wanted: Download, vantage: Vantage
) -> AsyncGenerator[httpx.Response]:
    """Ask for the file. Not through a client of httpx: that would log the address, which is a secret."""
    try:
        response = await connections.handle_async_request(await _request(wanted, vantage))
        try:
            wanted.answered()
            _check_head(response, wanted)
            yield response
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()
    except ForbiddenNetworkError:
        problem: CleanlistError = MalformedResponseError(
            "The address of the file is not one to fetch it from.", retryable=False
        )
    except (httpx.TimeoutException, TimeoutError):
        problem = APITimeoutError(f"Nothing of the file came for {wanted.idle_s:g} s.")
    except httpx.HTTPError as broken:
        problem = APIConnectionError(f"The download broke off: {type(broken).__name__}.")
    else:
        return
    raise problem  # without the frames below, which hold the address


async def _request(wanted: Download, vantage: Vantage) -> httpx.Request:
    """Make the request. Raises ForbiddenNetworkError where it would go to a network that it may not go to."""
    resolves = not vantage.is_proxied  # a proxy looks names up itself
    extensions: dict[str, Any] = {"timeout": httpx.Timeout(wanted.idle_s).as_dict()}
    with anyio.fail_after(wanted.idle_s):
        home = await networks_of(httpx.URL(vantage.base_url), resolves=resolves) - {"none"}
        url = safe_url(wanted.url, home)
        if url is None:
            raise ForbiddenNetworkError
        if resolves and not same_origin(wanted.url, vantage.base_url):
            allowed: set[Network] = {"public", *home}
            if not await networks_of(url, resolves=True) <= allowed:
                raise ForbiddenNetworkError
            extensions["trace"] = PeerCheck(allowed)
    return httpx.Request("GET", url, headers=_HEADERS, extensions=extensions)


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
        fix=None if retryable else "It is good for a day: export again.",
    )


def _created(part: Path, target: Path) -> BufferedWriter:
    """Create the file. Not in a thread: a caller who is cancelled meanwhile would leave it open for good."""
    with _explained(target):
        return open(part, "xb", opener=opener_for(target))


async def _store(response: httpx.Response, part: Path, wanted: Download) -> int:
    """Write the file; raises APIConnectionError when it is not as long as it should be."""
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
