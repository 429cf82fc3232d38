#!lua flags=no-writes
-- peek: the tasks that claims of one stream will bring next, handed-back ones first; nothing is taken.
--   KEYS[1]  the partition's marker
--   ARGV     stream, how many (<= 256)
-- Returns  per task: id, type, entry id, 1 when it was handed back
-- Changes  nothing.
--# include lib_base
local stream, want = ARGV[1], tonumber(ARGV[2])
local key = P .. 'stream:' .. stream
local out, m = {}, 0
local function show(e, returned)
  local id, typ = e[2][2], e[2][4]
  local h = call('HMGET', P .. 'task:' .. id, 'entry', 'state')
  if h[1] == stream .. '/' .. e[1] and not h[2] then
    out[m + 1] = id; out[m + 2] = typ; out[m + 3] = e[1]; out[m + 4] = returned
    m = m + 4
  end
end
if call('SISMEMBER', P .. 'queues', match(stream, '^[^:]+')) == 0 then return out end
local pending = call('XPENDING', key, GROUP, '-', '+', want, 'returned')
for k = 1, #pending do
  local e = call('XRANGE', key, pending[k][1], pending[k][1])[1]
  if e then show(e, 1) end
end
local left = want - m / 4
if left > 0 then
  local delivered
  for _, group in ipairs(call('XINFO', 'GROUPS', key)) do
    for k = 1, #group, 2 do
      if group[k] == 'last-delivered-id' then delivered = group[k + 1] end
    end
  end
  for _, e in ipairs(call('XRANGE', key, '(' .. delivered, '+', 'COUNT', left)) do show(e, 0) end
end
return out
