"""The backend in Redis: a LOOK, the arithmetic of `Pool` here, and a SAVE unless another process was faster.

The rules are those of every shared store, in the same Python and not written again in Lua: a script compares
the version of the pool and replaces all of it atomically, both buckets and every ticket. A sync takes two
round trips, and starts again if another process saved in between; it then has the next turn, so no process
loses twice. At 60 requests a minute that is rare. Where dozens of processes share one organization, Redis
should be near: 20 ms at most.

The clock is the server's (`TIME`), read before the save, so no token is taken at a time still to come. All
keys expire after a day without a sync.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from cleanlist_async.errors import ConfigurationError
from cleanlist_async.ratelimit.buckets import StoreState
from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.redis.data_loss import ClockWatch, Server, StoredPool, SyncHistory, lost_until
from cleanlist_async.ratelimit.redis.scripts import LOOK, SAVE
from cleanlist_async.ratelimit.shared.backend import BackendUnavailableError, SyncAnswer, SyncRequest
from cleanlist_async.ratelimit.shared.bucket import SharedBucket
from cleanlist_async.ratelimit.shared.lease import lease_s, poll_s
from cleanlist_async.ratelimit.shared.pool import Pool, plain_limits
from cleanlist_async.ratelimit.shared.process import has_ended
from cleanlist_async.storage.redis_connection import (
    JITTER,
    Backoff,
    RedisUnavailableError,
    SharedRedis,
    check_namespace,
)

if TYPE_CHECKING:
    from redis.asyncio import Redis

_KEPT_S: Final = 86_400.0
# Attempts of one sync, among lost races and the turns of other processes, before it counts as failed.
_TRIES: Final = 200
_SHORTEST_ANSWER_S: Final = 0.5
_WITH_POOL: Final = 4
"""Length of a LOOK row that carries a pool."""
_TURN_MS: Final = 250
"""How long a process that lost a race keeps its turn: a few round trips. It expires if that process dies."""
_PAUSE_S: Final = 0.001
_LONGEST_PAUSE_S: Final = 0.01
_PROCESS_KEPT_S: Final = 3_600.0
_MOMENTS: Final[tuple[Literal["doubted_at", "gathered_at"], ...]] = ("doubted_at", "gathered_at")

log: Final = logging.getLogger("cleanlist_async")


@dataclass(frozen=True, slots=True)
class PoolLookup:
    """The pools that names lead to: the first absorbs the others, and every name leads to it afterwards."""

    number: str
    versions: dict[str, str]
    names: dict[str, str]
    """The number of the pool that each name leads to, or an empty text."""
    pools: list[StoredPool]


def _ignore(_state: StoreState) -> None:
    pass


class RedisLimits:
    """The backend in a Redis. A fork, or another event loop, opens its own connection.

    Making one raises ConfigurationError if redis-py is missing or *url* is no address.
    """

    def __init__(
        self, url: str, limits: RateLimits, clock: Callable[[], float], namespace: str = "cleanlist"
    ) -> None:
        answer_s = max(_SHORTEST_ANSWER_S, 2 * poll_s(limits))
        try:
            check_namespace(namespace)
            self._redis = SharedRedis(url, answer_s)
        finally:
            del url  # it may hold a password, which a traceback that shows local variables must not show
        self.limits = limits
        self.clock = clock
        self.caution_s = lease_s(limits) + limits.window_s
        self.memory = SyncHistory(clock, self.caution_s + limits.window_s)
        self.without = "Requests wait for it."
        self.on_change: Callable[[StoreState], None] = _ignore
        """Called in the sync worker's thread when Redis is lost and when it is found again."""
        # Time for every process to come back and report what it took meanwhile; see `fallback`.
        self._gathering_s = answer_s + 3 * poll_s(limits)
        self._prefix = f"{{{namespace}}}:"  # in braces, so that a cluster keeps all of it in one slot
        self._kept_ms = math.ceil(max(_KEPT_S, 2 * self.caution_s) * 1_000)
        self._backoff = Backoff(poll_s(limits))
        self._watch = ClockWatch(limits.margin_s)
        self._aliases: dict[str, set[str]] = {}
        self._client: Redis | None = None
        self._pid = 0

    # -- the protocol --------------------------------------------------------------------------

    async def sync(self, request: SyncRequest) -> SyncAnswer:
        """Apply a sync atomically."""
        names = [
            *self._names_of(request.organization),
            *(key for one in request.wanted for key in one.keys),
        ]

        def apply(pool: Pool, kept: StoredPool, now: float) -> SyncAnswer:
            kept["processes"][request.process.id] = now
            # Once for each time that Redis was away, not again for each process that returns.
            if request.was_away and now - kept.get("gathered_at", -math.inf) > self.caution_s:
                kept["gathered_at"] = now
                pool.organization.window.pause(now + self._gathering_s)
            return pool.sync(request, now, is_dead=has_ended)

        return await self._change(request.organization, names, apply)

    async def join(self, organization: str, other: str) -> None:
        """Make two names one organization, with all that is out under either."""
        together = self._names_of(organization) | self._names_of(other)
        self._aliases |= dict.fromkeys(together, together)

        def nothing(pool: Pool, _: StoredPool, now: float) -> SyncAnswer:
            pool.advance_to(now, None)
            return SyncAnswer(None, math.inf, pool.state())

        await self._change(organization, together, nothing)

    async def aclose(self) -> None:
        """Close the connection; the next call opens another."""
        client, self._client = self._client, None
        if client is not None and self._pid == os.getpid():
            await client.aclose()

    # -- one atomic change ---------------------------------------------------------------------

    async def _change(
        self,
        organization: str,
        names: Iterable[str],
        apply: Callable[[Pool, StoredPool, float], SyncAnswer],
    ) -> SyncAnswer:
        me = uuid.uuid4().hex[:12]
        for tries in range(_TRIES):
            if (looked := await self._look(names, me, insists=tries > 0)) is None:
                await asyncio.sleep(JITTER.uniform(0.5, 1.0) * min(_PAUSE_S * (tries + 1), _LONGEST_PAUSE_S))
                continue
            server, lookup = looked
            pool, kept = self._read(organization, lookup, server)
            answer = apply(pool, kept, server.now)
            kept["pool"] = _without_unused_keys(pool, answer)
            if await self._save(lookup, kept, me):
                self.memory.note(organization, kept)
                return answer
        raise BackendUnavailableError("Too many processes change the same limits at once.")

    def _read(self, organization: str, lookup: PoolLookup, server: Server) -> tuple[Pool, StoredPool]:
        """Return the one pool of these names, and what else is stored with it."""
        pool = Pool(self.limits)
        kept = StoredPool(pool=pool.state(), run=server.run, generations=[], processes={})
        seen = self.memory.of(organization)
        stored_pools: list[StoredPool | None] = [*lookup.pools] or [None]
        doubts = [lost_until(stored, seen, server, self._watch) for stored in stored_pools]
        for place, stored in enumerate(lookup.pools):
            loaded = self._load(stored, server)
            if place == 0:
                pool = loaded
            else:
                pool.absorb(loaded)
            kept["generations"] += stored["generations"]
            kept["processes"] |= stored["processes"]
            for moment in _MOMENTS:
                if (at := stored.get(moment)) is not None:
                    kept[moment] = max(at, kept.get(moment, at))
        if (since := max(doubts)) > server.now - self.caution_s:  # later, all that was sent is past anyway
            pool.presume_spent(since)
            kept["doubted_at"] = since
            kept["generations"] = []  # a new one, by which other processes notice the loss too
        if not kept["generations"]:
            kept["generations"] = [uuid.uuid4().hex[:12]]
        kept["processes"] = {
            process: seen_at
            for process, seen_at in kept["processes"].items()
            if server.now - seen_at < _PROCESS_KEPT_S
        }
        return pool, kept

    def _load(self, stored: StoredPool, server: Server) -> Pool:
        pool = Pool.of(stored["pool"])
        pool.advance_to(server.now, None)
        if plain_limits(pool.limits) == plain_limits(self.limits):
            return pool
        pool.expire_dead(has_ended)
        if pool.is_untouched():
            return Pool(self.limits)
        raise ConfigurationError(
            "This organization is in use under other rate limits.",
            fix="Give all processes that share a Redis the same rate limits.",
        )

    # -- two round trips -----------------------------------------------------------------------

    async def _look(
        self, names: Iterable[str], me: str, *, insists: bool
    ) -> tuple[Server, PoolLookup] | None:
        """Return the server, and where *names* lead; None while another process has the turn.

        With *insists*, this process has the turn from now until it saves.
        """
        names = list(dict.fromkeys(names))
        sent = self.clock()
        settings = [self._key("pool", ""), self._key("turn", ""), me, _TURN_MS if insists else 0]
        answer = await self._run(LOOK, [self._key("name", name) for name in names], settings)
        if not answer:
            return None
        seconds, micros, run, uptime_s, found = answer
        now = int(seconds) + int(micros) / 1e6
        # Redis counts its uptime in whole seconds: a second is added, for the start must not be too early.
        server = self._server(run.decode(), now, min(now, int(seconds) - int(uptime_s) + 1.0))
        self._watch.note(server.now, sent, self.clock())
        pools = {row[1].decode(): row for row in found if len(row) == _WITH_POOL}
        return server, PoolLookup(
            number=next(iter(pools), uuid.uuid4().hex[:12]),
            versions={number: row[2].decode() for number, row in pools.items()},
            names={name: row[0].decode() for name, row in zip(names, found, strict=True)},
            pools=[cast("StoredPool", json.loads(row[3])) for row in pools.values()],
        )

    def _server(self, run: str, now: float, started_at: float) -> Server:
        return Server(run, now, started_at)

    async def _save(self, lookup: PoolLookup, kept: StoredPool, me: str) -> bool:
        versions = lookup.versions or {lookup.number: ""}
        keys = [self._key("turn", lookup.number)]
        keys += [self._key("pool", number) for number in versions]
        keys += [self._key("name", name) for name in lookup.names]
        state, version = json.dumps(kept, separators=(",", ":")), uuid.uuid4().hex[:12]
        settings = [me, lookup.number, version, state, self._kept_ms, len(versions)]
        return bool(await self._run(SAVE, keys, [*settings, *versions.values(), *lookup.names.values()]))

    async def _run(self, script: str, keys: list[str], arguments: list[Any]) -> Any:
        if not self._backoff.is_over():
            raise BackendUnavailableError("Redis cannot be reached.")
        try:
            answer = await self._redis.run(lambda: self._connected().register_script(script)(keys, arguments))
        except RedisUnavailableError as error:
            if self._backoff.failed() == 1:  # logged once, not with every attempt
                log.warning("%s %s", error.problem, self.without)
                self.on_change("lost")
            await self.aclose()
            raise BackendUnavailableError(error.problem) from error
        if self._backoff.succeeded():
            log.warning("Redis is back.")
            self.on_change("found")
        return answer

    def _connected(self) -> Redis:
        if self._client is None or self._pid != os.getpid():
            if self._client is not None:
                _of_parents.append(self._client)  # closing it here would close the parent's connection
            self._client, self._pid = self._redis.client(), os.getpid()
        return self._client

    def _key(self, kind: str, name: str) -> str:
        return f"{self._prefix}{kind}:{name}"

    def _names_of(self, organization: str) -> set[str]:
        """Return all names that this process knows for one organization, in case Redis has lost some."""
        return self._aliases.get(organization, {organization})


def _without_unused_keys(pool: Pool, answer: SyncAnswer) -> Any:
    """Return the state to store: a key whose tokens have all returned is as good as one never seen."""
    new = SharedBucket(pool.limits.key_window()).state()
    for bucket in pool.keys.values():
        bucket.window.is_untouched(pool.now)  # collects the tokens that have returned
    kept = {name: state for name, bucket in pool.keys.items() if (state := bucket.state()) != new}
    return {**answer.pool, "keys": kept}


_of_parents: Final[list[object]] = []
"""Connections copied by a fork: kept, since dropping one would close it."""
