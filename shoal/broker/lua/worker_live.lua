#!lua flags=allow-oom
-- worker_live: the workers whose last heartbeat is recent enough; those that missed theirs leave as lost.
--   KEYS[1]  {ns}:workers
--   ARGV     missed after ms, lifetime s, 1 = with their records
-- Returns  {now, name, incarnation, beat ms, record, desired state, repeated}
-- Changes  lost workers leave the live set, an event each; the record stays with the cause. May be repeated.
local P = string.sub(KEYS[1], 1, -8)
local T = redis.call('TIME')
local now = T[1] * 1000 + math.floor(T[2] / 1000)
local lost = redis.call('ZRANGE', KEYS[1], '-inf', now - ARGV[1], 'BYSCORE', 'LIMIT', 0, 100)
for _, name in ipairs(lost) do
  local key = P .. 'worker:' .. name
  redis.call('ZREM', KEYS[1], name)
  if redis.call('EXISTS', key) == 1 then
    redis.call('HSET', key, 'left', 'lost', 'left_at', now)
    redis.call('EXPIRE', key, ARGV[2])
    local who = redis.call('HGET', key, 'incarnation') or name
    redis.call('XADD', P .. 'events', 'MAXLEN', '~', 1000, '*', 'k', 'left', 'w', who, 'r', 'lost')
  end
end
local out = { now }
for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local h = { '', '', '', '' }
  if ARGV[3] == '1' then h = redis.call('HMGET', P .. 'worker:' .. name, 'incarnation', 'beat', 'record', 'desired') end
  local n = #out
  out[n + 1] = name
  for k = 1, 4 do out[n + 1 + k] = h[k] or '' end
end
return out
