"""One request, and the outcome of one attempt to send it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final, TypeAlias

import httpx

from cleanlist_async import facts
from cleanlist_async.errors import CleanlistError
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

    def copied(self) -> Exchange:
        """Return a copy, which keeps the body."""
        return replace(self)

    @property
    def ok(self) -> bool:
        """Whether the status is one of success (2xx)."""
        return 200 <= self.status < 300
