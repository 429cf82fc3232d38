#!lua flags=allow-oom
-- worker_leave: a worker is gone; its record stays with the cause.
--   KEYS[1]  {ns}:workers
--   ARGV     name, incarnation, cause (shutdown | lost | crashed), lifetime s, number of its report, what it measured
-- Returns  1 when it stood under this incarnation
-- Changes  the name leaves the live workers; one event; the namespace's histograms. May be repeated; a successor's record is not touched.
--# include lib_times
local key = P .. 'worker:' .. ARGV[1]
if redis.call('HGET', key, 'incarnation') ~= ARGV[2] then return 0 end
local T = redis.call('TIME')
redis.call('HSET', key, 'left', ARGV[3], 'left_at', T[1] * 1000 + math.floor(T[2] / 1000))
add_times(P .. 'worker:' .. ARGV[1], ARGV[2], ARGV[5], ARGV[6])
redis.call('EXPIRE', key, ARGV[4])
local was = redis.call('ZREM', KEYS[1], ARGV[1])
if was == 1 then
  redis.call('XADD', P .. 'events', 'MAXLEN', '~', 1000, '*', 'k', 'left', 'w', ARGV[2], 'r', ARGV[3])
end
return was
