#!lua flags=allow-oom
-- partition_create: the marker, without which every other script does nothing. Only where the slot does not move.
--   KEYS[1]  the partition's marker
--   ARGV     schema version
-- Returns  1 when it was made now
-- Changes  the marker. May be repeated.
local T = redis.call('TIME')
local made = redis.call('SET', KEYS[1], 'schema=' .. ARGV[1] .. ' created=' .. T[1], 'NX')
return made and 1 or 0
