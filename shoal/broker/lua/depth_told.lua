#!lua flags=allow-oom
-- depth_told: a queue and priority has reached another level.
--   KEYS[1]  {ns}:workers
--   ARGV     stream, waiting tasks, level
-- Returns  the entry's id
-- Changes  one event. May be repeated: then it is told twice.
local P = string.sub(KEYS[1], 1, -8)
return redis.call('XADD', P .. 'events', 'MAXLEN', '~', 1000, '*', 'k', 'depth', 's', ARGV[1], 'n', ARGV[2], 'l', ARGV[3])
