"""The two scripts that Redis runs: LOOK reads the pool, SAVE writes it unless another process was faster.

`{...}` in a key keeps all of a namespace in one slot of a cluster, so that either can touch several pools.
A name leads to the number of a pool; a pool that was merged into another leads on to it.
"""

from __future__ import annotations

from typing import Final

LOOK: Final = """
-- KEYS: names. ARGV: the prefixes of the keys of pools and of turns, the process that asks, and for how many
-- ms it takes the turn (0 unless it has lost a race).
-- Returns the time, the run and uptime of this server, and for each name its value, the number of the pool
-- that it leads to, and the pool; or nothing while another process has the turn.
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
-- KEYS: the turn, the pool, others that were merged into it, names. ARGV: the process that asks, the pool's
-- number, its new version and state, how long to keep it in ms, how many pools there are, and the earlier
-- versions of the pools and values of the names.
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
