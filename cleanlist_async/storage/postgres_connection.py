"""Connections to a PostgreSQL that processes of several machines share, and its failures as our errors.

Its address may hold a password, which must not reach a repr, message, log or traceback. So it is kept as a
secret, and psycopg's errors are never chained to ours, because their frames hold it.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from cleanlist_async.checks import check_text, extra_missing
from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.redact import Secret

if TYPE_CHECKING:
    from psycopg import AsyncConnection

T = TypeVar("T")

_PASSING: Final = ("08", "53", "57", "25006", "25P03")
"""Beginnings of SQLSTATEs that pass: connections, resources, an operator, a standby, a pause of ours."""
_WRONG_LOGIN: Final = re.compile(
    "authentication failed|no password supplied|does not exist|no such (user|data)"
)
"""What a server says, in English, when the address is wrong rather than the server away."""
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class DatabaseKind:
    """What a database is for.

    Attributes
    ----------
    noun
        What messages call it.
    unavailable, refused
        The classes of errors that may pass, and of those that will not.
    while_away
        What its users do while it cannot be reached.
    reconnects
        Whether to connect again and again, as long as it has to answer, to a server that is away.

    """

    noun: str
    unavailable: type[CleanlistError]
    refused: type[CleanlistError]
    while_away: str
    reconnects: bool


class SharedPostgres:
    """One database by its address; any process and event loop may open a connection of its own.

    Raises ConfigurationError without psycopg, and for an address that is none, at once when it is made.
    """

    def __init__(self, url: str, kind: DatabaseKind) -> None:
        try:
            self.name: Final = _checked(url, kind)
            self._url = Secret(url)
        except ConfigurationError as refusal:
            raise refusal.with_traceback(None) from None  # its frames hold the address
        finally:
            del url
        self._kind = kind
        self._connections: dict[asyncio.AbstractEventLoop, PostgresConnection] = {}

    async def run(self, work: Work[T], answer_s: float) -> T:
        """Await *work* on the connection of this event loop, after all that is under way there.

        Raises the errors of its kind. What is not committed by then is undone.
        """
        try:
            return await self._connection().run(work, answer_s)
        except Exception as problem:  # noqa: BLE001  # psycopg's frames hold the password
            error = self._explained(problem)
        raise error  # outside the handler, so that it is not chained

    async def aclose(self) -> None:
        """Close the connections, those of other event loops too."""
        connections, self._connections = self._connections, {}
        for loop, connection in connections.items():
            if loop is asyncio.get_running_loop():
                await connection.aclose()
            elif loop.is_running():
                asyncio.run_coroutine_threadsafe(connection.aclose(), loop)
            else:
                connection.close()  # nothing is under way in a loop that does not run

    def _connection(self) -> PostgresConnection:
        running = asyncio.get_running_loop()
        for loop in [loop for loop in self._connections if loop.is_closed()]:
            self._connections.pop(loop).close()
        connection = self._connections.get(running)
        if connection is None or connection.pid != os.getpid():
            connection = PostgresConnection(self._url, reconnects=self._kind.reconnects)
            self._connections[running] = connection
        return connection

    def _explained(self, problem: Exception) -> CleanlistError:
        import psycopg  # noqa: PLC0415

        if isinstance(problem, CleanlistError):
            return problem.with_traceback(None)
        kind, code = type(problem).__name__, str(getattr(problem, "sqlstate", None) or "")
        database = f"The {self._kind.noun} {self.name}"
        if isinstance(problem, psycopg.OperationalError) and not code and _WRONG_LOGIN.search(str(problem)):
            return ConfigurationError(
                f"{database} is not there, or not for the user and password of its address.",
                fix="Check the address; the database and its user must exist.",
            )
        if code.startswith(_PASSING) or isinstance(
            problem, psycopg.OperationalError | OSError | TimeoutError
        ):
            return self._kind.unavailable(
                f"{database} cannot be reached, or does not answer ({kind}).",
                fix=f"{self._kind.while_away} Try again when the database is back.",
            )
        if isinstance(problem, psycopg.errors.InsufficientPrivilege | psycopg.errors.InvalidSchemaName):
            return self._kind.refused(
                f"{database} does not let its user do what is needed ({kind} {code}).",
                fix="The user must be able to create tables in the schema of the address, and to use them.",
            )
        return self._kind.refused(f"{database} refused a statement ({kind} {code}).".replace(" )", ")"))


class PostgresConnection:
    """One connection of an event loop, opened when it is needed, and again when it broke.

    One transaction at a time is on it: those that share something take turns in the server, so a second
    connection would only wait there.
    """

    def __init__(self, url: Secret, *, reconnects: bool) -> None:
        self.pid: Final = os.getpid()
        self._url = url
        self._reconnects = reconnects
        self._turn = asyncio.Lock()
        self._connection: AsyncConnection[Any] | None = None

    async def run(self, work: Work[T], answer_s: float) -> T:
        """Await *work*, after what is under way; it has *answer_s* seconds for both.

        Raises TimeoutError and errors of psycopg, with frames that hold the password.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + answer_s
        async with asyncio.timeout_at(until):
            await self._turn.acquire()
        watchdog = loop.call_at(until, self._cut)
        try:
            return await work(self, until)
        except BaseException:
            if not self._is_idle():
                self.close()  # the server undoes what is not committed
            raise
        finally:
            watchdog.cancel()
            self._turn.release()

    async def begin(
        self,
        work: Callable[[AsyncConnection[Any]], Awaitable[T]],
        until: float,
        *,
        is_begun: Callable[[], bool] = lambda: False,
    ) -> T:
        """Await *work*, which begins a transaction.

        The server may have closed the connection while it was idle: then *work* is done again on a new one,
        unless it *is_begun* by then.
        """
        from psycopg import OperationalError  # noqa: PLC0415

        if self._connection is not None:
            try:
                return await work(self._connection)
            except OperationalError:
                if is_begun():
                    raise
            self.close()
        self._connection = await self._connect(until)
        return await work(self._connection)

    async def aclose(self) -> None:
        """Close the connection after the transactions that are under way."""
        async with self._turn:
            self.close()

    def close(self) -> None:
        """Close the connection, with a transaction that is open; the next transaction opens another."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self.pid == os.getpid():
            connection.pgconn.finish()
        else:
            _of_parents.append(connection)  # closing it here would end the parent's

    def _is_idle(self) -> bool:
        """Whether the connection is open, with no transaction and nothing to answer."""
        from psycopg.pq import TransactionStatus  # noqa: PLC0415

        connection = self._connection
        return connection is not None and connection.info.transaction_status == TransactionStatus.IDLE

    def __del__(self) -> None:
        self.close()  # psycopg's warning of one that is left open names its user

    async def _connect(self, until: float) -> AsyncConnection[Any]:
        from psycopg import AsyncConnection, OperationalError  # noqa: PLC0415

        pause_s = _FIRST_PAUSE_S
        async with asyncio.timeout_at(until):
            while True:
                try:
                    # Prepared statements belong to a session, which a pool in transaction mode does not keep.
                    # With autocommit, since operations send BEGIN and COMMIT themselves.
                    return await AsyncConnection.connect(
                        self._url.reveal(), autocommit=True, prepare_threshold=None, connect_timeout=3
                    )
                except OperationalError as problem:
                    if not self._reconnects or _WRONG_LOGIN.search(str(problem)):
                        raise
                await asyncio.sleep(pause_s)  # a server that restarts is away for seconds
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _cut(self) -> None:
        """End a transaction that is late, as if the network had failed.

        psycopg would ask the server to cancel the statement, and wait for its answer. Closing the descriptor
        under a reader would leave the reader waiting, perhaps for another's.
        """
        if self._connection is not None and not self._connection.closed:
            with (
                suppress(OSError),
                # Of whichever family: to shut it down, the kernel does not ask.
                socket.fromfd(self._connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as duplicate,
            ):
                duplicate.shutdown(socket.SHUT_RDWR)


Work: TypeAlias = Callable[[PostgresConnection, float], Awaitable[T]]
"""What one transaction does on a connection, until a time of the event loop."""

_of_parents: Final[list[object]] = []
"""Connections that a fork brought along: kept, since to drop one may close it."""


def _checked(url: str, kind: DatabaseKind) -> str:
    """Return the name of a database and its host. Raises ConfigurationError for what is no address."""
    if find_spec("psycopg") is None:
        raise extra_missing(f"A {kind.noun} in PostgreSQL needs psycopg.", "postgres")
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    check_text("url", url)
    with suppress(Exception):  # what it says may quote the address
        parts = conninfo_to_dict(url)
        return f"{parts.get('dbname') or 'postgres'} at {parts.get('host') or 'localhost'}"
    raise ConfigurationError(
        f"The url of the {kind.noun} is not the address of a PostgreSQL database.",
        fix="Give one such as postgresql://user@host:5432/name.",
    )
