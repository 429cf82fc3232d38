#!lua flags=allow-oom
-- schedule_advance: a schedule's ticks were submitted: go on to the next.
--   KEYS[1]  {ns}:schedules
--   ARGV     id, the next tick that was read ms, the new one ms or '', last tick submitted ms or '', its task, how many ticks
-- Returns  1 when this call went on, 0 when another had
-- Changes  the schedule's hash, and when it is looked at. May be repeated: it goes on only from the tick that was read.
local P = string.sub(KEYS[1], 1, -10)
local id, from, to, last, task, ticks = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local key = P .. 'schedule:' .. id
if redis.call('HGET', key, 'next') ~= from then return 0 end
redis.call('HSET', key, 'next', to)
if last ~= '' then
  redis.call('HSET', key, 'last', last, 'last_task', task)
  redis.call('HINCRBY', key, 'ticks', ticks)
end
if to == '' then
  redis.call('ZREM', KEYS[1], id)
else
  redis.call('ZADD', KEYS[1], 'XX', to, id)
end
return 1
