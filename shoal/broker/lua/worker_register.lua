#!lua flags=allow-oom
-- worker_register: take a worker's name in the registry.
--   KEYS[1]  {ns}:workers
--   ARGV     name, incarnation, record (JSON), the incarnation it replaces or '', the stamp it was last seen with or '', lifetime s
-- Returns  {'ok', former incarnation or ''} | {'held', incarnation, last beat ms, now ms}
-- Changes  the name's record; an event when it is new. Taken when it is free, replaced, ours, or its stamp is the one seen.
--          A wish that it be paused is kept; one that it shut down concerned the life that ended, unless that died before
--          it had done so and its supervisor replaces it.
-- May be repeated.
local P = string.sub(KEYS[1], 1, -8)
local name, me, record, replaces, seen, lifetime = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local T = redis.call('TIME')
local now = T[1] * 1000 + math.floor(T[2] / 1000)
local key = P .. 'worker:' .. name
local h = redis.call('HMGET', key, 'incarnation', 'beat', 'left', 'desired')
local holder, beat = h[1], h[2]
if holder and holder ~= me and holder ~= replaces and not h[3] and not (seen ~= '' and seen == beat) then
  return { 'held', holder, tonumber(beat or 0), now }
end
redis.call('HSET', key, 'incarnation', me, 'record', record, 'beat', now, 'started', now)
redis.call('HDEL', key, 'left', 'left_at', 'paused')
if h[4] == 'shutdown' and holder ~= me and (h[3] or holder ~= replaces) then redis.call('HDEL', key, 'desired') end
redis.call('EXPIRE', key, lifetime)
if redis.call('ZADD', KEYS[1], now, name) == 1 or holder ~= me then
  redis.call('XADD', P .. 'events', 'MAXLEN', '~', 1000, '*', 'k', 'joined', 'w', me)
end
return { 'ok', holder and holder ~= me and not h[3] and holder or '' }
