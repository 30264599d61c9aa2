"""A store in PostgreSQL, for processes of several machines. Needs the extra ``postgres``.

Its address may hold a password, which must not reach a repr, message, log or traceback. So it is kept as a
secret, and psycopg's errors are never chained to ours, because their frames hold it.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from importlib.util import find_spec
from typing import Final, TypeVar

from cleanlist_async.errors import CleanlistError, ConfigurationError, StoreError, StoreUnavailableError
from cleanlist_async.redact import Secret
from cleanlist_async.storage.store.postgres_session import WRONG_LOGIN, PostgresSession
from cleanlist_async.storage.store.statements import Operation
from cleanlist_async.storage.store.to_end import to_end

T = TypeVar("T")

_PASSING: Final = ("08", "53", "57", "25006", "25P03")
"""Beginnings of SQLSTATEs that pass: connections, resources, an operator, a standby, a pause of ours."""


class PostgresDatabase:
    """A store in a database that all who share it can reach.

    Raises ConfigurationError without psycopg, and for an address that is none, at once when it is made.
    """

    def __init__(self, url: str) -> None:
        try:
            self._name = _checked(url)
            self._url = Secret(url)
        finally:
            del url  # a traceback that shows local variables must not show it
        self._sessions: dict[asyncio.AbstractEventLoop, PostgresSession] = {}

    @property
    def name(self) -> str:
        """The name of the database and its host."""
        return self._name

    async def run(self, operation: Operation[T], *, commit_unless: T | None = None) -> T:
        """Run an operation as one transaction, after all that are under way."""
        return await to_end(asyncio.create_task(self._run(operation, commit_unless)))

    async def aclose(self) -> None:
        """Close the connections, those of other event loops too."""
        sessions, self._sessions = self._sessions, {}
        for loop, session in sessions.items():
            if loop is asyncio.get_running_loop():
                await to_end(asyncio.create_task(session.aclose()))
            elif loop.is_running():
                asyncio.run_coroutine_threadsafe(session.aclose(), loop)
            else:
                session.close()

    async def _run(self, operation: Operation[T], commit_unless: T | None) -> T:
        try:
            return await self._session().run(operation, commit_unless)
        except Exception as problem:  # noqa: BLE001  # psycopg's frames hold the password
            error = self._explained(problem)
        raise error  # outside the handler, so that it is not chained

    def _session(self) -> PostgresSession:
        running = asyncio.get_running_loop()
        for loop in [loop for loop in self._sessions if loop.is_closed()]:
            self._sessions.pop(loop).close()
        session = self._sessions.get(running)
        if session is None or session.pid != os.getpid():
            session = self._sessions[running] = PostgresSession(self._url)
        return session

    def _explained(self, problem: Exception) -> CleanlistError:
        import psycopg  # noqa: PLC0415

        if isinstance(problem, CleanlistError):
            return problem.with_traceback(None)
        kind, code = type(problem).__name__, str(getattr(problem, "sqlstate", None) or "")
        if isinstance(problem, psycopg.OperationalError) and not code and WRONG_LOGIN.search(str(problem)):
            return ConfigurationError(
                f"The store {self._name} is not there, or not for the user and password of its address.",
                fix="Check the address; the database and its user must exist.",
            )
        if code.startswith(_PASSING) or isinstance(
            problem, psycopg.OperationalError | OSError | TimeoutError
        ):
            return StoreUnavailableError(
                f"The store {self._name} cannot be reached, or does not answer ({kind}).",
                fix="Nothing is sent without it. Try again when the database is back.",
            )
        return StoreError(f"The store {self._name} refused a statement ({kind} {code}).".replace(" )", ")"))


def _checked(url: str) -> str:
    """Return the name of a database and its host. Raises ConfigurationError for what is no address."""
    if find_spec("psycopg") is None:
        raise ConfigurationError(
            "A store in PostgreSQL needs psycopg.", fix="Run: pip install 'cleanlist-async[postgres]'."
        )
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    with suppress(Exception):  # what it says may quote the address
        parts = conninfo_to_dict(url)
        return f"{parts.get('dbname') or 'postgres'} at {parts.get('host') or 'localhost'}"
    raise ConfigurationError(
        "The url of the store is not the address of a PostgreSQL database.",
        fix="Give one such as postgresql://user@host:5432/name.",
    )
