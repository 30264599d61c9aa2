"""A file from a signed address: without the key, to the disk as it comes, in its place when it is whole."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
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
from cleanlist_async.redact import one_line
from cleanlist_async.transport.addresses import safe_url
from cleanlist_async.transport.reading import wire_bytes

_HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": "cleanlist-async"}
_OK: Final = 200
_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class Download:
    """What to fetch, and where to. `size` is in bytes, None where nobody said; `idle_s` in seconds."""

    url: str
    target: Path
    size: int | None
    idle_s: float


async def download(connections: httpx.AsyncBaseTransport, wanted: Download) -> int:
    """Fetch a file and return its size in bytes; what was at the target is replaced at the end.

    Raises APIConnectionError for a download that broke off, MalformedResponseError for an answer that is not
    the file, ConfigurationError where it cannot be written. The target is then as it was.
    """
    url = safe_url(wanted.url)
    if url is None:
        raise MalformedResponseError("The address of the file is not one to fetch it from.", retryable=False)
    part = wanted.target.with_name(f"{wanted.target.name}.{uuid4().hex[:8]}.part")
    try:
        async with _answer(connections, url, wanted.idle_s) as response:
            size = await _store(response, part, wanted)
        with _explained(wanted.target):
            await anyio.to_thread.run_sync(os.replace, part, wanted.target)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    return size


@asynccontextmanager
async def _answer(
    connections: httpx.AsyncBaseTransport, url: httpx.URL, idle_s: float
) -> AsyncGenerator[httpx.Response]:
    """Ask for the file. Not through a client of httpx: that would log the address, which is a secret."""
    timeout = httpx.Timeout(idle_s).as_dict()
    request = httpx.Request("GET", url, headers=_HEADERS, extensions={"timeout": timeout})
    try:
        response = await connections.handle_async_request(request)
        try:
            if response.status_code != _OK:
                raise _refused(response.status_code)
            yield response
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()
    except httpx.TimeoutException:
        problem: CleanlistError = APITimeoutError(f"Nothing of the file came for {idle_s:g} s.")
    except httpx.HTTPError as broken:
        problem = APIConnectionError(f"The download broke off: {type(broken).__name__}.")
    else:
        return
    raise problem  # without httpx's own, which shows the address


def _refused(status: int) -> CleanlistError:
    retryable = status >= _SERVER_ERROR
    return MalformedResponseError(
        f"The address of the file was answered with {status}.",
        retryable=retryable,
        fix=None if retryable else "It is good for a day: export again.",
    )


async def _store(response: httpx.Response, part: Path, wanted: Download) -> int:
    """Write the file; raises APIConnectionError when it is not as long as it should be."""
    size, target = 0, wanted.target
    with _explained(target):
        file = await anyio.open_file(part, "xb")
    async with file:
        async for received in wire_bytes(response):
            with _explained(target):
                await file.write(received)
            size += len(received)
        with _explained(target):
            await file.flush()
            await anyio.to_thread.run_sync(os.fsync, file.wrapped.fileno())
    if wanted.size and size != wanted.size:
        raise APIConnectionError(f"The file has {size:,} bytes instead of {wanted.size:,}.")
    return size


@contextmanager
def _explained(target: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"{one_line(str(target), 80)} cannot be written ({error.strerror or type(error).__name__})."
        ) from error
