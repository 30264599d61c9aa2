"""Connections to the Redis that processes of several machines share, and its failures as our errors.

Its address may hold a password, which must not reach a repr, message, log or traceback, local variables
included. So the address is parsed at once, redis-py gets the password only to log in, and its exceptions are
never chained to ours, because their frames hold it. Messages name the host at most, and those of the server
are cut to their first word.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cleanlist_async.checks import check_text, extra_missing, wrong
from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.redact import Secret, one_line

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.credentials import CredentialProvider

T = TypeVar("T")

_ANSWER_S: Final = 2.0
"""Seconds that Redis has to accept a connection, and to answer; it needs milliseconds."""

_PARTS: Final = frozenset({"host", "port", "db", "path", "connection_class"})
_OPTIONS: Final = _PARTS | {"client_name", "health_check_interval", "protocol", "socket_keepalive"}
"""What an address may say: others, such as ``decode_responses``, would change what every answer means."""

_PASSING: Final = frozenset(
    {
        *("ReadOnlyError", "MasterDownError", "ClusterDownError", "TryAgainError", "OutOfMemoryError"),
        *("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "OOM"),
        *("MISCONF", "NOREPLICAS", "BUSY", "UNKILLABLE"),
    }
)
"""Errors, by class or first word, that pass by themselves: a failover, a full memory or disk."""


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
            options, user, password = _parts_of(url)
        except ConfigurationError as refusal:
            raise refusal.with_traceback(None) from None  # its frames hold the address
        finally:
            del url
        self._options = options
        self._user, self._password = user, password
        self._answer_s = answer_s
        self.client()  # fails now, not at the first request

    def client(self) -> Redis:
        """Return a client for the running event loop. It connects when it is first used."""
        from redis.asyncio import ConnectionPool, Redis  # noqa: PLC0415
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415

        has_login = self._user is not None or self._password is not None
        options: dict[str, Any] = {
            "socket_timeout": self._answer_s,
            "socket_connect_timeout": self._answer_s,
            "retry": Retry(NoBackoff(), 0),  # our callers retry, and know which scripts may run twice
            "decode_responses": False,
            "credential_provider": _login(self._user, self._password) if has_login else None,
            **self._options,
        }
        return Redis.from_pool(ConnectionPool(**options))

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await *work*.

        Raises RedisUnavailableError for what may pass, ConfigurationError for what will not.
        """
        from redis import exceptions  # noqa: PLC0415

        try:
            return await work()
        except (exceptions.RedisError, OSError) as error:
            problem = _explained(error)
        raise problem  # outside the handler, so that it is not chained


def _parts_of(url: str) -> tuple[dict[str, Any], Secret | None, Secret | None]:
    """Return the options of an address, its user and its password."""
    if find_spec("redis") is None:  # of the extra "redis"
        raise extra_missing("Sharing through Redis needs redis-py.", "redis")
    from redis.asyncio.connection import ConnectionPool, parse_url  # noqa: PLC0415

    odd: list[str] = []
    with suppress(Exception):  # what it says may quote the address
        url.encode()
        options: dict[str, Any] = {**parse_url(url)}
        user, password = (
            text if text is None else Secret(text)
            for text in (options.pop("username", None), options.pop("password", None))
        )
        odd = [name for name in options if name not in _OPTIONS and not name.startswith("ssl_")]
        ConnectionPool(**options).make_connection()  # type: ignore[no-untyped-call]  # it alone looks at all
        if not odd:
            return options, user, password
    if odd:
        raise ConfigurationError(
            f"The address of a Redis cannot have the option {one_line(odd[0], 40)!r}.",
            fix=f"It may have {', '.join(sorted(_OPTIONS - _PARTS))} and those that begin with ssl_.",
        )
    raise ConfigurationError(
        "url is not the address of a Redis.",
        fix="Give one such as redis://host:6379/0, rediss:// for TLS, or unix:///path.",
    )


def _login(user: Secret | None, password: Secret | None) -> CredentialProvider:
    from redis.credentials import CredentialProvider  # noqa: PLC0415

    class Login(CredentialProvider):
        def get_credentials(self) -> tuple[str] | tuple[str, str]:
            word = password.reveal() if password else ""
            return (user.reveal(), word) if user else (word,)

        async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
            return self.get_credentials()

    return Login()


def _explained(error: Exception) -> CleanlistError:
    from redis import exceptions  # noqa: PLC0415

    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError):
        return ConfigurationError(
            "Redis does not accept the user or password of its address.", fix="Check the address."
        )
    if isinstance(error, exceptions.NoPermissionError):
        return ConfigurationError(
            "The user of that Redis may not do what sharing needs.",
            fix="Allow it ~{*}*, +@string, +@hash, +@list, +@scripting, +@connection, +@transaction, +del, "
            "+expire, +pexpire, +time and +info.",
        )
    name, word = type(error).__name__, str(error).partition(" ")[0]
    if isinstance(error, exceptions.AskError):  # and MovedError, which is one
        return ConfigurationError(
            "This Redis is one server of a cluster, and the keys of the namespace are on another.",
            fix="Give the address of that server, another namespace, or a Redis that is no cluster.",
        )
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError | OSError):
        return RedisUnavailableError(f"Redis cannot be reached ({name}).")
    if name in _PASSING or word in _PASSING:
        return RedisUnavailableError(f"Redis cannot do its work now ({name}: {word[:40]}).")
    return ConfigurationError(
        f"Redis refused a command ({name}: {word[:40]}).",
        fix="It must be a Redis (5 or later) or Valkey, not a proxy that knows no scripts.",
    )
