#!lua flags=allow-oom
-- partition_resume: the partition's scripts work again.
--   KEYS[1]  the partition's marker
-- Returns  1, or 'no_partition'
-- Changes  the marker and `partition_paused`. May be repeated.
local P = string.sub(KEYS[1], 1, -10)
local marker = redis.call('GET', KEYS[1])
if not marker then return 'no_partition' end
if string.sub(marker, 1, 7) == 'paused ' then redis.call('SET', KEYS[1], string.sub(marker, 8)) end
redis.call('DEL', P .. 'partition_paused')
return 1
