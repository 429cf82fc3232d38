#!lua flags=allow-oom
-- operation_end: an operation is over, or stops here.
--   KEYS[1]  {ns}:operations
--   ARGV     id, 'finished' | 'stopped' | 'failed', progress (JSON), why it failed or '', lifetime s
-- Returns  1 when it is known
-- Changes  its state. May be repeated.
local P = string.sub(KEYS[1], 1, -11)
local key = P .. 'operation:' .. ARGV[1]
if redis.call('EXISTS', key) == 0 then return 0 end
local T = redis.call('TIME')
local now = string.format('%d', T[1] * 1000 + math.floor(T[2] / 1000))
redis.call('HSET', key, 'state', ARGV[2], 'progress', ARGV[3], 'error', ARGV[4], 'ended', now)
redis.call('HDEL', key, 'runner', 'beat')
redis.call('EXPIRE', key, ARGV[5])
return 1
