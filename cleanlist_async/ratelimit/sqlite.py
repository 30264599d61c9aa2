"""A file in which the processes of one machine share their tokens. No server; it survives any process.

Each sync is one transaction: the pool is read, `Pool.sync` is applied, the pool is written. The clock counts
from the start of the machine, also while it sleeps, so it cannot be set back. If it reads less than the file
has seen, the machine was restarted, and all tokens that are out were sent before that. So a commit need not
be forced to the disk: after a loss of power, nothing was sent since.

It assumes one machine: not a network file system, and no containers whose clocks are offset.

A file that is locked or cannot grow is waited for. Where it was deleted or replaced, each process that used
it counts all that it sent until its last sync there: the new file starts a lease and a window after that.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final, cast

from cleanlist_async.errors import ConfigurationError
from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.shared.backend import (
    PoolState,
    Reachability,
    SyncAnswer,
    SyncRequest,
    boot_clock,
    has_ended,
    poll_s,
)
from cleanlist_async.ratelimit.shared.pool import NamedPool, Pool, named_pools
from cleanlist_async.storage.sqlite_file import SharedFile, may_pass

log: Final = logging.getLogger("cleanlist_async")


class LimitsFile:
    """The backend in a file. Each process opens it for itself; a fork opens its own connection.

    Making one raises ConfigurationError if the file cannot be used.
    """

    def __init__(
        self, path: str | os.PathLike[str], limits: RateLimits, clock: Callable[[], float] = boot_clock
    ) -> None:
        self.limits = limits
        self.clock = clock
        self._file = SharedFile(path)
        self.reachability = Reachability(self._file.path.name, poll_s(limits), clock)
        # By organization: the time of the last sync, and which of the files with this path it was.
        self._synced_at: dict[str, tuple[float, int]] = {}

    # -- the protocol --------------------------------------------------------------------------

    async def sync(self, request: SyncRequest) -> SyncAnswer:
        """Apply a sync atomically."""
        names = [request.organization, *(key for one in request.wanted for key in one.keys)]
        with self._waited_for():
            with self._file.transaction() as rows:
                number, pool = self._find(rows, names)
                self._presume_spent(pool, request.organization)
                answer = pool.sync(request, self.clock(), clock_began_at=0.0, is_dead=has_ended)
                _save(rows, number, answer.pool)
            self._synced_at[request.organization] = (answer.pool["now"], self._file.times_replaced)
        return answer

    async def join(self, organization: str, other: str) -> None:
        """Make two names one organization, with all that is out under either."""
        with self._waited_for(), self._file.transaction() as rows:
            number, pool = self._find(rows, [organization, other])
            _save(rows, number, pool.state())

    @contextmanager
    def _waited_for(self) -> Generator[None]:
        """Raise BackendUnavailableError where trouble with the file may pass, and while it is too early."""
        self.reachability.check()
        try:
            yield
        except ConfigurationError as error:
            if not may_pass(error.__cause__):
                raise
            problem = error.problem
        else:
            self.reachability.found()
            return
        raise self.reachability.lost(problem)

    def _presume_spent(self, pool: Pool, organization: str) -> None:
        last_sync_at, times_replaced = self._synced_at.get(organization, (0.0, self._file.times_replaced))
        if times_replaced == self._file.times_replaced:
            return
        pool.presume_spent(last_sync_at)
        pause_s = pool.organization.window.paused_until - self.clock()
        if pause_s > 0:
            log.warning(
                "%s was deleted or replaced while it was in use: requests wait for %.0f s, so that none "
                "draws a 429.",
                self._file.path.name,
                pause_s,
            )

    async def aclose(self) -> None:
        """Close the file; the next call opens it again."""
        self._file.close()

    # -- for the command line ------------------------------------------------------------------

    def pools(self) -> list[NamedPool]:
        """Return all pools, as they were at the last sync to each."""
        with self._file.transaction() as rows:
            states = rows.execute("SELECT id, state FROM pools").fetchall()
            names = rows.execute("SELECT name, pool FROM names").fetchall()
        self._file.close()
        with self._damage_explained():
            return named_pools({number: json.loads(state) for number, state in states}, names)

    def reset(self) -> None:
        """Forget all pools: every token is free at once, whatever is on its way to the server."""
        with self._file.transaction() as rows:
            rows.execute("DELETE FROM names")
            rows.execute("DELETE FROM pools")
        self._file.close()

    # -- pools and their names -----------------------------------------------------------------

    def _find(self, rows: sqlite3.Connection, names: list[str]) -> tuple[int, Pool]:
        """Return the pool of *names*; if they led to several, these are merged into one."""
        known = {name: _pool_of(rows, name) for name in dict.fromkeys(names)}
        numbers = list(dict.fromkeys(number for number in known.values() if number is not None))
        if numbers:
            number, *others = numbers
            pool = self._load(rows, number)
        else:
            pool, others = Pool(self.limits), []
            number = cast("int", rows.execute("INSERT INTO pools (state) VALUES ('')").lastrowid)
        for other in others:
            pool.absorb(self._load(rows, other))
            rows.execute("UPDATE names SET pool = ? WHERE pool = ?", (number, other))
            rows.execute("DELETE FROM pools WHERE id = ?", (other,))
        for name in (name for name, where in known.items() if where is None):
            rows.execute("INSERT INTO names VALUES (?, ?)", (name, number))
        return number, pool

    def _load(self, rows: sqlite3.Connection, number: int) -> Pool:
        state = rows.execute("SELECT state FROM pools WHERE id = ?", (number,)).fetchone()
        with self._damage_explained():
            pool = Pool.of(json.loads(state[0]))
        pool.advance_to(self.clock(), clock_began_at=0.0)
        pool.agree(self.limits)
        return pool

    @contextmanager
    def _damage_explained(self) -> Generator[None]:
        try:
            yield
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f"The limits file {self._file.path.name} cannot be used: a pool in it is damaged.",
                fix="Stop all that use the file, delete it, and start again two minutes later.",
            ) from error


def _pool_of(rows: sqlite3.Connection, name: str) -> int | None:
    found = rows.execute("SELECT pool FROM names WHERE name = ?", (name,)).fetchone()
    return None if found is None else cast("int", found[0])


def _save(rows: sqlite3.Connection, number: int, state: PoolState) -> None:
    text = json.dumps(state, separators=(",", ":"))
    rows.execute("UPDATE pools SET state = ? WHERE id = ?", (text, number))
