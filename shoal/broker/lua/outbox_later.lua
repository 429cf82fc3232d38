#!lua flags=allow-oom
-- outbox_later: notices that could not be delivered; at most 256.
--   KEYS[1]  the partition's marker
--   ARGV     when to try again (ms from now), notices
-- Returns  0
-- Changes  their next try. May be repeated; what has been delivered meanwhile does not come back.
--# include lib_base
local at = format('%d', NOW + ARGV[1])
local pairs_of = {}
for k = 2, #ARGV do
  pairs_of[#pairs_of + 1] = at; pairs_of[#pairs_of + 1] = ARGV[k]
end
call('ZADD', P .. 'outbox', 'XX', unpack(pairs_of))
return 0
