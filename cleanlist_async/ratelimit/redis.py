"""The backend in Redis: a LOOK, the arithmetic of `Pool` here, and a SAVE unless another process was faster.

The rules are not written again in Lua: a script compares the version of the pool and replaces all of it
atomically. A sync takes two round trips, and starts again if another process saved in between; it then has
the next turn, so no process loses twice. Where dozens of processes share one organization, Redis should be
near: 20 ms at most.

A name leads to the number of a pool; a pool that was merged into another leads on to it. The clock is the
server's (`TIME`), read before the save, so no token is taken at a time still to come. All keys expire after a
day without a sync.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import uuid
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.shared.backend import JITTER, BackendUnavailableError, SyncAnswer
from cleanlist_async.ratelimit.shared.data_loss import Server, StoredPool
from cleanlist_async.ratelimit.shared.remote import (
    KEPT_S,
    Apply,
    RemoteLimits,
    Stored,
    answer_s,
    without_unused_keys,
)
from cleanlist_async.storage.redis_connection import RedisUnavailableError, SharedRedis, check_namespace

if TYPE_CHECKING:
    from redis.asyncio import Redis

LOOK: Final = """
-- KEYS: names. ARGV: the prefixes of pools and of turns, the process that asks, and for how many ms it takes
-- the turn (0 unless it has lost a race).
-- Returns the time, the run and uptime of this server, and for each name its value, the number of its pool
-- and the pool; or nothing while another process has the turn.
local found, seen, first = {}, {}, nil
for place, name in ipairs(KEYS) do
  local said = redis.call('GET', name)
  local number, pool = said, nil
  while number do
    pool = redis.call('HMGET', ARGV[1] .. number, 'moved', 'version', 'state')
    if not pool[1] then break end
    number = pool[1]
  end
  if number and pool[2] and not first then
    first = number
    local turn = redis.call('GET', ARGV[2] .. number)
    if turn and turn ~= ARGV[3] then return {} end
    if ARGV[4] ~= '0' then redis.call('SET', ARGV[2] .. number, ARGV[3], 'PX', ARGV[4]) end
  end
  if number and pool[2] and not seen[number] then
    seen[number] = true
    found[place] = {said, number, pool[2], pool[3]}
  else
    found[place] = {said or '', pool and pool[2] and number or ''}
  end
end
local time = redis.call('TIME')
local info = redis.call('INFO', 'server')
return {time[1], time[2], info:match('run_id:(%w+)'), info:match('uptime_in_seconds:(%d+)'), found}
"""

SAVE: Final = """
-- KEYS: the turn, the pool, others merged into it, names. ARGV: the process that asks, the pool's number, its
-- new version and state, how many ms to keep it, how many pools there are, and the earlier versions of the
-- pools and values of the names.
-- Returns 1, or 0 when another process was faster; then nothing is changed.
local turn, me = redis.call('GET', KEYS[1]), ARGV[1]
local number, version, state, keep, pools = ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
if turn and turn ~= me then return 0 end
for place = 2, #KEYS do
  local says
  if place <= 1 + pools then
    says = redis.call('HGET', KEYS[place], 'version')
  else
    says = redis.call('GET', KEYS[place])
  end
  if (says or '') ~= ARGV[5 + place] then return 0 end
end
for place = 2, #KEYS do
  if place == 2 then
    redis.call('HSET', KEYS[place], 'version', version, 'state', state)
  elseif place <= 1 + pools then
    redis.call('DEL', KEYS[place])
    redis.call('HSET', KEYS[place], 'moved', number)
  end
  if place <= 1 + pools then
    redis.call('PEXPIRE', KEYS[place], keep)
  else
    redis.call('SET', KEYS[place], number, 'PX', keep)
  end
