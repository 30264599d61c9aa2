"""The backend in PostgreSQL: a sync is one transaction, which locks the row of its pool. Needs ``postgres``.

It takes two round trips: one begins the transaction, reads the pool and the time, the other writes and
commits. Which names lead to which pool changes under a lock that every sync shares, so a row that was found
stays the right one. All locks end with their transaction, so a PgBouncer in transaction mode may lie between.
A process that stands still in its transaction loses it.

The clock is the database's, read once the row is locked. A commit is on the disk, so a restart loses nothing.
A standby that takes over may lack the last commits, and begins a new timeline: see `data_loss`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from cleanlist_async.errors import ConfigurationError
from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.shared.backend import BackendUnavailableError, SyncAnswer
from cleanlist_async.ratelimit.shared.data_loss import Server, StoredPool
from cleanlist_async.ratelimit.shared.remote import KEPT_S, Apply, RemoteLimits, Stored, without_unused_keys
from cleanlist_async.storage.postgres_connection import DatabaseKind, PostgresConnection, SharedPostgres

if TYPE_CHECKING:
    from psycopg import AsyncClientCursor, AsyncConnection

_CREATE: Final = """
ROLLBACK;
BEGIN;
SELECT pg_advisory_xact_lock(hashtext('cleanlist_limits'));
CREATE TABLE IF NOT EXISTS cleanlist_limit_pools (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    synced_at TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS cleanlist_limit_names (
    name TEXT PRIMARY KEY,
    pool TEXT NOT NULL REFERENCES cleanlist_limit_pools ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS cleanlist_limit_names_by_pool ON cleanlist_limit_names (pool);
COMMIT
"""

# The last two statements are separate, so that the time is read once the lock is there.
_LOOK: Final = """
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL synchronous_commit = on;
SET LOCAL statement_timeout = %(answer_ms)s;
SET LOCAL idle_in_transaction_session_timeout = %(paused_ms)s;
SELECT pg_advisory_xact_lock{shared}(hashtext('cleanlist_limits'));
SELECT names.name, pools.id, pools.state
    FROM cleanlist_limit_names AS names JOIN cleanlist_limit_pools AS pools ON pools.id = names.pool
    WHERE names.name = ANY (%(names)s::text[]) ORDER BY pools.id FOR UPDATE OF pools;
SELECT extract(epoch FROM clock_timestamp())::float8, left(pg_walfile_name(pg_current_wal_lsn()), 8)
"""

_SAVE: Final = """
UPDATE cleanlist_limit_pools SET state = %(state)s, synced_at = clock_timestamp() WHERE id = %(pool)s;
COMMIT
"""

_SAVE_WITH_NAMES: Final = """
INSERT INTO cleanlist_limit_pools VALUES (%(pool)s, %(state)s, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET state = excluded.state, synced_at = excluded.synced_at;
UPDATE cleanlist_limit_names SET pool = %(pool)s WHERE pool = ANY (%(merged)s::text[]);
INSERT INTO cleanlist_limit_names SELECT given.name, %(pool)s FROM unnest(%(names)s::text[]) AS given (name)
    ON CONFLICT DO NOTHING;
DELETE FROM cleanlist_limit_pools WHERE id = ANY (%(merged)s::text[])
    OR synced_at < clock_timestamp() - make_interval(secs => %(kept_s)s);
COMMIT
"""

_POOLS: Final = "SELECT id, state FROM cleanlist_limit_pools"
_NAMES: Final = "SELECT name, pool FROM cleanlist_limit_names"
_NOW: Final = "SELECT extract(epoch FROM clock_timestamp())::float8"

_KIND: Final = DatabaseKind(
    noun="limits database",
    unavailable=BackendUnavailableError,
    refused=ConfigurationError,
    while_away="Requests wait for it.",
    reconnects=False,  # the sync is repeated
)


@dataclass(frozen=True, slots=True)
class PoolLookup:
    """The pools that names lead to, by id, and the server that has them."""

    names: frozenset[str]
    pools: Mapping[str, StoredPool]
    server: Server
    sent: float

    def is_one(self, names: Collection[str]) -> bool:
        """Whether all of *names* lead to one pool already."""
        return len(self.pools) == 1 and self.names.issuperset(names)


class PostgresLimits(RemoteLimits):
    """The backend in a database. A fork, or another event loop, opens its own connection.

    Making one raises ConfigurationError if psycopg is missing or *url* is no address.
    """

    def __init__(self, url: str, limits: RateLimits, clock: Callable[[], float]) -> None:
        try:
            self._postgres = SharedPostgres(url, _KIND)
        finally:
            del url  # it may hold a password, which a traceback that shows local variables must not show
        super().__init__("PostgreSQL", limits, clock)

    async def change(
        self, organization: str, names: Collection[str], apply: Apply
    ) -> tuple[SyncAnswer, StoredPool]:
        """Read the pool that *names* lead to, change and store it, atomically; return what is stored then."""
        self.reachability.check()
        work = partial(self._change, organization, list(dict.fromkeys(names)), apply)
        return await self.reach(self._postgres.run(work, self.answer_s), BackendUnavailableError)

    async def aclose(self) -> None:
        """Close the connection; the next call opens another."""
        await self._postgres.aclose()

    async def stored(self) -> Stored:
        """Return all that is stored."""
        from psycopg.errors import UndefinedTable  # noqa: PLC0415

        async def read(connection: AsyncConnection[Any]) -> Stored:
            pools, names = list[tuple[str, str]](), list[tuple[str, str]]()
            with suppress(UndefinedTable):  # nobody has used it yet
                pools = await (await connection.execute(_POOLS.encode())).fetchall()
                names = await (await connection.execute(_NAMES.encode())).fetchall()
            [(now,)] = await (await connection.execute(_NOW.encode())).fetchall()
            return {id_: cast("StoredPool", json.loads(state)) for id_, state in pools}, names, now

        work = self._postgres.run(lambda ours, until: ours.begin(read, until), self.answer_s)
        return await self.reach(work, BackendUnavailableError)

    async def _change(
        self, organization: str, names: list[str], apply: Apply, ours: PostgresConnection, until: float
    ) -> tuple[SyncAnswer, StoredPool]:
        cursor, found = await ours.begin(partial(self._first_look, names), until)
        if not (is_one := found.is_one(names)):
            await cursor.execute(b"ROLLBACK")
            found = await self._look(cursor, names, shared=False)
        self._watch.note(found.server.now, found.sent, self.clock())
        pool, kept = self.read(organization, list(found.pools.values()), found.server)
        answer = apply(pool, kept, found.server.now)
        kept["pool"] = without_unused_keys(pool, answer)
        ids = [*found.pools] or [uuid.uuid4().hex]
        await cursor.execute(
            (_SAVE if is_one else _SAVE_WITH_NAMES).encode(),
            {
                "pool": ids[0],
                "state": json.dumps(kept, separators=(",", ":")),
                "merged": ids[1:],
                "names": names,
                "kept_s": max(KEPT_S, 2 * self.caution_s),
            },
        )
        return answer, kept

    async def _first_look(
        self, names: list[str], connection: AsyncConnection[Any]
    ) -> tuple[AsyncClientCursor[Any], PoolLookup]:
        from psycopg import AsyncClientCursor  # noqa: PLC0415
        from psycopg.errors import UndefinedTable  # noqa: PLC0415

        cursor = AsyncClientCursor(connection)  # it can send several statements with parameters at once
        try:
            return cursor, await self._look(cursor, names, shared=True)
        except UndefinedTable:
            await cursor.execute(_CREATE.encode())
        return cursor, await self._look(cursor, names, shared=True)

    async def _look(self, cursor: AsyncClientCursor[Any], names: list[str], *, shared: bool) -> PoolLookup:
        sent, answer_ms = self.clock(), int(self.answer_s * 1_000)
        look = _LOOK.replace("{shared}", "_shared" if shared else "")
        values = {"names": names, "answer_ms": answer_ms, "paused_ms": answer_ms // 2}
        await cursor.execute(look.encode(), values)
        results: list[list[Any]] = []
        while True:
            results.append(await cursor.fetchall() if cursor.description is not None else [])
            if not cursor.nextset():
                break
        *_, rows, [(now, timeline)] = results
        return PoolLookup(
            frozenset(name for name, _, _ in rows),
            {id_: cast("StoredPool", json.loads(state)) for _, id_, state in rows},
            self.server(timeline, now, started_at=float("-inf")),
            sent,
        )
