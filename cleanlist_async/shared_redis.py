"""The Redis that processes of several machines share: its connections, and its failures in our words.

Its address may hold a password: it is in no repr, message or log here. redis-py's own messages name the
host at most, and those of the server are cut to their first word.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from random import SystemRandom
from typing import TYPE_CHECKING, Final

from cleanlist_async.checks import check_text, wrong
from cleanlist_async.errors import CleanlistError, ConfigurationError

if TYPE_CHECKING:
    from redis.asyncio import Redis

_ANSWER_S: Final = 2.0
"""Seconds that Redis has to accept a connection, and to answer: it does either in milliseconds."""
_FIRST_BACKOFF_S: Final = 0.05
JITTER: Final = SystemRandom()
"""Not the generator that all share: it is asked from threads of ours, and forked processes must differ."""

_PASSING: Final = frozenset(
    {
        *("ReadOnlyError", "MasterDownError", "ClusterDownError", "TryAgainError", "OutOfMemoryError"),
        *("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "OOM"),
        *("MISCONF", "NOREPLICAS", "BUSY", "UNKILLABLE"),
    }
)
"""Errors, by class or first word, that go away without us: a failover, a full memory or disk."""


class RedisUnavailableError(CleanlistError):
    """Redis cannot be reached now, or cannot do its work."""

    retryable = True


def check_namespace(namespace: object) -> None:
    """Raise ConfigurationError unless this can begin the keys that belong together."""
    check_text("namespace", namespace)
    if not str(namespace).isprintable() or set(str(namespace)) & set("{}"):
        raise wrong("namespace", "printable text without braces", namespace)


class SharedRedis:
    """One Redis by its address; any process and event loop may open connections of its own.

    Raises ConfigurationError when redis-py is missing or *url* is no address, at once when it is made.
    """

    def __init__(self, url: str, answer_s: float = _ANSWER_S) -> None:
        try:
            from redis import asyncio as redis_asyncio  # noqa: PLC0415  # of the extra "redis"
        except ImportError:
            raise ConfigurationError(
                "Sharing through Redis needs redis-py.", fix="Run: pip install 'cleanlist-async[redis]'."
            ) from None
        check_text("url", url)
        self._from_url: Callable[..., Redis] = redis_asyncio.Redis.from_url  # pyright: ignore[reportUnknownMemberType]
        self._url = url
        self._answer_s = answer_s
        try:
            self.client()
        except Exception:  # noqa: BLE001  # what it says may quote the address
            raise ConfigurationError(
                "url is not the address of a Redis.",
                fix="Give one such as redis://host:6379/0, rediss:// for TLS, or unix:///path.",
            ) from None

    def client(self) -> Redis:
        """Return a client for the running event loop. It connects when it is first used."""
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415

        return self._from_url(
            self._url,
            socket_timeout=self._answer_s,
            socket_connect_timeout=self._answer_s,
            retry=Retry(NoBackoff(), 0),
            decode_responses=False,
        )


@contextmanager
def explained() -> Generator[None]:
    """Raise RedisUnavailableError for what may pass, ConfigurationError for what will not."""
    from redis import exceptions  # noqa: PLC0415

    try:
        yield
    except (exceptions.AuthenticationError, exceptions.AuthorizationError):
        raise ConfigurationError(
            "Redis does not accept the user or password of its address.", fix="Check the address."
        ) from None
    except exceptions.NoPermissionError:
        raise ConfigurationError(
            "The user of that Redis may not do what sharing needs.",
            fix="Allow it ~{*}*, +@string, +@hash, +@list, +@scripting, +@connection, +@transaction, +del, "
            "+expire, +pexpire, +time and +info.",
        ) from None
    except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
        raise RedisUnavailableError(f"Redis cannot be reached ({type(error).__name__}).") from None
    except exceptions.RedisError as error:
        name, word = type(error).__name__, str(error).partition(" ")[0]
        if name in _PASSING or word in _PASSING:
            raise RedisUnavailableError(f"Redis cannot do its work now ({name}: {word[:40]}).") from None
        raise ConfigurationError(
            f"Redis refused a command ({name}: {word[:40]}).",
            fix="It must be a Redis (5 or later) or Valkey, not a proxy that knows no scripts.",
        ) from None


class Backoff:
    """When to try again: later after each failure, up to *longest_s*, and not all processes at once."""

    def __init__(self, longest_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest_s = longest_s
        self._clock = clock
        self._failures = 0
        self._until = -math.inf

    def is_over(self) -> bool:
        """Whether it is time to try."""
        return self._clock() >= self._until

    def failed(self) -> int:
        """Wait longer than the last time; return how many times it was."""
        wait_s = min(_FIRST_BACKOFF_S * 2.0**self._failures, self._longest_s)
        self._until = self._clock() + wait_s * JITTER.uniform(0.5, 1.0)
        self._failures = min(self._failures + 1, 10)
        return self._failures

    def succeeded(self) -> bool:
        """Begin anew; return whether it had failed."""
        had_failed = self._failures > 0
        self._failures, self._until = 0, -math.inf
        return had_failed
