#!lua flags=no-writes
-- verify_pending: a slice of one stream's pending list.
--   KEYS[1]  the partition's marker
--   ARGV     stream, from (- | (<entry id>), how many (<= 256)
-- Returns  entry id, consumer, 1 when the stream has the entry, repeated; or 'no_group'
-- Changes  nothing.
--# include lib_base
local key = P .. 'stream:' .. ARGV[1]
local pending = redis.pcall('XPENDING', key, GROUP, ARGV[2], '+', ARGV[3])
if pending.err then return 'no_group' end
local out, m = {}, 0
for k = 1, #pending do
  local entry = pending[k][1]
  out[m + 1] = entry; out[m + 2] = pending[k][2]
  out[m + 3] = #call('XRANGE', key, entry, entry)
  m = m + 3
end
return out
