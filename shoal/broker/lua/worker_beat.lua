#!lua flags=allow-oom
-- worker_beat: one heartbeat; also says what is wished of the worker.
--   KEYS[1]  {ns}:workers
--   ARGV     name, incarnation, record (JSON), lifetime s, number of its report, what it measured
-- Returns  {'ok', desired state or '', settings epoch or ''} | {'taken', incarnation}
-- Changes  the record and its stamp; an event when it is paused, resumed, or back; the namespace's histograms.
--          May be repeated.
--# include lib_times
local name, me = ARGV[1], ARGV[2]
local T = redis.call('TIME')
local now = T[1] * 1000 + math.floor(T[2] / 1000)
local key = P .. 'worker:' .. name
local h = redis.call('HMGET', key, 'incarnation', 'desired', 'paused')
if h[1] and h[1] ~= me then return { 'taken', h[1] } end
redis.call('HSET', key, 'incarnation', me, 'record', ARGV[3], 'beat', now)
redis.call('HSETNX', key, 'started', now)
-- Given up as lost, and back: its name is not free.
if redis.call('HDEL', key, 'left', 'left_at') > 0 then
  redis.call('XADD', P .. 'events', 'MAXLEN', '~', 1000, '*', 'k', 'joined', 'w', me)
end
-- Told once it is so, not when it was wished.
local paused = string.find(ARGV[3], '"state":"PAUSED"', 1, true)
if paused and not h[3] then
  redis.call('HSET', key, 'paused', '1')
  redis.call('XADD', P .. 'events', 'MAXLEN', '~', 1000, '*', 'k', 'paused', 'w', me)
elseif h[3] and not paused then
  redis.call('HDEL', key, 'paused')
  redis.call('XADD', P .. 'events', 'MAXLEN', '~', 1000, '*', 'k', 'resumed', 'w', me)
end
add_times(P .. 'worker:' .. name, me, ARGV[5], ARGV[6])
redis.call('EXPIRE', key, ARGV[4])
redis.call('ZADD', KEYS[1], now, name)
return { 'ok', h[2] or '', redis.call('HGET', P .. 'settings', 'epoch') or '' }
