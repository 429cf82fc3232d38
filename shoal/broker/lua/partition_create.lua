#!lua flags=allow-oom
-- partition_create: the marker, without which every other script does nothing. Only where the slot does not move.
--   KEYS[1]  the partition's marker
--   ARGV     schema version
-- Returns  1 when it was made now
-- Changes  the marker, and a field `about` in `counts` and `stats`. May be repeated.
local T = redis.call('TIME')
local made = redis.call('SET', KEYS[1], 'schema=' .. ARGV[1] .. ' created=' .. T[1], 'NX')
-- A value of over 64 bytes keeps a hash a table: as a list, reading ten fields would walk all of them ten times.
local P = string.sub(KEYS[1], 1, -10)
local about = 'This field is longer than 64 bytes so that this hash is never stored as a list.'
redis.call('HSETNX', P .. 'counts', 'about', about)
redis.call('HSETNX', P .. 'stats', 'about', about)
return made and 1 or 0
