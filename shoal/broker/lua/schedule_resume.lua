#!lua flags=allow-oom
-- schedule_resume: let a schedule tick again, from its next tick on.
--   KEYS[1]  {ns}:schedules
--   ARGV     id, next tick ms or ''
-- Returns  1 when it was paused, 0 when it was not, -1 when there is none
-- Changes  the schedule's hash, and when it is looked at. May be repeated.
local P = string.sub(KEYS[1], 1, -10)
local key = P .. 'schedule:' .. ARGV[1]
if redis.call('EXISTS', key) == 0 then return -1 end
if redis.call('HDEL', key, 'paused') == 0 then return 0 end
redis.call('HSET', key, 'next', ARGV[2])
if ARGV[2] ~= '' then redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1]) end
return 1
