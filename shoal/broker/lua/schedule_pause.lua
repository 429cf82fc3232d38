#!lua flags=allow-oom
-- schedule_pause: let a schedule not tick until it is resumed.
--   KEYS[1]  {ns}:schedules
--   ARGV     id
-- Returns  1 when it ticked before, 0 when it was paused, -1 when there is none
-- Changes  the schedule's hash, and when it is looked at. May be repeated.
local P = string.sub(KEYS[1], 1, -10)
local key = P .. 'schedule:' .. ARGV[1]
if redis.call('EXISTS', key) == 0 then return -1 end
redis.call('ZREM', KEYS[1], ARGV[1])
return redis.call('HSET', key, 'paused', '1')
