#!lua flags=no-writes
-- verify_stream: a slice of one stream, each entry with what the hash of its task says at that instant.
--   KEYS[1]  the partition's marker
--   ARGV     stream, from (- | (<entry id>), how many (<= 256)
-- Returns  entry id, task id, type, 1 when the hash exists, its `entry`, `state` and `type` ('' = not set), repeated;
--          the task id is '' when the entry is not one of ours
-- Changes  nothing.
--# include lib_base
local out, m = {}, 0
local entries = call('XRANGE', P .. 'stream:' .. ARGV[1], ARGV[2], '+', 'COUNT', ARGV[3])
for k = 1, #entries do
  local f = entries[k][2]
  local id, typ = '', ''
  if f[1] == 'i' and f[3] == 'y' then id, typ = f[2], f[4] end
  local h = redis.pcall('HMGET', P .. 'task:' .. id, 'entry', 'state', 'type')
  if h.err then h = {} end
  out[m + 1] = entries[k][1]; out[m + 2] = id; out[m + 3] = typ
  out[m + 4] = (h[1] or h[3]) and 1 or call('EXISTS', P .. 'task:' .. id)
  out[m + 5] = h[1] or ''; out[m + 6] = h[2] or ''; out[m + 7] = h[3] or ''
  m = m + 7
end
return out
