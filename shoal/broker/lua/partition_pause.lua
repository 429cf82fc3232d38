#!lua flags=allow-oom
-- partition_pause: every script of the partition answers `paused` until it is resumed; for moving its slot.
--   KEYS[1]  the partition's marker
-- Returns  1, or 'no_partition'
-- Changes  the marker and `partition_paused`: a classic move carries one key at a time, and either stops the scripts.
-- May be repeated.
local P = string.sub(KEYS[1], 1, -10)
local marker = redis.call('GET', KEYS[1])
if not marker then return 'no_partition' end
if string.sub(marker, 1, 7) ~= 'paused ' then redis.call('SET', KEYS[1], 'paused ' .. marker) end
redis.call('SET', P .. 'partition_paused', redis.call('TIME')[1])
return 1
