"""The headers of every request: ours, and those that the caller adds."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from typing import Final, Self, TypeAlias, cast

import httpx

from cleanlist_async import __version__
from cleanlist_async.checks import check_instance, shown
from cleanlist_async.errors import ConfigurationError

Headers: TypeAlias = httpx.Headers

USER_AGENT: Final = (
    f"cleanlist-async/{__version__} python/{platform.python_version()} httpx/{httpx.__version__}"
)
ACCEPTED_ENCODING: Final = "identity"  # a compressed answer of 2 kB can become 1 GiB

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_VALUE: Final = re.compile(r"[!-~](?:[\t -~]*[!-~])?", re.ASCII)
_RESERVED: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
    }
)


class DefaultHeaders:
    """Headers of every request to the API. Its repr shows their names only: a value may be a secret."""

    __slots__ = ("_pairs", "names")

    def __init__(self, pairs: Mapping[str, str]) -> None:
        own = {"accept": ("Accept", "application/json"), "user-agent": ("User-Agent", USER_AGENT)}
        own["accept-encoding"] = ("Accept-Encoding", ACCEPTED_ENCODING)
        given = {name.lower(): (name, value) for name, value in pairs.items()}
        self._pairs = tuple((own | given).values())
        self.names = tuple(pairs)

    @classmethod
    def checked(cls, given: object) -> Self:
        """Return the headers of the option ``default_headers``. Raises ConfigurationError."""
        if given is None:
            return cls({})
        check_instance("default_headers", given, Mapping)
        pairs: dict[str, str] = {}
        for name, value in cast("Mapping[object, object]", given).items():
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ConfigurationError(f"default_headers holds what is no name of a header: {shown(name)}.")
            if name.lower() in _RESERVED:
                raise ConfigurationError(f"default_headers cannot hold {name}: the client sets it itself.")
            if not isinstance(value, str) or not _VALUE.fullmatch(value):
                raise ConfigurationError(f"default_headers[{name!r}] must be printable ASCII text.")
            pairs[name] = value
        return cls(pairs)

    def for_request(self, authorization: str, *, has_body: bool) -> list[tuple[str, str]]:
        """Return all headers of one request."""
        body = [("Content-Type", "application/json")] if has_body else []
        return [*self._pairs, *body, ("Authorization", authorization)]

    def __repr__(self) -> str:
        return f"<DefaultHeaders {', '.join(self.names)}>"
