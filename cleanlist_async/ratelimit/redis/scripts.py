"""The two scripts that Redis runs: look, and save what came of it if nobody was quicker.

`{...}` in a key keeps all of a namespace in one slot of a cluster, so that either can touch several pools.
A name leads to the number of a pool; a pool that became one with another leads on to it.
"""

from __future__ import annotations

from typing import Final

LOOK: Final = """
-- KEYS: names. ARGV[1]: what the key of every pool begins with.
-- Returns the time, the life of this server, and for each name what it says, where it leads, and the pool.
local time = redis.call('TIME')
local info = redis.call('INFO', 'server')
local found, seen = {}, {}
for place, name in ipairs(KEYS) do
  local said = redis.call('GET', name)
  local number, pool = said, nil
  while number do
    pool = redis.call('HMGET', ARGV[1] .. number, 'moved', 'version', 'state')
    if not pool[1] then break end
    number = pool[1]
  end
  if number and pool[2] and not seen[number] then
    seen[number] = true
    found[place] = {said, number, pool[2], pool[3]}
  else
    found[place] = {said or '', pool and pool[2] and number or ''}
  end
end
return {time[1], time[2], info:match('run_id:(%w+)'), info:match('uptime_in_seconds:(%d+)'), found}
"""

SAVE: Final = """
-- KEYS: the pool, others that became one with it, names. ARGV: its number, what it becomes (version, state),
-- how long to keep that in ms, how many pools there are, and what KEYS said before.
-- Returns 1, or 0 when any of KEYS says something else by now; then nothing is changed.
local number, version, state, keep, pools = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
for place, key in ipairs(KEYS) do
  local says
  if place <= pools then says = redis.call('HGET', key, 'version') else says = redis.call('GET', key) end
  if (says or '') ~= ARGV[5 + place] then return 0 end
end
for place, key in ipairs(KEYS) do
  if place == 1 then
    redis.call('HSET', key, 'version', version, 'state', state)
  elseif place <= pools then
    redis.call('DEL', key)
    redis.call('HSET', key, 'moved', number)
  end
  if place <= pools then redis.call('PEXPIRE', key, keep) else redis.call('SET', key, number, 'PX', keep) end
end
return 1
"""
