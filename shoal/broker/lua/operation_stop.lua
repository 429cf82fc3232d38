#!lua flags=allow-oom
-- operation_stop: let an operation stop after its next step.
--   KEYS[1]  {ns}:operations
--   ARGV     id
-- Returns  1 when it runs, 0 when it has ended, -1 when it is not known
-- Changes  the wish. May be repeated.
local P = string.sub(KEYS[1], 1, -11)
local key = P .. 'operation:' .. ARGV[1]
local state = redis.call('HGET', key, 'state')
if not state then return -1 end
if state ~= 'running' then return 0 end
redis.call('HSET', key, 'stop', '1')
return 1
