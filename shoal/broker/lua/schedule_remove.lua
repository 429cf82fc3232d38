#!lua flags=allow-oom
-- schedule_remove: forget a schedule; tasks that it made stay.
--   KEYS[1]  {ns}:schedules
--   ARGV     id
-- Returns  1 when there was one
-- Changes  the schedule goes. May be repeated.
local P = string.sub(KEYS[1], 1, -10)
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('SREM', P .. 'schedule_ids', ARGV[1])
return redis.call('DEL', P .. 'schedule:' .. ARGV[1])
