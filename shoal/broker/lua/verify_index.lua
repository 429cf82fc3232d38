#!lua flags=no-writes
-- verify_index: a slice of a zset of ids, each with what the hash of its task says at that instant.
--   KEYS[1]  the partition's marker
--   ARGV     the zset's name after the tag, first rank, last rank (<= 256 apart)
-- Returns  id, score, 1 when the hash exists, its `state`, `type`, `due` and `fingerprint` ('' = not set), repeated
-- Changes  nothing.
--# include lib_base
local out, m = {}, 0
local rows = call('ZRANGE', P .. ARGV[1], ARGV[2], ARGV[3], 'WITHSCORES')
for k = 1, #rows, 2 do
  local key = P .. 'task:' .. rows[k]
  local h = redis.pcall('HMGET', key, 'state', 'type', 'due', 'fingerprint')
  if h.err then h = {} end
  out[m + 1] = rows[k]; out[m + 2] = rows[k + 1]; out[m + 3] = call('EXISTS', key)
  for f = 1, 4 do out[m + 3 + f] = h[f] or '' end
  m = m + 7
end
return out