end
if turn then redis.call('DEL', KEYS[1]) end
return 1
"""


# Attempts of one sync, among lost races and the turns of other processes, before it counts as failed.
_TRIES: Final = 200
_WITH_POOL: Final = 4
"""Length of a LOOK row that carries a pool."""
_TURN_MS: Final = 250
"""How long a process that lost a race keeps its turn: a few round trips. It expires if that process dies."""
_PAUSE_S: Final = 0.001
_LONGEST_PAUSE_S: Final = 0.01

log: Final = logging.getLogger("cleanlist_async")


@dataclass(frozen=True, slots=True)
class PoolLookup:
    """The pools that names lead to: the first absorbs the others, and every name leads to it afterwards."""

    number: str
    versions: dict[str, str]
    names: dict[str, str]
    """The number of the pool that each name leads to, or an empty text."""
    pools: list[StoredPool]


class RedisLimits(RemoteLimits):
    """The backend in a Redis. A fork, or another event loop, opens its own connection.

    Making one raises ConfigurationError if redis-py is missing or *url* is no address.
    """

    def __init__(
        self, url: str, limits: RateLimits, clock: Callable[[], float], namespace: str = "cleanlist"
    ) -> None:
        try:
            check_namespace(namespace)
            self._redis = SharedRedis(url, answer_s(limits))
        finally:
            del url  # it may hold a password, which a traceback that shows local variables must not show
        super().__init__("Redis", limits, clock)
        self._prefix = f"{{{namespace}}}:"  # in braces, so that a cluster keeps all of it in one slot
        self._kept_ms = math.ceil(max(KEPT_S, 2 * self.caution_s) * 1_000)
        self._client: Redis | None = None
        self._pid = 0
        self._is_checked = False

    async def aclose(self) -> None:
        """Close the connection; the next call opens another."""
        client, self._client = self._client, None
        if client is not None and self._pid == os.getpid():
            await client.aclose()

    async def stored(self) -> Stored:
        """Return all that is stored."""
        moved: dict[str, str] = {}
        pools: dict[str, StoredPool] = {}
        names: list[tuple[str, str]] = []

        async def read() -> float:
            client: Any = self._connected()  # some of its methods have no types
            async for key in client.scan_iter(match=_escaped(self._key("pool", "*"))):
                number = key.decode().removeprefix(self._key("pool", ""))
                to, state = await client.hmget(key, "moved", "state")
                if to is not None:
                    moved[number] = to.decode()
                elif state is not None:
                    pools[number] = json.loads(state)
            async for key in client.scan_iter(match=_escaped(self._key("name", "*"))):
                number = (await client.get(key) or b"").decode()
                while number in moved:
                    number = moved[number]
                names.append((key.decode().removeprefix(self._key("name", "")), number))
            seconds, micros = await client.time()
            return float(seconds + micros / 1e6)

        now: float = await self._run(read)
        return pools, names, now

    # -- one atomic change ---------------------------------------------------------------------

    async def change(
        self, organization: str, names: Collection[str], apply: Apply
    ) -> tuple[SyncAnswer, StoredPool]:
        """Read the pool that *names* lead to, change and store it, atomically; return what is stored then."""
        if not self._is_checked:
            await self._check_policy()
        me = uuid.uuid4().hex[:12]
        for tries in range(_TRIES):
            if (looked := await self._look(names, me, insists=tries > 0)) is None:
                await asyncio.sleep(JITTER.uniform(0.5, 1.0) * min(_PAUSE_S * (tries + 1), _LONGEST_PAUSE_S))
                continue
            server, lookup = looked
            pool, kept = self.read(organization, lookup.pools, server)
            answer = apply(pool, kept, server.now)
            kept["pool"] = without_unused_keys(pool, answer)
            if await self._save(lookup, kept, me):
                return answer, kept
        raise BackendUnavailableError("Too many processes change the same limits at once.")

    async def _check_policy(self) -> None:
        """Say it if this Redis may drop keys: then nobody knows what was sent."""
        client: Any = self._connected()
        memory = await self._run(lambda: client.info("memory"))
        policy = str(memory.get("maxmemory_policy", "noeviction"))
        if memory.get("maxmemory") and policy != "noeviction":
            log.warning(
                "This Redis drops keys when its memory is full (maxmemory-policy %s): whenever it does, "
                "requests wait for %.0f s. Set noeviction.",
                policy,
                self.caution_s,
            )
        self._is_checked = True

    # -- two round trips -----------------------------------------------------------------------

    async def _look(
        self, names: Collection[str], me: str, *, insists: bool
    ) -> tuple[Server, PoolLookup] | None:
        """Return the server, and where *names* lead; None while another process has the turn.

        With *insists*, this process has the turn from now until it saves.
        """
        names = list(dict.fromkeys(names))
        sent = self.clock()
        settings = [self._key("pool", ""), self._key("turn", ""), me, _TURN_MS if insists else 0]
        answer = await self._script(LOOK, [self._key("name", name) for name in names], settings)
        if not answer:
            return None
        seconds, micros, run, uptime_s, found = answer
        now = int(seconds) + int(micros) / 1e6
        # Redis counts its uptime in whole seconds: a second is added, for the start must not be too early.
        server = self.server(run.decode(), now, min(now, int(seconds) - int(uptime_s) + 1.0))
        self._watch.note(server.now, sent, self.clock())
        pools = {row[1].decode(): row for row in found if len(row) == _WITH_POOL}
        return server, PoolLookup(
            number=next(iter(pools), uuid.uuid4().hex[:12]),
            versions={number: row[2].decode() for number, row in pools.items()},
            names={name: row[0].decode() for name, row in zip(names, found, strict=True)},
            pools=[cast("StoredPool", json.loads(row[3])) for row in pools.values()],
        )

    async def _save(self, lookup: PoolLookup, kept: StoredPool, me: str) -> bool:
        versions = lookup.versions or {lookup.number: ""}
        keys = [self._key("turn", lookup.number)]
        keys += [self._key("pool", number) for number in versions]
        keys += [self._key("name", name) for name in lookup.names]
        state, version = json.dumps(kept, separators=(",", ":")), uuid.uuid4().hex[:12]
        settings = [me, lookup.number, version, state, self._kept_ms, len(versions)]
        arguments = [*settings, *versions.values(), *lookup.names.values()]
        return bool(await self._script(SAVE, keys, arguments))

    async def _script(self, script: str, keys: list[str], arguments: list[Any]) -> Any:
        return await self._run(lambda: self._connected().register_script(script)(keys, arguments))

    async def _run(self, work: Callable[[], Awaitable[Any]]) -> Any:
        self.reachability.check()
        return await self.reach(self._redis.run(work), RedisUnavailableError)

    def _connected(self) -> Redis:
        if self._client is None or self._pid != os.getpid():
            if self._client is not None:
                _of_parents.append(self._client)  # closing it here would close the parent's connection
            self._client, self._pid = self._redis.client(), os.getpid()
        return self._client

    def _key(self, kind: str, name: str) -> str:
        return f"{self._prefix}{kind}:{name}"


def _escaped(pattern: str) -> str:
    """Return *pattern* with all but its last star taken literally."""
    return "".join(f"\\{one}" if one in "*?[]^\\" else one for one in pattern[:-1]) + pattern[-1]


_of_parents: Final[list[object]] = []
"""Connections copied by a fork: kept, since dropping one would close it."""
