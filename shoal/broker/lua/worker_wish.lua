#!lua flags=allow-oom
-- worker_wish: what an operator wishes of a worker; its next heartbeat tells it.
--   KEYS[1]  {ns}:workers
--   ARGV     name, 'paused' | 'shutdown' | '' (neither)
-- Returns  'changed' | 'same' | 'shutting_down' (that is not taken back) | 'not_found' (no live worker has this name)
-- Changes  the wish. May be repeated.
local P = string.sub(KEYS[1], 1, -8)
local key = P .. 'worker:' .. ARGV[1]
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 'not_found' end
local held = redis.call('HGET', key, 'desired') or ''
if held == ARGV[2] then return 'same' end
if held == 'shutdown' then return 'shutting_down' end
if ARGV[2] == '' then redis.call('HDEL', key, 'desired') else redis.call('HSET', key, 'desired', ARGV[2]) end
return 'changed'
